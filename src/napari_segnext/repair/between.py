"""Slices of an object between those that are decided, by its shapes alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent, Patch
from napari_segnext.geometry.shapes import guides
from napari_segnext.geometry.space import Space
from napari_segnext.labels.labels import ReadableLabels
from napari_segnext.repair.progress import Tell, silent
from napari_segnext.session.probability import Probability

# Pixels around two shapes, in which the border of one in between falls softly.
_MARGIN = 16


def interpolated(
    labels: ReadableLabels,
    object_id: int,
    planes: Sequence[Plane],
    extent: Extent,
    tell: Tell = silent,
) -> Iterator[tuple[Plane, Probability]]:
    """Yield the slices between some, and where the object is expected there.

    Any thread may do so.

    Parameters
    ----------
    planes
        Parallel and in order. Where one does not show the object, nothing is expected
        between it and its neighbours.
    extent
        Outside of which none shows it.
    """
    space = Space(labels.shape)
    shape = space.plane_shape(planes[0])
    start = planes[0].index
    wide = extent.widened(_MARGIN, _MARGIN).common(Extent(0, 0, *shape))
    for low, high in pairwise(planes):
        gap = range(low.index + 1, high.index)
        if not gap:
            continue
        first, second = (labels.read(p, wide) == object_id for p in (low, high))
        if not (first.any() and second.any()):
            continue
        weights = [(at - low.index) / (high.index - low.index) for at in gap]
        for index, expected in zip(gap, guides(first, second, weights), strict=True):
            tell((index - start) / (planes[-1].index - start))
            plane = Plane(low.axis, index, low.fixed)
            yield plane, Probability.of(Patch(shape, wide[:2], expected))
