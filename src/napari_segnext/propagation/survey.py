"""What the labels show of all objects, section by section, to be compared."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.shapes import pieces
from napari_segnext.geometry.space import Space, Voxels
from napari_segnext.labels.labels import Values
from napari_segnext.session import Session
from napari_segnext.session.state import Key

# Objects in a plane that are looked at together.
_TOGETHER = 16
# Pixels around an object in which others are looked for.
_MARGIN = 16
# A body counts if it has this share of the object; voxels of a box in which bodies
# are told apart.
BODY = 0.05
_BOX = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What the labels show of an object in a plane, and beside it.

    Attributes
    ----------
    object_id, plane
        The object may be missing in the plane, while it is in one next to it.
    shape
        (H, W) of the plane.
    extent, page
        A part of the plane, and the (h, w) ids in it: all of the object is there, and
        what is around it.
    beside
        The nearest plane on either side that shows the object, and its pixels there.
    bodies
        Of how many bodies it is that touch nowhere and are seen in the same planes;
        told in the plane in which the second shows most, 1 in others.
    """

    object_id: int
    plane: Plane
    shape: tuple[int, int]
    extent: Extent
    page: Values
    beside: tuple[tuple[Plane, Region], ...]
    bodies: int = 1

    @property
    def key(self) -> Key:
        """The object and the plane."""
        return self.object_id, self.plane

    def unchanged(self, session: Session) -> bool:
        """Tell whether a session still shows the same of the object."""
        if self.object_id not in session.objects:
            return False
        mask = Region.of(self.page == self.object_id, self.extent[:2])
        now = session.section(self.object_id, self.plane)
        return now == mask or not (now.pixels.size or mask.pixels.size)


class Survey:
    """All objects of a session that are not finished, along one axis.

    What was compared before, prompted or edited is passed over. It is gone through in
    pieces, each of them quick, on the thread of the session, which may change in
    between.

    Parameters
    ----------
    like
        Sections parallel to this one are looked at.

    Attributes
    ----------
    found, objects
        How many objects have been looked for, and how many there are.
    total
        Sections to compare, as far as they are known.
    """

    def __init__(self, session: Session, like: Plane) -> None:
        self._session, self._like = session, like
        objects = session.objects.values()
        self._ids = [each.id for each in objects if not each.finished]
        # Of each object the indices of planes that show it.
        self._indices: dict[int, list[int]] = {}
        self._bodies: dict[Key, int] = {}
        self.found, self.objects, self.total = 0, len(self._ids), 0

    def pieces(self) -> Iterator[list[Shown]]:
        """Yield a few objects in a plane; at first none, while all are found."""
        wanted: dict[int, list[int]] = defaultdict(list)
        for number in self._ids:
            for index in self._look_for(number):
                wanted[index].append(number)
                self.total += 1
            self.found += 1
            yield []
        for index in sorted(wanted):
            plane = Plane(self._like.axis, index, self._like.fixed)
            for first in range(0, len(wanted[index]), _TOGETHER):
                numbers = wanted[index][first : first + _TOGETHER]
                yield [shown for n in numbers if (shown := self._shown(n, plane))]

    def _look_for(self, number: int) -> list[int]:
        """Return the indices of planes in which an object is to be looked at."""
        if number not in self._session.objects:
            return []
        known, like = self._session.objects[number], self._like
        voxels, space = self._session.voxels(number), self._session.space
        through = space.parted(like.axis, voxels)
        shows = {plane.index for plane in through if plane.fixed == like.fixed}
        self._indices[number] = sorted(shows)
        self._note_bodies(number, bodies(space, voxels))
        near = shows | {i + step for i in shows for step in (-1, 1)}
        passed = {*known.prompts, *known.edits, *known.doubts}
        every = (Plane(like.axis, i, like.fixed) for i in near if i >= 0)
        return [p.index for p in every if space.holds(p) and p not in passed]

    def _note_bodies(self, number: int, parts: Sequence[Voxels]) -> None:
        """Note in which plane an object is best seen to be of several bodies."""
        axis = self._like.axis
        first, *others = (self._session.space.parted(axis, part) for part in parts)
        # One after the other they are an object that is missing in between.
        beside = [seen for seen in others if seen.keys() & first.keys()]
        for second in beside[:1]:
            both = sorted(second.keys() & first.keys())
            plane = max(both, key=lambda each: len(second[each]))
            self._bodies[number, plane] = 1 + len(beside)

    def _shown(self, number: int, plane: Plane) -> Shown | None:
        """Return what there is of an object in a plane now; None if nothing is."""
        if number not in self._session.objects:
            return None
        session, indices = self._session, self._indices[number]
        at = bisect_left(indices, plane.index)
        before, after = indices[:at][-1:], indices[at:]
        after = [index for index in after if index != plane.index][:1]
        beside = []
        for index in (*before, *after):
            other = Plane(plane.axis, index, plane.fixed)
            region = session.section(number, other)
            if region.pixels.size:
                beside.append((other, region))
        part = session.section(number, plane).extent
        for _, region in beside:
            part = part.joined(region.extent)
        if part.empty:
            return None
        shape = session.space.plane_shape(plane)
        part = part.widened(_MARGIN, _MARGIN).common(Extent(0, 0, *shape))
        page = np.array(session.labels.read(plane, part))
        many = self._bodies.get((number, plane), 1)
        return Shown(number, plane, shape, part, page, tuple(beside), many)


def bodies(space: Space, voxels: Voxels) -> Sequence[Voxels]:
    """Return the bodies of an object that do not touch, the largest first.

    Small ones are left out, and an object in too large a box is taken for one body.
    """
    if not len(voxels):
        return []
    places = np.stack(np.unravel_index(voxels, space.shape))
    low = places.min(1)
    shape = places.max(1) - low + 1
    if np.prod(shape, dtype=float) > _BOX:
        return [voxels]
    at = tuple(places - low[:, None])
    box = np.zeros(shape, bool)
    box[at] = True
    parts, count = pieces(box)
    of = parts[at]
    sizes = np.bincount(of, minlength=count + 1)
    order = np.argsort(-sizes[1:], kind="stable") + 1
    return [voxels[of == n] for n in order.tolist() if sizes[n] >= BODY * len(voxels)]
