"""Objects, their prompts per plane, and one undo for all of it.

No Qt, no torch, no disk: labels are reached through `Labels`, and every change of
what is known goes to `Session.recorders` besides, from which a journal is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from napari_segnext.prompts import Plane, Prompts, Region
from napari_segnext.resample import FloatArray
from napari_segnext.session import operations
from napari_segnext.session.grid import LabelChange, Labels
from napari_segnext.session.history import History
from napari_segnext.session.masks import View, previous_mask, repaint, restore
from napari_segnext.session.messages import Counts, Record, Request, Undone
from napari_segnext.session.painter import Painter
from napari_segnext.session.sparse import Diff, Sparse
from napari_segnext.session.state import (
    Colour,
    Delta,
    Info,
    Key,
    Probability,
    Result,
    SegmentedObject,
    Step,
    prompts_of,
    result_of,
)


class Session:
    """Objects in the labels of one image.

    A step of undo is one action of the user; it is taken at once and gets its mask
    when that is decoded. Prompts that share a decode are a step each: the mask
    belongs to the last of them, and undoing that one brings back the mask from
    before the first, with a request for the prompts that are left. A mask that
    arrives after later steps is put beneath them (see `History`).

    Parameters
    ----------
    labels
        Ids that it holds already become objects without prompts.
    blank
        Whether the labels are known to be empty; they are not read then.

    Attributes
    ----------
    listeners
        Called without arguments after each change of the objects.
    recorders
        Called with each change, as a `Record`.
    """

    def __init__(self, labels: Labels, blank: bool = False) -> None:
        self._painter = Painter(labels, blank)
        self._grid = self._painter.grid
        self._objects: dict[int, SegmentedObject] = {}
        self._history = History()
        self._tickets = 0
        self.current = 0
        self.listeners: list[Callable[[], None]] = []
        self.recorders: list[Callable[[Record], None]] = []
        for number in self._painter.ids:
            self._objects[number] = SegmentedObject(number, Info(f"Object {number}"))
            self.current = number

    @property
    def labels(self) -> Labels:
        """Where the masks are."""
        return self._painter.labels

    @property
    def objects(self) -> Mapping[int, SegmentedObject]:
        """All objects by id, in the order in which they were made."""
        return MappingProxyType(self._objects)

    def count(self, object_id: int) -> Counts:
        """Return how much there is of an object; costs nothing."""
        prompts = self._known(object_id).prompts
        voxels = self._painter.count(object_id)
        return Counts(sum(map(len, prompts.values())), len(prompts), voxels)

    # Prompts to masks

    def set_prompts(
        self, plane: Plane, prompts: Prompts, object_id: int | None = None
    ) -> Request | None:
        """Replace the prompts of an object in a plane: one step.

        Returns
        -------
        What to decode. None without prompts: the mask is then again what it was
        before the first.

        Raises
        ------
        ValueError
            If the plane or a prompt lies outside, there is no such object, or it
            is finished. Nothing has changed then.
        """
        self._grid.check(plane)
        prompts.check_inside(self._grid.plane_shape(plane))
        if object_id is None and not self._objects:
            self.new_object()
        number = self.current if object_id is None else object_id
        known, key = self._known(number), (number, plane)
        if known.finished:
            raise ValueError(f"{known.name} is finished; reopen it to change it")
        if prompts == prompts_of(self._objects, key):
            return self.request(number, plane)
        after = Delta(prompts={key: prompts})
        if len(prompts):
            step = self._step("prompts", number, plane, after)
            step.asks = frozenset({key})
        else:
            after.results[key] = None
            step = self._step("prompts", number, plane, after)
            step.settles.add(key)
            step.diff = restore(self._view(), key, known.results.get(plane))
        self._take(step)
        return self.request(number, plane)

    def request(self, object_id: int, plane: Plane) -> Request | None:
        """Return what is to be decoded for an object in a plane now, if anything."""
        key = (object_id, plane)
        step = self._history.awaiting(key)
        if step is None or object_id not in self._objects:
            return None
        prompts = prompts_of(self._objects, key)
        previous, answered = previous_mask(
            self._view(), key, prompts, result_of(self._objects, key)
        )
        return Request(object_id, plane, prompts, previous, answered, step.ticket)

    def requests(self) -> list[Request]:
        """Return all that is to be decoded now."""
        wanted = (
            self.request(number, plane)
            for number, each in self._objects.items()
            for plane in each.prompts
        )
        return [request for request in wanted if request is not None]

    def commit(self, request: Request, probability: FloatArray) -> LabelChange | None:
        """Write the mask that answers a request: probability above one half.

        Finished objects and what was painted by hand for others stay as they are.
        The answer to a request that newer prompts have followed is written too, as
        long as these are not answered themselves.

        Parameters
        ----------
        probability
            (H, W) float32, 0 to 1.

        Returns
        -------
        What was written; None if the request is outdated: undone, discarded, or a
        newer one of the same object and plane is answered.

        Raises
        ------
        ValueError
            If the probability does not have the plane's shape or is not finite.
        """
        plane, key = request.plane, (request.object_id, request.plane)
        shape = self._grid.plane_shape(plane)
        if probability.shape != shape or not np.isfinite(probability).all():
            raise ValueError(
                f"a probability map for {plane} is finite and of shape {shape}, not "
                f"{probability.shape}"
            )
        place = self._history.place(request.ticket, key)
        if place is None or request.object_id not in self._objects:
            return None
        known = result_of(self._objects, key)
        base = Sparse() if known is None else known.base
        view = self._view(self._history.edits_at(place, self._objects))
        page = self._painter.labels.read(plane)
        page = self._history.page_at(place, plane, page, self._grid)
        diff, section = repaint(view, key, page, probability > 0.5, base)
        base = Sparse(diff.voxels, diff.old).updated(base)
        result = Result(
            request.prompts, Probability.of(probability), Region.of(section), base
        )
        plan = self._history.insert(place, key, diff)
        (change,) = self._painter.write(plan.now, plane)
        step = self._history.done[place]
        plan.apply(key, result)
        step.settles.add(key)
        step.before.results.setdefault(key, known)
        step.after.results[key] = result
        delta = Delta(results={key: result})
        self._apply(delta)
        self._tell("mask", delta, plan.now)
        return change

    # Manual edits

    def record_stroke(
        self,
        plane: Plane,
        rows: ArrayLike,
        columns: ArrayLike,
        old: ArrayLike,
        new: ArrayLike,
    ) -> LabelChange | None:
        """Take note of a brush stroke that is already in the labels: one step.

        What was painted stays in the object, what was erased or painted over stays
        out of it, until the manual edits of the plane are cleared. An id that no
        object has becomes one.

        Parameters
        ----------
        rows, columns
            (N,) pixels of the plane, none twice.
        old, new
            Ids before and after; one for all, or (N,).

        Returns
        -------
        What was taken back because it is finished, None if nothing was.
        """
        self._grid.check(plane)
        voxels = self._grid.voxels(plane, rows, columns)
        before, after = (
            np.broadcast_to(values, voxels.shape).astype(self._painter.dtype)
            for values in (old, new)
        )
        diff = Diff.of(voxels, before, after)
        finished = [n for n, each in self._objects.items() if each.finished]
        kept = np.isin(diff.old, finished) | np.isin(diff.new, finished)
        reverted = None
        if kept.any():
            back = diff.select(kept).inverse
            self._painter.count_change(back.inverse)
            (reverted,) = self._painter.write(back, plane)
            diff = diff.select(~kept)
        if len(diff):
            number, delta = operations.stroke(self._objects, plane, diff)
            step = self._step("stroke", number, plane, delta)
            step.diff = diff
            self._take(step, written=True)
        return reverted

    def clear_manual_edits(self, object_id: int, plane: Plane) -> Request | None:
        """Set free what was painted and erased in a plane: one step.

        Returns
        -------
        What to decode, so that the prompts decide. None without prompts or edits.
        """
        key = (object_id, plane)
        known = self._known(object_id)
        if plane not in known.edits:
            return None
        step = self._step("clear edits", object_id, plane, Delta(edits={key: Sparse()}))
        step.asks = frozenset({key} if plane in known.prompts else ())
        self._take(step)
        return self.request(object_id, plane)

    # Objects

    def new_object(self, name: str | None = None) -> int:
        """Make an object and go to it; return its id.

        It is a step, except for the first of a session: what would undo go back to?

        Raises
        ------
        ValueError
            If the labels' type holds no further id.
        """
        number = self._next_id()
        delta = Delta(number, {number: Info(name or f"Object {number}")})
        if self._objects:
            self._take(self._step("new object", number, None, delta))
            return number
        self._apply(delta)
        self._tell("new object", delta, Diff())
        return number

    def select(self, object_id: int) -> None:
        """Go to an object; not a step."""
        self._known(object_id)
        delta = Delta(object_id)
        self._apply(delta)
        self._tell("select", delta, Diff())

    def accept(self, object_id: int) -> None:
        """Finish an object: from now on it is protected."""
        info = self._known(object_id).info
        self._describe("accept", object_id, replace(info, finished=True))

    def reopen(self, object_id: int) -> None:
        """Make a finished object one that can be changed."""
        info = self._known(object_id).info
        self._describe("reopen", object_id, replace(info, finished=False))

    def rename(self, object_id: int, name: str) -> None:
        """Give an object another name."""
        info = self._known(object_id).info
        self._describe("rename", object_id, replace(info, name=name))

    def recolour(self, object_id: int, colour: Colour | None) -> None:
        """Give an object a colour of its own: red, green, blue from 0 to 1."""
        info = self._known(object_id).info
        self._describe("recolour", object_id, replace(info, colour=colour))

    def discard(self, object_id: int) -> None:
        """Take away an object's pixels, prompts and edits; it stays, empty.

        What its predictions had covered comes back.
        """
        known = self._known(object_id)
        delta = operations.emptied(known)
        delta.objects[object_id] = replace(known.info, finished=False)
        self._remove("discard", known, delta)

    def delete(self, object_id: int) -> None:
        """Take away an object with all that belongs to it."""
        known = self._known(object_id)
        delta = operations.emptied(known)
        delta.objects[object_id] = None
        ids = list(self._objects)
        if len(ids) == 1:
            number = self._next_id()
            delta.objects[number] = Info(f"Object {number}")
            delta.current = number
        elif self.current == object_id:
            at = ids.index(object_id)
            delta.current = ids[at + 1] if at + 1 < len(ids) else ids[at - 1]
        self._remove("delete", known, delta)

    def merge(self, into: int, other: int) -> None:
        """Make another object part of one: pixels, prompts and edits."""
        if into == other:
            raise ValueError("an object cannot be merged with itself")
        first, second = self._known(into), self._known(other)
        pairs = [(n, plane) for plane in second.planes for n in (into, other)]
        unanswered = {p for n, p in pairs if self._history.awaiting((n, p))}
        delta = operations.merged(self._painter, first, second, unanswered)
        delta.objects[other] = None
        delta.current = into
        step = self._step("merge", into, None, delta)
        step.removes = frozenset({other})
        step.asks = frozenset((into, plane) for plane in unanswered)
        step.settles = set(pairs) - step.asks
        voxels = self._painter.voxels(other)
        new = np.full(len(voxels), into)
        step.diff = self._painter.relabel(other, voxels, new)
        self._take(step)

    # Undo

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._history.done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again."""
        return bool(self._history.undone)

    def undo(self) -> Undone | None:
        """Take back the last step, prompts and mask together; None without one."""
        if not self._history.done:
            return None
        step = self._history.done[-1]
        changes = self._painter.write(step.diff.inverse, step.plane)
        self._history.undone.append(self._history.done.pop())
        return self._turned("undo", step, step.before, step.diff.inverse, changes)

    def redo(self) -> Undone | None:
        """Do again what was undone last; None without a step."""
        if not self._history.undone:
            return None
        step = self._history.undone[-1]
        changes = self._painter.write(step.diff, step.plane)
        self._history.done.append(self._history.undone.pop())
        return self._turned("redo", step, step.after, step.diff, changes)

    def _turned(
        self,
        how: str,
        step: Step,
        delta: Delta,
        diff: Diff,
        changes: tuple[LabelChange, ...],
    ) -> Undone:
        self._apply(delta)
        self._tell(f"{how} {step.name}", delta, diff)
        number, plane = step.object_id, step.plane
        prompts, request = Prompts(), None
        if plane is not None:
            prompts = prompts_of(self._objects, (number, plane))
            request = self.request(number, plane)
        return Undone(step.name, number, plane, prompts, changes, request)

    def replay(self, record: Record) -> None:
        """Repeat a change that a journal has kept; not a step."""
        self._painter.write(record.diff, None)
        self._apply(record.delta)

    # Within

    def _known(self, object_id: int) -> SegmentedObject:
        if object_id not in self._objects:
            raise ValueError(f"there is no object {object_id}")
        return self._objects[object_id]

    def _view(self, edits: dict[Key, Sparse] | None = None) -> View:
        if edits is None:
            edits = self._history.edits_at(len(self._history.done), self._objects)
        finished = frozenset(n for n, each in self._objects.items() if each.finished)
        return View(self._painter, frozenset(self._objects), finished, edits)

    def _next_id(self) -> int:
        """Return an id that neither an object nor a step has ever used."""
        used = {0, *self._objects, *self._painter.ids}
        for step in self._history.done:
            used.update(step.before.objects)
        number = max(used) + 1
        if number > np.iinfo(self._painter.dtype).max:
            raise ValueError(
                f"labels of this type end at {number - 1}; convert them to a wider one"
            )
        return number

    def _step(self, name: str, number: int, plane: Plane | None, after: Delta) -> Step:
        self._tickets += 1
        if after.current is None:
            after.current = self.current
        before = after.keep(self._objects, self.current)
        return Step(self._tickets, name, number, plane, before, after)

    def _take(self, step: Step, written: bool = False) -> None:
        if written:
            self._painter.count_change(step.diff)
        else:
            self._painter.write(step.diff, step.plane)
        self._history.push(step)
        self._apply(step.after)
        self._tell(step.name, step.after, step.diff)

    def _describe(self, what: str, object_id: int, info: Info) -> None:
        delta = Delta(objects={object_id: info})
        self._take(self._step(what, object_id, None, delta))

    def _remove(self, what: str, known: SegmentedObject, delta: Delta) -> None:
        step = self._step(what, known.id, None, delta)
        step.removes = frozenset({known.id})
        step.settles = {(known.id, plane) for plane in known.planes}
        voxels = self._painter.voxels(known.id)
        left = self._view().beneath(known.id, voxels, operations.covered(known))
        step.diff = self._painter.relabel(known.id, voxels, left)
        self._take(step)

    def _apply(self, delta: Delta) -> None:
        delta.apply(self._objects)
        if delta.current is not None:
            self.current = delta.current

    def _tell(self, name: str, delta: Delta, diff: Diff) -> None:
        for recorder in self.recorders:
            recorder(Record(name, delta, diff))
        for listener in self.listeners:
            listener()
