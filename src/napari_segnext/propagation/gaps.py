"""The way through the planes: which comes next, and what is expected there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.shapes import guide, overlap
from napari_segnext.geometry.space import Space
from napari_segnext.propagation.results import Annotated, PlaneResult


@dataclass(frozen=True, slots=True, eq=False)
class Gap:
    """Planes between two that are decided; a side without the object is None.

    Attributes
    ----------
    plane
        One with their axis and their place along the others.
    """

    plane: Plane
    indices: range
    low: BoolArray | None
    high: BoolArray | None

    @property
    def sides(self) -> list[tuple[Plane, BoolArray]]:
        """The planes that bound it and show the object, and their masks."""
        masks = {self.indices.start - 1: self.low, self.indices.stop: self.high}
        return [(self.at(i), mask) for i, mask in masks.items() if mask is not None]

    @property
    def steps(self) -> int:
        """How many planes are decoded, at most."""
        return len(self.sides) * len(self.indices)

    def at(self, index: int) -> Plane:
        """Return the plane of an index."""
        return replace(self.plane, index=index)


def gaps_between(masks: Mapping[Plane, BoolArray], depth: int) -> list[Gap]:
    """Return the gaps between decided planes, given in rising order, and around."""
    shown = {plane.index: mask for plane, mask in masks.items() if mask.any()}
    bounds = [-1, *(plane.index for plane in masks), depth]
    any_plane = next(iter(masks))
    return [
        Gap(any_plane, range(low + 1, high), shown.get(low), shown.get(high))
        for low, high in pairwise(bounds)
    ]


def gaps_to_fill(
    space: Space,
    annotated: Mapping[Plane, Annotated],
    axis: int,
    within: Collection[int] | None = None,
) -> list[Gap]:
    """Return the gaps around decided planes that a way leads into.

    Parameters
    ----------
    annotated
        Planes that are decided; those perpendicular to other axes are not used.
    within
        Indices of planes to find; gaps that hold none of them are left out. Default:
        all.

    Raises
    ------
    ValueError
        If no plane of the axis shows the object, or they differ in their place along
        other axes (time).
    """
    known = {p: each for p, each in annotated.items() if p.axis == axis}
    if not any(each.mask.any() for each in known.values()):
        raise ValueError(
            f"no plane along axis {axis} shows the object: give a prompt in one first"
        )
    if len({plane.fixed for plane in known}) > 1:
        raise ValueError("all planes must be of the same time point")
    masks = {plane: each.mask for plane, each in sorted(known.items())}
    return [
        gap
        for gap in gaps_between(masks, 1 if space.flat else space.depth(axis))
        if gap.steps and (within is None or set(gap.indices) & set(within))
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A plane to decode.

    Attributes
    ----------
    before, shape
        The plane that was gone through last, and what the object is there; no plane
        if it was lost there.
    gap
        In which it lies.
    goal, weight
        On the way to another plane the object becomes what it is there; this plane
        is so much of the rest of the way.
    """

    plane: Plane
    before: Plane | None
    shape: BoolArray
    gap: Gap
    goal: BoolArray | None = None
    weight: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a plane shows; whether the object has ended."""

    result: PlaneResult
    ended: bool


Said: TypeAlias = Asked | PlaneResult | None
# Planes are asked for, which are answered, and results are told, which are not.
Way: TypeAlias = Generator[Asked | PlaneResult, Found, None]


def fill(gap: Gap) -> Way:
    """Find the object in the planes of a gap."""
    if gap.low is not None and gap.high is not None:
        yield from _meet(gap, gap.low, gap.high)
    elif gap.low is not None:
        yield from _leave(gap, gap.indices, gap.low)
    elif gap.high is not None:
        yield from _leave(gap, gap.indices[::-1], gap.high)


def _leave(gap: Gap, indices: range, shape: BoolArray) -> Way:
    """Go on from a shape until the object ends."""
    for index in indices:
        before = gap.at(index - indices.step)
        found = yield Asked(gap.at(index), before, shape, gap)
        if found.ended:
            return
        yield found.result
        shape = found.result.mask


def _meet(gap: Gap, low: BoolArray, high: BoolArray) -> Way:
    """Go from both ends of a gap to the other; the nearer end counts more."""
    rising: list[PlaneResult] = []
    yield from _cross(gap, gap.indices, low, high, rising.append)
    falling: list[PlaneResult] = []
    yield from _cross(gap, gap.indices[::-1], high, low, falling.append)
    for number, (first, second) in enumerate(zip(rising, falling[::-1], strict=True)):
        share = (number + 1) / (len(rising) + 1)
        mean = (1 - share) * first.probability + share * second.probability
        assert first.confidence is not None and second.confidence is not None
        certain = (1 - share) * first.confidence + share * second.confidence
        agreement = overlap(first.mask, second.mask)
        yield PlaneResult.of(first.plane, mean, certain * agreement)


def _cross(
    gap: Gap,
    indices: range,
    shape: BoolArray,
    goal: BoolArray,
    keep: Callable[[PlaneResult], None],
) -> Way:
    """Go on from a shape to another; where the object is lost, trust the guide."""
    before: Plane | None = gap.at(indices[0] - indices.step) if indices else None
    for number, index in enumerate(indices):
        weight = 1 / (len(indices) + 1 - number)
        found = yield Asked(gap.at(index), before, shape, gap, goal, weight)
        result = found.result
        if found.ended:
            result = PlaneResult.of(result.plane, guide(shape, goal, weight), 0.0)
        keep(result)
        before, shape = None if found.ended else result.plane, result.mask
