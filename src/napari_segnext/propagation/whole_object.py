"""Propagation of an object of a session, and what comes of it, as one step of undo."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Patch
from napari_segnext.geometry.shapes import overlap
from napari_segnext.labels.sparse import Sparse
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.prompts import Prompts
from napari_segnext.propagation import Annotated, PlaneResult, propagate, reweighed
from napari_segnext.propagation.nninteractive import Inquiry, Server
from napari_segnext.session import Session
from napari_segnext.session.checklist import doubtful
from napari_segnext.session.state import Result

# Negative prompts alone correct a mask of which, compared with the next plane, so
# much is left; otherwise they say that the object is not there.
_CORRECTED = 0.5


def kept_planes(
    session: Session, object_id: int, axis: int, fixed: tuple[int, ...] = ()
) -> set[int]:
    """Return the indices of planes that show an object as its label did.

    Of an object that was adopted these are all that were neither prompted nor edited
    nor found since; of another one none are.
    """
    known = session.objects[object_id]
    found = {*known.prompts, *known.edits, *known.results}
    # What was prompted along another axis is seen in all of these, too.
    if known.info.value is None or any(plane.axis != axis for plane in found):
        return set()
    shows = session.planes_of(object_id, Plane(axis, 0, fixed))
    return {plane.index for plane in shows if plane not in found}


def decided_planes(
    session: Session,
    object_id: int,
    axis: int,
    fixed: tuple[int, ...] = (),
    kept: Collection[int] = (),
) -> dict[Plane, Annotated]:
    """Return the planes of an object that the user has decided about.

    These are the ones with prompts or manual edits. With negative prompts alone, and
    nothing there that resembles the object in a neighbouring plane, such a plane says
    that the object has ended.

    Parameters
    ----------
    axis
        The planes are perpendicular to it.
    fixed
        Their place along the axes that are not spatial.
    kept
        Indices of planes that are decided too. Of these only the ones beside planes
        that are not are returned: the others are of no use to find these.
    """
    known = session.objects[object_id]
    decided = {}
    for plane in sorted({*known.prompts, *known.edits}):
        if plane.axis != axis or plane.fixed != fixed:
            continue
        mask, prompts = _section(session, object_id, plane), known.prompts.get(plane)
        if prompts and not any(prompt.positive for prompt in prompts):
            next_to_it = (
                _section(session, object_id, other)
                for other in session.space.along(plane, 1)
                if other != plane
            )
            if not any(overlap(mask, other) >= _CORRECTED for other in next_to_it):
                mask = np.zeros_like(mask)
        decided[plane] = Annotated(mask, prompts) if prompts else Annotated(mask)
    closed = {*kept, *(plane.index for plane in decided)}
    closed |= {-1, session.space.depth(axis)}
    for index in kept:
        if not {index - 1, index + 1} <= closed:
            plane = Plane(axis, index, fixed)
            decided[plane] = Annotated(_section(session, object_id, plane))
    return decided


def commit(
    session: Session,
    object_id: int,
    results: Iterable[PlaneResult],
    within: Iterable[Plane] = (),
) -> None:
    """Write what was found into a session: one step.

    Parameters
    ----------
    within
        Planes that were asked for. Where the object had been found earlier, and is
        not among the results, it is taken away.
    """
    session.labels.settle()
    results = list(results)
    probabilities = {result.plane: result.patch for result in results}
    confidence = {
        result.plane: result.confidence
        for result in results
        if result.confidence is not None
    }
    known = session.objects[object_id]
    for plane in within:
        if plane in known.results and plane not in {*probabilities, *known.edits}:
            shape = _section(session, object_id, plane).shape
            probabilities[plane] = Patch.nothing((shape[0], shape[1]))
    session.commit_planes(object_id, probabilities, "propagate", confidence)


def complete(
    session: Session,
    predictor: VolumePredictor,
    object_id: int,
    axis: int | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    server: Server | None = None,
) -> list[PlaneResult]:
    """Find the whole of an object, at each time point at which it is known.

    In a single section there is nothing to find.

    Parameters
    ----------
    axis
        To go along; default: the one with most planes that are decided.
    server
        Of nnInteractive, to find it in the place of the models.

    Raises
    ------
    ValueError, napari_segnext.models.Cancelled
        As `propagate`; nothing is written then.
    napari_segnext.propagation.nninteractive.ServerError
        As `Server.find`; nothing is written then.
    """
    if len(predictor.volume.shape) == 2:
        progress(1, 1)
        return []
    known = session.objects[object_id]
    planes = [*known.prompts, *known.edits]
    if axis is None:
        along = [plane.axis for plane in planes]
        axis = max(sorted(set(along)), key=along.count, default=0)
    places = {plane.fixed for plane in planes if plane.axis == axis} or {()}
    found: list[PlaneResult] = []
    space = predictor.volume.space
    for fixed in sorted(places):
        kept = kept_planes(session, object_id, axis, fixed)
        decided = decided_planes(session, object_id, axis, fixed, kept)
        within = set(range(space.depth(axis))) - kept
        if server is not None:
            asked = Inquiry(server, predictor.volume, decided, axis, within)
            found += asked.advance(cancelled)
            progress(*asked.slices)
            continue
        way = propagate(
            predictor,
            decided,
            axis,
            within=within,
            cancelled=cancelled,
            progress=progress,
        )
        found += reweighed(predictor, decided, list(way), cancelled)
    every = {each for at in places for each in space.along(Plane(axis, 0, at))}
    commit(session, object_id, found, every)
    return found


@dataclass(frozen=True, slots=True)
class _Known:
    """What an object is known by in a plane."""

    prompts: Prompts | None
    edits: Sparse | None
    result: Result | None

    def same(self, other: _Known | None) -> bool:
        """Tell whether nothing has changed."""
        return (
            other is not None
            and self.prompts == other.prompts
            and self.edits is other.edits
            and _same(self.result, other.result)
        )


class WholeObject:
    """An object along one axis: what was found of it, and what is to be found anew.

    It remembers what each propagation started from and led to, so that the next one
    is limited to what depends on what has changed. Undo and redo are noticed. Planes
    that an adopted object came with stay as they are, until it is asked a second time.

    Attributes
    ----------
    kept
        Indices of the planes that stay as their label is.
    """

    def __init__(
        self,
        session: Session,
        object_id: int,
        axis: int = 0,
        fixed: tuple[int, ...] = (),
    ) -> None:
        self._session, self._id = session, object_id
        self._axis, self._fixed = axis, fixed
        self._from: dict[Plane, _Known] = {}
        self._found: dict[Plane, Result] = {}
        self.kept: set[int] = set()
        # What was decided when the user was told that these stay.
        self._told: dict[Plane, _Known] = {}

    def begin(self) -> tuple[dict[Plane, Annotated], set[int]]:
        """Return what is decided, and the indices of the planes to find.

        Raises
        ------
        ValueError
            If the object is finished, no plane along the axis shows it, or nothing
            has changed since the last time: the message says what to do.
        """
        known = self._session.objects[self._id]
        if known.finished:
            raise ValueError(f"{known.name} is finished; reopen it to change it")
        self.kept = kept_planes(self._session, self._id, self._axis, self._fixed)
        decided = self._look()
        told, self._told = self._told, self._begun if self.kept else {}
        if not self._stale and self.kept and self._as_it_was(told):
            self.kept = set()
            decided = self._look()
        elif not self._stale and self.kept:
            raise ValueError(
                f"All slices of {known.name} keep their label: press U again to find "
                "them anew from those with prompts"
            )
        if not self._shows:
            raise ValueError(
                f"There is no mask of {known.name} to start from in slices along "
                "this axis: click on it in one first"
            )
        if not self._stale:
            raise ValueError(
                f"Nothing of {known.name} has changed since it was propagated: "
                "correct a slice first"
            )
        return decided, self._stale

    def _look(self) -> dict[Plane, Annotated]:
        """Return what is decided, and note what has changed."""
        decided = decided_planes(
            self._session, self._id, self._axis, self._fixed, self.kept
        )
        self._begun = {plane: self._known(plane) for plane in decided}
        self._shows = {plane for plane, each in decided.items() if each.mask.any()}
        self._stale = self._changed() - self.kept
        return decided

    def _as_it_was(self, then: dict[Plane, _Known]) -> bool:
        """Tell whether the same is decided as at an earlier time."""
        now = self._begun
        return now.keys() == then.keys() and all(now[p].same(then[p]) for p in now)

    def commit(self, results: Iterable[PlaneResult]) -> None:
        """Write what was found since `begin`: one step.

        Raises
        ------
        ValueError
            If the object has been deleted or finished meanwhile, or taken out of a
            plane that it was followed from.
        """
        if self._id not in self._session.objects:
            raise ValueError("the object was deleted meanwhile")
        now = decided_planes(
            self._session, self._id, self._axis, self._fixed, self.kept
        )
        for plane in sorted(self._shows):
            if plane not in now or not now[plane].mask.any():
                raise ValueError(
                    f"what it was followed from in slice {plane.index} is gone"
                )
        results = list(results)
        stale = {Plane(self._axis, index, self._fixed) for index in self._stale}
        commit(self._session, self._id, results, stale)
        written = self._session.objects[self._id].results
        found = [r.plane for r in results if r.plane in written]
        for plane in stale:
            self._found.pop(plane, None)
        self._from = self._begun
        self._found |= {plane: written[plane] for plane in found}

    @property
    def doubtful(self) -> list[Plane]:
        """Planes to check, the least confident first; see `session.checklist`."""
        known = self._session.objects[self._id]
        return doubtful(known, Plane(self._axis, 0, self._fixed))

    def _known(self, plane: Plane) -> _Known:
        known = self._session.objects[self._id]
        return _Known(
            known.prompts.get(plane), known.edits.get(plane), known.results.get(plane)
        )

    def _changed(self) -> set[int]:
        """Return the planes whose mask depends on what is not as it was."""
        depth = self._session.space.depth(self._axis)
        same = {
            p.index for p, known in self._begun.items() if known.same(self._from.get(p))
        }
        gone = {p.index for p in self._from.keys() - self._begun.keys()}
        results = self._session.objects[self._id].results
        gone |= {p.index for p, r in self._found.items() if not r.same(results.get(p))}
        stale: set[int] = set()
        bounds = [-1, *sorted(plane.index for plane in self._begun), depth]
        for low, high in pairwise(bounds):
            between = set(range(low + 1, high))
            if {low, high} - {-1, depth} - same or between & gone:
                stale |= between
        return stale


def _same(one: Result | None, other: Result | None) -> bool:
    return one is other if one is None else one.same(other)


def _section(session: Session, object_id: int, plane: Plane) -> BoolArray:
    mask: BoolArray = session.labels.read(plane) == object_id
    return mask
