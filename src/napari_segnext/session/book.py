"""The objects of a session, and the steps that change them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.space import Space, Voxels
from napari_segnext.labels.counted import Painter
from napari_segnext.labels.diffs import Diff, PlaneDiff
from napari_segnext.labels.labels import Labels
from napari_segnext.labels.sparse import Sparse
from napari_segnext.session import operations
from napari_segnext.session.history import History
from napari_segnext.session.masks import View
from napari_segnext.session.messages import Counts, Record
from napari_segnext.session.nesting import Nesting
from napari_segnext.session.proposed import Findings
from napari_segnext.session.state import (
    Colour,
    Delta,
    Info,
    Key,
    SegmentedObject,
    doubt_of,
)
from napari_segnext.session.step import Step
from napari_segnext.session.work import Stopwatch


class ObjectBook:
    """Objects by id, and one of them that is the current one.

    All that is done to objects is a step of undo, except `select`.

    Parameters
    ----------
    labels
        Ids that it holds already become objects without prompts.
    blank
        Whether the labels are known to be empty; they are not read then.

    Attributes
    ----------
    current
        Id of the object that prompts are for; 0 before there is one.
    semantic
        Whether the user sees, and saves, objects of a class as one.
    taught
        File, beside the journal, of the taught model in use; empty if there is none.
    listeners
        Called without arguments after each change.
    recorders
        Called with each change, as a `Record`.
    settlers
        Called without arguments before what the user does to objects, and not before
        a mask that arrives: it must not end what is being drawn.
    """

    def __init__(self, labels: Labels, blank: bool = False) -> None:
        self._painter = Painter(labels, blank)
        self._objects: dict[int, SegmentedObject] = {}
        self._findings = Findings()
        self._history = History()
        self._nesting: Nesting | None = None
        self._tickets = 0
        self.current = 0
        self.semantic = False
        self.taught = ""
        self.listeners: list[Callable[[], object]] = []
        self.recorders: list[Callable[[Record], object]] = []
        self.settlers: list[Callable[[], object]] = []
        self._watch = Stopwatch()
        for number in self._painter.ids:
            self._objects[number] = SegmentedObject(number, Info(f"Object {number}"))
            self.current = number

    @property
    def labels(self) -> Labels:
        """Where the masks are."""
        return self._painter.labels

    @property
    def watchers(self) -> list[Callable[[Diff], object]]:
        """Called with each change of labels, see `Painter`."""
        return self._painter.watchers

    @property
    def space(self) -> Space:
        """The axes and planes of the labels."""
        return self._painter.space

    @property
    def objects(self) -> Mapping[int, SegmentedObject]:
        """All objects by id, in ascending order."""
        return MappingProxyType(self._objects)

    @property
    def findings(self) -> Findings:
        """What is proposed, and where all objects of a kind are known."""
        return self._findings

    @property
    def nesting(self) -> Nesting:
        """Which objects lie inside which."""
        if self._nesting is None:
            self._nesting = Nesting.of(self._objects)
        return self._nesting

    def settle(self) -> None:
        """Let what the user has begun, as half a polygon, become a step first."""
        self.labels.settle()
        for settler in self.settlers:
            settler()

    def count(self, object_id: int) -> Counts:
        """Return how much there is of an object; costs nothing."""
        known, painter = self._known(object_id), self._painter
        # Voxels are counted by slices along the first axis alone.
        axis = known.axis
        slices = painter.slices(object_id) if axis == 0 else known.shown_along(axis)
        prompts = sum(map(len, known.prompts.values()))
        return Counts(prompts, slices, painter.count(object_id))

    def new_object(self, name: str | None = None, value: int | None = None) -> int:
        """Make an object, of the current one's class, and go to it; return its id.

        It is a step, except for the first of a session: what would undo go back to?

        Parameters
        ----------
        value
            In files of labels; default: its id. No other object has it.

        Raises
        ------
        ValueError
            If the labels' type holds no further id.
        """
        self.settle()
        number = self._next_id()
        info = replace(self._fresh(number, name), value=value)
        delta = Delta(number, {number: info})
        if self._objects:
            self._take(self._step("new object", number, None, delta))
        else:
            self._note("new object", delta)
        return number

    def begin(self) -> int:
        """Go to an empty object, one that there is or a new one; return its id."""
        self.settle()
        number = self._spare()
        info = self._fresh(number)
        if number in self._objects and self._objects[number].info == info:
            self.select(number)
        else:
            delta = Delta(number, {number: info})
            self._take(self._step("new object", number, None, delta))
        return number

    def is_empty(self, object_id: int) -> bool:
        """Tell whether an object has nothing yet, and is not finished."""
        known = self._known(object_id)
        return not (known.finished or known.planes or self._painter.count(object_id))

    def voxels(self, object_id: int) -> Voxels:
        """Return the numbers of all voxels of an object in the labels, sorted."""
        self.labels.settle()
        return self._painter.voxels(self._known(object_id).id)

    def planes_of(self, object_id: int, like: Plane) -> list[Plane]:
        """Return the planes that hold voxels of an object, of those parallel to one."""
        self.labels.settle()
        indices = self._painter.indices(self._known(object_id).id, like)
        return [Plane(like.axis, index, like.fixed) for index in indices]

    def section(self, object_id: int, plane: Plane) -> Region:
        """Return the pixels of an object in a plane."""
        self.labels.settle()
        part = self._painter.extent(self._known(object_id).id, plane)
        return Region.of(self.labels.read(plane, part) == object_id, part[:2])

    def select(self, object_id: int) -> None:
        """Go to an object; not a step."""
        self.settle()
        self._known(object_id)
        self._note("select", Delta(object_id))

    def accept(self, object_id: int) -> None:
        """Finish an object: from now on it is protected."""
        self.settle()
        self._describe("accept", object_id, finished=True)

    def accept_and_begin(self, object_id: int) -> int:
        """Finish an object and go to an empty one, in one step; return its id."""
        self.settle()
        info, number = self._known(object_id).info, self._spare(object_id)
        delta = Delta(number, {object_id: replace(info, finished=True)})
        delta.objects[number] = self._fresh(number)
        self._take(self._step("accept", object_id, None, delta))
        return number

    def reopen(self, object_id: int) -> None:
        """Make a finished object one that can be changed."""
        self.settle()
        self._describe("reopen", object_id, finished=False)

    def rename(self, object_id: int, name: str) -> None:
        """Give an object another name."""
        self.labels.settle()
        self._describe("rename", object_id, name=name)

    def recolour(self, object_id: int, colour: Colour | None) -> None:
        """Give an object a colour of its own: red, green, blue from 0 to 1."""
        self.labels.settle()
        self._describe("recolour", object_id, colour=colour)

    def discard(self, object_id: int) -> None:
        """Take away an object's pixels, prompts and edits; it stays, empty.

        What its predictions had covered comes back.
        """
        self.settle()
        known = self._known(object_id)
        delta = operations.emptied([known])
        delta.objects[object_id] = replace(known.info, finished=False)
        self._remove("discard", [known], delta)

    def delete(self, *object_ids: int) -> None:
        """Take away objects with all that belongs to them: one step."""
        self.settle()
        gone = [self._known(number) for number in object_ids]
        delta = operations.emptied(gone)
        delta.objects |= dict.fromkeys(object_ids)
        stay = [number for number in self._objects if number not in object_ids]
        if not stay:
            number = self._next_id()
            delta.objects[number] = self._fresh(number)
            delta.current = number
        elif self.current not in stay:
            ids = list(self._objects)
            later = [n for n in ids[ids.index(self.current) :] if n in stay]
            delta.current = next(iter(later), stay[-1])
        self._remove("delete", gone, delta)

    def merge(self, into: int, other: int) -> None:
        """Make another object part of one: pixels, prompts and edits."""
        self.settle()
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
        runs = self._painter.runs(other)
        step.diff = Diff(runs, replace(runs, value=np.full_like(runs.value, into)))
        self._take(step)

    # Within

    def _fresh(self, number: int, name: str | None = None) -> Info:
        """Return what is said of an object to begin with: it has the current class."""
        current = self._objects.get(self.current)
        category = None if current is None else current.category
        if number in self._objects:
            info = self._objects[number].info
            return replace(info, category=info.category or category)
        return Info(name or f"Object {number}", category=category)

    def _spare(self, besides: int = 0) -> int:
        """Return an id to begin with: of the next empty object, or a new one."""
        empty = [n for n in self._objects if n != besides and self.is_empty(n)]
        later = [n for n in empty if n >= self.current]
        return next(iter(later or empty), 0) or self._next_id()

    def _is_fresh(self, object_id: int) -> bool:
        """Tell whether nothing has been done with an object since it was made."""
        named = self._objects[object_id].name != f"Object {object_id}"
        return not named and self.is_empty(object_id)

    def _known(self, object_id: int) -> SegmentedObject:
        whole = isinstance(object_id, int | np.integer)
        if not whole or object_id not in self._objects:
            raise ValueError(f"there is no object {object_id!r}")
        return self._objects[object_id]

    def _open(self, object_id: int) -> SegmentedObject:
        known = self._known(object_id)
        if known.finished:
            raise ValueError(f"{known.name} is finished; reopen it to change it")
        return known

    def _view(self, edits: dict[Key, Sparse] | None = None) -> View:
        if edits is None:
            edits = self._history.edits_at(len(self._history.done), self._objects)
        finished = frozenset(n for n, each in self._objects.items() if each.finished)
        ids = frozenset(self._objects)
        return View(self._painter, ids, finished, edits, self.nesting)

    def _next_id(self) -> int:
        """Return an id that neither an object nor a step has ever used."""
        limit = int(np.iinfo(self._painter.dtype).max)
        return operations.next_id(self._used_ids(), limit)

    def _used_ids(self) -> set[int]:
        former = (n for step in self._history.done for n in step.before.objects)
        return {0, *self._objects, *self._painter.ids, *former}

    def _step(self, name: str, number: int, plane: Plane | None, after: Delta) -> Step:
        self._tickets += 1
        if after.current is None:
            after.current = self.current
        before = after.keep(self._objects, self._findings, self.current)
        return Step(self._tickets, name, number, plane, before, after)

    def _take(
        self, step: Step, parts: Sequence[PlaneDiff] = (), written: bool = False
    ) -> None:
        """Do a step; `parts` are its change, if that is known by planes."""
        if parts and not len(step.diff):
            step.diff = Diff.across(self.space, parts)
        if written:
            for part in parts:
                self._painter.count_change(part)
        else:
            self._painter.write_all(step.diff, step.plane, parts)
        doubts = operations.no_longer_doubted(self._objects, self.space, step.diff)
        doubts |= {k: None for k in step.after.prompts if doubt_of(self._objects, k)}
        step.before.doubts |= {key: doubt_of(self._objects, key) for key in doubts}
        step.after.doubts |= doubts
        self._withdraw(step, step.diff)
        self._history.push(step)
        self._done(step.name, step, step.after, step.diff)

    def _withdraw(self, step: Step, diff: Diff) -> dict[int, None]:
        """Let a step take the proposals away that objects cover after a change.

        Returns
        -------
        Their numbers
        """
        gone = operations.covered_proposals(
            self._objects, self._findings, self._painter, diff
        )
        step.before.proposals = {**gone, **step.before.proposals}
        nothing = dict.fromkeys(gone)
        step.after.proposals = nothing | step.after.proposals
        return nothing

    def _done(self, name: str, step: Step, delta: Delta, diff: Diff) -> None:
        """Know, and tell, what a step has changed, forth or back."""
        number, delta = step.object_id or self.current, delta.copy()
        known, seconds = self._objects.get(number), self._watch.lap()
        if known is not None:
            delta.work[number] = known.work.more(seconds)
        self._apply(delta)
        self._tell(name, delta, diff)

    def _describe(self, what: str, object_id: int, **said: Any) -> None:
        delta = Delta(objects={object_id: replace(self._known(object_id).info, **said)})
        self._take(self._step(what, object_id, None, delta))

    def _remove(self, what: str, gone: list[SegmentedObject], delta: Delta) -> None:
        step = self._step(what, gone[0].id if len(gone) == 1 else 0, None, delta)
        step.removes = frozenset(known.id for known in gone)
        step.settles = {(known.id, plane) for known in gone for plane in known.planes}
        step.diff = operations.vacated(self._view(), gone)
        self._take(step)

    def _apply(self, delta: Delta) -> None:
        delta.apply(self._objects, self._findings)
        if delta.objects:
            self._nesting = None
        if delta.current is not None:
            self.current = delta.current
        if delta.semantic is not None:
            self.semantic = delta.semantic
        self.taught = self.taught if delta.taught is None else delta.taught

    def _note(self, name: str, delta: Delta) -> None:
        """Do what is no step and changes no label."""
        self._apply(delta)
        self._tell(name, delta, Diff())

    def _tell(self, name: str, delta: Delta, diff: Diff) -> None:
        for recorder in self.recorders:
            # The step that a delta belongs to may still change.
            recorder(Record(name, delta.copy(), diff))
        for listener in self.listeners:
            listener()
