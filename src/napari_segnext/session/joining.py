"""Which objects of neighbouring slices proposals continue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.linking import continued
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.space import Space
from napari_segnext.labels.counted import Painter
from napari_segnext.session.proposed import kind_of
from napari_segnext.session.state import SegmentedObject


class Joining:
    """Finds which objects of a kind regions continue, also such as are not drawn yet.

    Parameters
    ----------
    kind
        See `KindPlane`.
    """

    def __init__(
        self, objects: Mapping[int, SegmentedObject], painter: Painter, kind: int
    ) -> None:
        self._objects, self._painter = objects, painter
        self._kind = kind
        self._drawn: dict[Plane, dict[int, Region]] = {}

    def draw(self, plane: Plane, number: int, region: Region) -> None:
        """Take an object for drawn in a plane."""
        self._drawn.setdefault(plane, {})[number] = region

    def continued(self, plane: Plane, regions: Sequence[Region]) -> dict[int, int]:
        """Return which objects the regions of a plane continue.

        These are seen in the plane before or after, and not in this one.

        Returns
        -------
        Ids of objects by the place in `regions`; no two have the same
        """
        found: dict[int, int] = {}
        for beside in _beside(self._painter.space, plane):
            left = [at for at in range(len(regions)) if at not in found]
            sections = {
                number: section
                for number, section in self._seen(beside, [regions[n] for n in left])
                if number not in found.values() and self._missing(number, plane)
            }
            joined = continued([regions[at] for at in left], sections)
            found |= {left[at]: number for at, number in joined.items()}
        return found

    def near(self, planes: Sequence[Plane]) -> list[Plane]:
        """Sort parallel planes: those nearest to objects of the kind come first."""
        known = {
            plane.index
            for each in self._objects.values()
            if kind_of(each.category) == self._kind
            for plane in each.planes
            if plane.axis == planes[0].axis and plane.fixed == planes[0].fixed
        }

        def far(plane: Plane) -> tuple[int, int]:
            steps = [abs(plane.index - index) for index in known]
            return min(steps, default=0), plane.index

        return sorted(planes, key=far)

    def _seen(
        self, plane: Plane, regions: Sequence[Region]
    ) -> Iterator[tuple[int, Region]]:
        """Yield the objects that some regions lie over in another plane."""
        painter, ids = self._painter, set[int]()
        for region in regions:
            page = painter.labels.read(plane, region.extent)
            ids.update(np.unique(page[region.pixels]).tolist())
        for number in sorted(ids - {0}):
            each = self._objects.get(number)
            if each is not None and kind_of(each.category) == self._kind:
                part = painter.extent(number, plane)
                page = painter.labels.read(plane, part)
                yield number, Region.of(page == number, part[:2])
        yield from self._drawn.get(plane, {}).items()

    def _missing(self, number: int, plane: Plane) -> bool:
        """Tell whether nothing is known of an object in a plane."""
        each = self._objects.get(number)
        if number in self._drawn.get(plane, {}) or (each and plane in each.planes):
            return False
        part = self._painter.extent(number, plane)
        return not (self._painter.labels.read(plane, part) == number).any()


def _beside(space: Space, plane: Plane) -> list[Plane]:
    """Return the planes before and after one."""
    if space.flat:
        return []
    both = (Plane(plane.axis, plane.index + step, plane.fixed) for step in (-1, 1))
    return [each for each in both if each.index >= 0 and space.holds(each)]
