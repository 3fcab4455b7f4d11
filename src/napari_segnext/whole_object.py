"""Propagation of an object of a session, and what comes of it, as one step of undo."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from napari_segnext.patch import Patch
from napari_segnext.prompts import BoolArray, Plane
from napari_segnext.propagation import Annotated, PlaneResult, propagate
from napari_segnext.session import Session
from napari_segnext.shapes import overlap
from napari_segnext.volume import VolumePredictor

# Negative prompts alone correct a mask of which, compared with the next plane, so
# much is left; otherwise they say that the object is not there.
_CORRECTED = 0.5


def decided_planes(
    session: Session, object_id: int, axis: int, fixed: tuple[int, ...] = ()
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
    """
    known = session.objects[object_id]
    decided = {}
    for plane in sorted({*known.prompts, *known.edits}):
        if plane.axis != axis or plane.fixed != fixed:
            continue
        mask, prompts = _section(session, object_id, plane), known.prompts.get(plane)
        if prompts and not any(prompt.positive for prompt in prompts):
            next_to_it = (
                _section(session, object_id, Plane(axis, index, fixed))
                for index in (plane.index - 1, plane.index + 1)
                if 0 <= index < session.labels.shape[-3:][axis]
            )
            if not any(overlap(mask, other) >= _CORRECTED for other in next_to_it):
                mask = np.zeros_like(mask)
        decided[plane] = Annotated(mask, prompts) if prompts else Annotated(mask)
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
    probabilities = {result.plane: result.patch for result in results}
    known = session.objects[object_id]
    for plane in within:
        if plane in known.results and plane not in {*probabilities, *known.edits}:
            shape = _section(session, object_id, plane).shape
            probabilities[plane] = Patch.nothing((shape[0], shape[1]))
    session.commit_planes(object_id, probabilities, "propagate")


def complete(
    session: Session,
    predictor: VolumePredictor,
    object_id: int,
    axis: int | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[PlaneResult]:
    """Find the whole of an object, at each time point at which it is known.

    Parameters
    ----------
    axis
        To go along; default: the one with most planes that are decided.

    Raises
    ------
    ValueError, napari_segnext.models.Cancelled
        As `propagate`; nothing is written then.
    """
    known = session.objects[object_id]
    planes = [*known.prompts, *known.edits]
    if axis is None:
        along = [plane.axis for plane in planes]
        axis = max(sorted(set(along)), key=along.count, default=0)
    places = {plane.fixed for plane in planes if plane.axis == axis} or {()}
    found: list[PlaneResult] = []
    for fixed in sorted(places):
        decided = decided_planes(session, object_id, axis, fixed)
        found += propagate(
            predictor, decided, axis, cancelled=cancelled, progress=progress
        )
    depth = predictor.volume.shape[axis] if len(predictor.volume.shape) == 3 else 1
    every = {Plane(axis, index, at) for at in places for index in range(depth)}
    commit(session, object_id, found, every)
    return found


def _section(session: Session, object_id: int, plane: Plane) -> BoolArray:
    mask: BoolArray = session.labels.read(plane) == object_id
    return mask
