"""Objects, their prompts per plane, and one undo for all of it.

No Qt, no torch, no disk: labels are reached through `Labels`, and every change of
what is known goes to `Session.recorders` besides, from which a journal is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Patch
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.labels.diffs import Diff, PlaneDiff
from napari_segnext.labels.sparse import Sparse
from napari_segnext.prompts import Prompts
from napari_segnext.session import operations
from napari_segnext.session.history import History
from napari_segnext.session.masks import concerned, repaint, restore
from napari_segnext.session.messages import Record, Request
from napari_segnext.session.probability import Probability
from napari_segnext.session.reviewing import Reviewing
from napari_segnext.session.state import (
    Delta,
    Result,
    everything,
    prompts_of,
    result_of,
)


class Session(Reviewing):
    """Objects in the labels of one image.

    A step of undo is one action of the user; it is taken at once and gets its mask
    when that is decoded. Prompts that share a decode are a step each: the mask
    belongs to the last of them, and undoing that one brings back the mask from
    before the first, with a request for the prompts that are left. A mask that
    arrives after later steps is put beneath them (see `History`).

    For parameters and attributes see `ObjectBook`.
    """

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
        return next(iter(self.change_prompts({plane: prompts}, object_id)), None)

    def change_prompts(
        self, changes: Mapping[Plane, Prompts], object_id: int | None = None
    ) -> list[Request]:
        """Replace the prompts of an object in planes that do not cross: one step.

        Returns
        -------
        What to decode in planes that have prompts. Without any the mask is again what
        it was before the first.

        Raises
        ------
        ValueError
            As `set_prompts`, or if planes cross.
        """
        self.labels.settle()
        self._check_prompts(changes)
        if object_id is None and not self._objects:
            self.new_object()
        number = self.current if object_id is None else object_id
        known = self._open(number)
        new = {
            (number, plane): prompts
            for plane, prompts in changes.items()
            if prompts != prompts_of(self._objects, (number, plane))
        }
        if new:
            only = next(iter(new))[1] if len(new) == 1 else None
            after = Delta(prompts=new)
            emptied = {key for key, prompts in new.items() if not len(prompts)}
            after.results = dict.fromkeys(emptied)
            step = self._step("prompts", number, only, after)
            step.asks, step.settles = frozenset(new) - emptied, emptied
            view = self._view()
            step.diff = Diff.joined(
                restore(view, key, known.results.get(key[1])) for key in emptied
            )
            self._take(step)
        return self._wanted((number, plane) for plane in changes)

    def commit(
        self, request: Request, probability: FloatArray | Patch
    ) -> PlaneDiff | None:
        """Write the mask that answers a request: probability above one half.

        Finished objects and what was painted by hand for others stay as they are.
        The answer to a request that newer prompts have followed is written too, as
        long as these are not answered themselves.

        Parameters
        ----------
        probability
            0 to 1, (H, W) float32 or a part.

        Returns
        -------
        What was written; None if the request is outdated: undone, discarded, or a
        newer one of the same object and plane is answered.

        Raises
        ------
        ValueError
            If the probability does not have the plane's shape or is not finite.
        """
        self.labels.settle()
        plane, key = request.plane, (request.object_id, request.plane)
        self._check_probability(plane, probability)
        place = self._history.place(request.ticket, key)
        if place is None or request.object_id not in self._objects:
            return None
        known = result_of(self._objects, key)
        base = Sparse() if known is None else known.base
        view = self._view(self._history.edits_at(place, self._objects))
        kept = Probability.of(probability)
        changed = self._history.changed_after(place, plane, self.space)
        part = concerned(view, key, kept.extent, changed)
        page = self._painter.labels.read(plane, part)
        page = self._history.page_at(place, plane, page, self.space, part)
        written, section = repaint(view, key, page, part, kept, base)
        diff = Diff.across(self.space, [written])
        base = Sparse(diff.before).updated(base)
        result = Result.of(request.prompts, kept, section, base)
        plan = self._history.insert(place, key, diff)
        if plan.now is not diff:
            (written,) = self._painter.split(plan.now, plane)
        self._painter.write_all(plan.now, plane)
        step = self._history.done[place]
        step.before.results.setdefault(key, known)
        self._history.settle(place, key, plan, result)
        delta = Delta(results={key: result})
        delta.proposals |= self._withdraw(step, plan.now)
        self._apply(delta)
        self._tell("mask", delta, plan.now)
        return written

    # Manual edits

    def record_stroke(
        self,
        plane: Plane,
        rows: ArrayLike,
        columns: ArrayLike,
        old: ArrayLike,
        new: ArrayLike,
    ) -> PlaneDiff | None:
        """Take note of a brush stroke in one plane; see `record_strokes`.

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
        rows, columns = np.asarray(rows), np.asarray(columns)
        before, after = (
            np.broadcast_to(values, rows.shape).astype(self._painter.dtype)
            for values in (old, new)
        )
        stroke = PlaneDiff(plane, rows, columns, before, after)
        return next(iter(self.record_strokes([stroke])), None)

    def record_strokes(self, parts: Sequence[PlaneDiff]) -> tuple[PlaneDiff, ...]:
        """Take note of a brush stroke that is already in the labels: one step.

        What was painted stays in the object, what was erased or painted over stays
        out of it, until the manual edits of the plane are cleared. An id that no
        object has becomes one.

        Parameters
        ----------
        parts
            What it changed, by plane; the planes do not cross.

        Returns
        -------
        What was taken back because it is finished.
        """
        view = self._view()
        taken, reverted = list[PlaneDiff](), list[PlaneDiff]()
        for part in parts:
            self.space.check(part.plane)
            drawn = part.changed
            kept = view.refused(drawn.old, drawn.new)
            if kept.any():
                back = drawn.select(kept)
                self._painter.count_change(back)
                reverted.append(self._painter.write(back.inverse))
                drawn = drawn.select(~kept)
            if len(drawn):
                taken.append(drawn)
        if taken:
            number, delta = operations.stroke(self._objects, self.space, taken)
            only = taken[0].plane if len(taken) == 1 else None
            step = self._step("stroke", number, only, delta)
            step.manual = True
            self._take(step, taken, written=True)
        return tuple(reverted)

    def clear_plane(self, object_id: int, plane: Plane) -> bool:
        """Take an object out of a plane, and keep it out: one step.

        Its prompts there go too. What is taken away counts as erased by hand, so that
        the object ends there when it is followed from other planes.

        Returns
        -------
        Whether there was anything of it.

        Raises
        ------
        ValueError
            If the plane lies outside, there is no such object, or it is finished.
        """
        self.settle()
        self.space.check(plane)
        known, key = self._open(object_id), (object_id, plane)
        part = self._painter.extent(object_id, plane)
        rows, columns = np.nonzero(self.labels.read(plane, part) == object_id)
        rows, columns = rows + part.top, columns + part.left
        if not len(rows) and plane not in known.prompts:
            return False
        old = np.full(len(rows), object_id, self._painter.dtype)
        erased = PlaneDiff(plane, rows, columns, old, np.zeros_like(old))
        delta = Delta()
        if len(rows):
            _, delta = operations.stroke(self._objects, self.space, [erased])
        delta.prompts[key], delta.results[key] = Prompts(), None
        step = self._step("clear slice", object_id, plane, delta)
        step.settles, step.manual = {key}, True
        former = known.results.get(plane)
        base = Sparse() if former is None else former.base
        voxels = self.space.numbers(plane, rows, columns)
        left = self._view().beneath(object_id, voxels, base).astype(old.dtype)
        self._take(step, [replace(erased, new=left)])
        return True

    def clear_manual_edits(self, object_id: int, plane: Plane) -> Request | None:
        """Set free what was painted and erased in a plane: one step.

        Returns
        -------
        What to decode, so that the prompts decide. None without prompts or edits.
        """
        self.settle()
        key = (object_id, plane)
        known = self._known(object_id)
        if plane not in known.edits:
            return None
        step = self._step("clear edits", object_id, plane, Delta(edits={key: Sparse()}))
        step.asks = frozenset({key} if plane in known.prompts else ())
        self._take(step)
        return self.request(object_id, plane)

    # To and from a journal

    def records(self) -> Iterator[Record]:
        """Yield all that there is, as changes from nothing."""
        self.labels.settle()
        delta = everything(
            self._objects, self._findings, self.current, self.semantic, self.taught
        )
        yield Record("all", delta, Diff())
        for diff in self._painter.pages():
            yield Record("labels", Delta(), diff)

    def restore(self, records: Iterable[Record]) -> list[Request]:
        """Become what records tell; that cannot be undone.

        Parameters
        ----------
        records
            As `records` yields them or `recorders` got them, in their order. What
            the diffs say about earlier labels does not matter.

        Returns
        -------
        What is still to be decoded.
        """
        self.labels.settle()
        self._findings.clear()
        for record in records:
            self._painter.lay(record.diff.after)
            self._apply(record.delta)
        step = self._step("restored", self.current, None, Delta())
        step.asks = frozenset(
            (number, plane)
            for number, each in self._objects.items()
            for plane, prompts in each.prompts.items()
            if plane not in each.results or each.results[plane].prompts != prompts
        )
        self._history = History(step)
        for listener in self.listeners:
            listener()
        return self.requests()
