"""Which of the planes that an object was found in are worth a look."""

from __future__ import annotations

from collections.abc import Mapping

from napari_segnext.geometry.plane import Plane
from napari_segnext.session.state import SegmentedObject


def to_check(confidence: Mapping[Plane, float], share: float = 0.8) -> list[Plane]:
    """Return the planes that are worth a look, the least confident first.

    How confident a good result is depends on model and image, so these are the planes
    whose confidence is below a share of the median one.
    """
    ordered = sorted(confidence, key=lambda plane: confidence[plane])
    if not ordered:
        return []
    least = share * confidence[ordered[len(ordered) // 2]]
    return [plane for plane in ordered if confidence[plane] < least]


def confidences(known: SegmentedObject, like: Plane) -> dict[Plane, float]:
    """Return how sure an object is in the planes parallel to one that it was found in.

    Where it was prompted or found anew otherwise, that is not known.
    """
    return {
        plane: result.confidence
        for plane, result in known.results.items()
        if result.confidence is not None
        and (plane.axis, plane.fixed) == (like.axis, like.fixed)
    }


def doubtful(known: SegmentedObject, like: Plane) -> list[Plane]:
    """Return the planes parallel to one to check, the least confident first.

    Those that were prompted or edited since, or are checked, are not among them.
    """
    decided = {*known.prompts, *known.edits}
    return [
        plane
        for plane in to_check(confidences(known, like))
        if plane not in decided and not known.results[plane].checked
    ]
