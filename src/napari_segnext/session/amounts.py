"""Counting what there is of objects and classes, in one way through the labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segnext.files.categories import Category, enclosing
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.space import Space, Voxels
from napari_segnext.images.volume import Volume
from napari_segnext.labels.labels import ReadableLabels, Values
from napari_segnext.session.state import SegmentedObject

Numbers = NDArray[np.int64]
Sums = NDArray[np.float64]


@dataclass(slots=True, eq=False)
class Amounts:
    """What was counted of N things, objects or classes.

    Attributes
    ----------
    voxels, slices, painted
        (N,): voxels, planes along axis 0 that show them, voxels painted by hand.
    first, last, places
        (axes, N): of the voxels the first and the last index, and the sum of all.
    sums, squares
        (channels, N): of the intensities.
    """

    voxels: Numbers
    slices: Numbers
    painted: Numbers
    first: Numbers
    last: Numbers
    places: Sums
    sums: Sums
    squares: Sums

    @classmethod
    def of(cls, things: int, axes: int, channels: int) -> Amounts:
        """Return amounts of nothing."""
        voxels, slices, painted = np.zeros((3, things), np.int64)
        first = np.full((axes, things), np.iinfo(np.int64).max)
        last = np.full((axes, things), -1)
        places, sums = np.zeros((axes, things)), np.zeros((channels, things))
        return cls(voxels, slices, painted, first, last, places, sums, sums.copy())

    def intensity(self, channel: int, at: int) -> tuple[float, float]:
        """Return mean and standard deviation of the intensities of a thing."""
        mean = self.sums[channel, at] / self.voxels[at]
        spread = self.squares[channel, at] / self.voxels[at] - mean**2
        return float(mean), float(np.sqrt(max(spread, 0)))

    def joined(self, groups: Groups) -> Amounts:
        """Return the amounts of groups of things; slices are counted elsewhere."""
        joined = Amounts.of(groups.many, len(self.first), len(self.sums))
        of, parts = groups.of, groups.parts
        for axis in range(len(self.first)):
            np.minimum.at(joined.first[axis], of, self.first[axis, parts])
            np.maximum.at(joined.last[axis], of, self.last[axis, parts])
        for name in ("voxels", "painted", "places", "sums", "squares"):
            rows = (
                np.atleast_2d(getattr(self, name)),
                np.atleast_2d(getattr(joined, name)),
            )
            for own, whole in zip(*rows, strict=True):
                np.add.at(whole, of, own[parts])
        return joined


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Groups of things, which may share some.

    Attributes
    ----------
    many
        How many there are.
    of, parts
        (M,): a group, and a thing that is part of it.
    """

    many: int
    of: NDArray[np.intp]
    parts: NDArray[np.intp]

    @classmethod
    def listed(cls, groups: Sequence[Iterable[int]]) -> Groups:
        """Return groups, given the things of each."""
        pairs = [(at, part) for at, group in enumerate(groups) for part in group]
        of, parts = np.array(pairs, np.intp).reshape(-1, 2).T
        return cls(len(groups), of, parts)

    def any(self, things: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell which groups have a thing of which something is so."""
        found = np.bincount(self.of[things[self.parts]], minlength=self.many)
        return np.asarray(found > 0)


def count(
    objects: Sequence[SegmentedObject],
    inner: Mapping[int, Iterable[int]],
    labels: ReadableLabels,
    values: Volume | None = None,
) -> tuple[Amounts, list[Category]]:
    """Count what there is of objects and of classes, with what lies inside them.

    Parameters
    ----------
    inner
        By the id of an object the ids of those inside it.
    labels
        With their ids.
    values
        Intensities on the same grid, to be summed up.

    Returns
    -------
    Of the objects and then of the classes that they have; and those classes, by value
    """
    counting = _Counting(objects, labels, values)
    at = {each.id: place for place, each in enumerate(objects)}
    wholes = [[n, *(at[part] for part in inner.get(id_, ()))] for id_, n in at.items()]
    categories, members = _members(objects)
    groups = Groups.listed([*wholes, *members])
    slices = np.zeros(groups.many, np.int64)
    for plane in counting.space.planes(0):
        slices += groups.any(counting.add(plane))
    found = counting.amounts.joined(groups)
    found.slices[:] = slices
    return found, categories


def _members(
    objects: Sequence[SegmentedObject],
) -> tuple[list[Category], list[list[int]]]:
    """Return classes, and where the objects of each and of those inside it are."""
    of = [each.category for each in objects]
    # Not all that comes from files says what its class lies inside of.
    by_value = {each.value: each for each in sorted({c for c in of if c})}
    around = enclosing(by_value.values())
    members = {value: list[int]() for value in by_value}
    for at, category in enumerate(of):
        if category is not None:
            outer = {category.value, *around.get(category.value, ())}
            for value in outer & members.keys():
                members[value].append(at)
    return list(by_value.values()), list(members.values())


class _Counting:
    """Adds up planes along axis 0, some rows at a time."""

    def __init__(
        self,
        objects: Sequence[SegmentedObject],
        labels: ReadableLabels,
        values: Volume | None,
    ) -> None:
        self.space = Space(tuple(labels.shape))
        self._labels, self._values = labels, values
        channels = 0 if values is None else len(values.channels)
        self.amounts = Amounts.of(len(objects), self.space.ndim, channels)
        self._ids = np.array([each.id for each in objects], np.int64)
        self._painted = _painted(objects)

    def add(self, plane: Plane) -> NDArray[np.bool_]:
        """Add a plane; return which objects it shows."""
        shown = np.zeros(len(self._ids), bool)
        for part in Extent(0, 0, *self.space.plane_shape(plane)).bands():
            page = self._labels.read(plane, part)
            if page.any() and len(self._ids):
                self._add(plane, part, page, shown)
        return shown

    def _add(
        self, plane: Plane, part: Extent, page: Values, shown: NDArray[np.bool_]
    ) -> None:
        order, many = np.argsort(self._ids), len(self._ids)
        at = np.searchsorted(self._ids[order], page).clip(max=many - 1)
        of = np.where(self._ids[order][at] == page, order[at], -1)
        rows, columns = np.nonzero(of >= 0)
        things, amounts = of[rows, columns], self.amounts
        found = np.bincount(things, minlength=many)
        shown |= found > 0
        amounts.voxels += found
        across = dict(enumerate(self.space.index(plane)))
        down, right = self.space.in_plane(plane.axis)
        for axis, place in across.items():
            if isinstance(place, int):
                amounts.places[axis] += place * found
                self._reach(axis, np.flatnonzero(found), place, place)
        for axis, pixels, start in (
            (down, rows, part.top),
            (right, columns, part.left),
        ):
            amounts.places[axis] += np.bincount(things, pixels + start, many)
        for number, box in enumerate(ndimage.find_objects(of + 1)):
            if box is not None:
                for axis, ends, start in zip((down, right), box, part[:2], strict=True):
                    self._reach(axis, number, start + ends.start, start + ends.stop - 1)
        self._add_painted(plane, part, of)
        if self._values is not None:
            seen = self._values.read(plane, part.slices)[rows, columns]
            for channel, each in enumerate(seen.reshape(len(rows), -1).T):
                each = each.astype(float)
                amounts.sums[channel] += np.bincount(things, each, many)
                amounts.squares[channel] += np.bincount(things, each**2, many)

    def _reach(
        self, axis: int, things: int | NDArray[np.intp], first: int, last: int
    ) -> None:
        amounts = self.amounts
        amounts.first[axis, things] = np.minimum(amounts.first[axis, things], first)
        amounts.last[axis, things] = np.maximum(amounts.last[axis, things], last)

    def _add_painted(self, plane: Plane, part: Extent, of: NDArray[np.intp]) -> None:
        """Count which painted voxels of a band of rows still are their object's."""
        voxels, things = self._painted
        start = int(self.space.numbers(plane, part.top, part.left))
        low, high = np.searchsorted(voxels, [start, start + of.size])
        here, things = voxels[low:high] - start, things[low:high]
        still = things[of.ravel()[here] == things]
        self.amounts.painted += np.bincount(still, minlength=len(self._ids))


def _painted(objects: Sequence[SegmentedObject]) -> tuple[Voxels, NDArray[np.intp]]:
    """Return the voxels painted by hand, sorted, and whose they are."""
    parts, whose = [np.zeros(0, np.int64)], [np.zeros(0, np.intp)]
    for at, each in enumerate(objects):
        own = [edits.voxels[edits.values != 0] for edits in each.edits.values()]
        if own:
            parts.append(np.unique(np.concatenate(own)))
            whose.append(np.full(len(parts[-1]), at))
    voxels, things = np.concatenate(parts), np.concatenate(whose)
    order = np.argsort(voxels, kind="stable")
    return voxels[order], things[order]
