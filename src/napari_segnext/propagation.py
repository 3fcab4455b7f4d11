"""From one or a few planes of an object to all of it.

What is known of a plane prompts the next one: the shape of the object there, as a
soft previous mask, and clicks deep inside it. So it goes on, both ways, until the
object ends. Between two planes that are known, the shape in between takes the place
of the last one, and the way is gone from both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from scipy.ndimage import distance_transform_edt

from napari_segnext.appearance import Appearance, surroundings
from napari_segnext.models import Cancelled
from napari_segnext.predictor import Prediction
from napari_segnext.prompts import BoolArray, FloatArray, Plane, Prompts
from napari_segnext.session.state import Probability
from napari_segnext.shapes import around, guide, inner_clicks, overlap, touching
from napari_segnext.volume import VolumePredictor

# Pixels around a mask that its certainty takes into account.
_NEIGHBOURHOOD = 8


@dataclass(frozen=True, slots=True, eq=False)
class Annotated:
    """What the user has decided about an object in a plane.

    Attributes
    ----------
    mask
        (H, W) bool. Empty: the object is not there, and no way leads past it.
    prompts
        Those that the mask answers.
    """

    mask: BoolArray
    prompts: Prompts = field(default_factory=Prompts)


@dataclass(frozen=True, slots=True, eq=False)
class PlaneResult:
    """An object in a plane that was reached.

    Attributes
    ----------
    probability
        (H, W) float32.
    confidence
        0 to 1; see `certainty` and `propagate`.
    """

    plane: Plane
    probability: FloatArray
    confidence: float

    @property
    def mask(self) -> BoolArray:
        """(H, W) bool: where the probability is above one half."""
        return self.probability > 0.5


@dataclass(frozen=True, slots=True)
class Rules:
    """When an object has ended: what a plane shows is not it any more.

    Attributes
    ----------
    smallest
        Pixels that it has at least.
    shrink, grow
        Least and greatest area, as a multiple of what was expected.
    overlap
        Least intersection over union with what was expected.
    certainty
        Least `certainty`.
    likeness
        Least `Appearance.likeness` to the nearest planes that are known.
    """

    smallest: int = 4
    shrink: float = 0.25
    grow: float = 3.0
    overlap: float = 0.25
    certainty: float = 0.5
    likeness: float = 0.0

    def ended(
        self, mask: BoolArray, expected: BoolArray, certain: float, alike: float
    ) -> bool:
        """Tell whether a mask is not the object that was expected."""
        area, wanted = np.count_nonzero(mask), np.count_nonzero(expected)
        return bool(
            area < max(self.smallest, self.shrink * wanted)
            or area > self.grow * wanted
            or overlap(mask, expected) < self.overlap
            or certain < self.certainty
            or alike < self.likeness
        )


def certainty(probability: FloatArray) -> float:
    """Return the overlap with the truth that a probability map itself predicts.

    With every pixel on the object with its probability, independently, this is the
    expected intersection of mask and truth over their expected union. Only the mask
    and its neighbourhood count: far away, small probabilities add up.

    Returns
    -------
    0 to 1; 0 for an empty mask
    """
    mask = probability > 0.5
    if not mask.any():
        return 0.0
    crop = around(mask, _NEIGHBOURHOOD)
    mask, near = mask[crop], probability[crop]
    outside = distance_transform_edt(~mask)
    beyond = near[(outside > 0) & (outside <= _NEIGHBOURHOOD)]
    return float(near[mask].sum() / (np.count_nonzero(mask) + beyond.sum()))


def affected(annotated: Iterable[int], changed: int, depth: int) -> range:
    """Return the planes that depend on what is decided in one of them.

    Parameters
    ----------
    annotated
        Indices of the planes that the user has decided about.
    changed
        Index of the plane whose prompts were made, changed or taken away.
    depth
        How many planes there are.

    Returns
    -------
    The planes from the decided one before it to that after it, exclusive
    """
    others = [index for index in annotated if index != changed]
    first = max((index for index in others if index < changed), default=-1) + 1
    last = min((index for index in others if index > changed), default=depth)
    return range(first, last)


def propagate(
    predictor: VolumePredictor,
    annotated: Mapping[Plane, Annotated],
    axis: int = 0,
    *,
    within: range | None = None,
    rules: Rules | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[PlaneResult]:
    """Find an object in the planes around those that the user has decided about.

    Parameters
    ----------
    annotated
        The object's planes; those perpendicular to other axes are not used.
    axis
        The axis to go along.
    within
        Indices of the planes to find, such as `affected` returns; default: all.
    rules
        When the object has ended.
    cancelled
        Asked before each plane, and between blocks of the encoder.
    progress
        Called with the number of planes decoded, and how many it will be at most.

    Yields
    ------
    PlaneResult
        Of each plane that shows the object, once; those of `annotated` are not
        among them. Its confidence is its `certainty`, less if it does not look as
        the object does where it is known: by half if it looks as much like the
        surroundings, by all if it looks like them. Between two known planes it is
        multiplied by the overlap of what was found from either side.

    Raises
    ------
    ValueError
        If no plane of the axis shows the object, or they differ in their place
        along other axes (time).
    napari_segnext.models.Cancelled
        If `cancelled` said so. What was yielded until then is good.
    """
    known = {p: each for p, each in annotated.items() if p.axis == axis}
    if not any(each.mask.any() for each in known.values()):
        raise ValueError(
            f"no plane along axis {axis} shows the object: give a prompt in one first"
        )
    if len({plane.fixed for plane in known}) > 1:
        raise ValueError("all planes must be of the same time point")
    masks = {plane.index: each.mask for plane, each in sorted(known.items())}
    depth = predictor.volume.shape[axis] if len(predictor.volume.shape) == 3 else 1
    gaps = [
        gap
        for gap in _gaps(masks, depth)
        if gap.steps and (within is None or set(gap.indices) & set(within))
    ]
    fixed = next(iter(known)).fixed
    walk = _Walk(predictor, Plane(axis, 0, fixed), rules or Rules(), cancelled)
    done, total = 0, sum(gap.steps for gap in gaps)
    for gap in gaps:
        before = walk.steps
        for result in walk.fill(gap):
            progress(done + walk.steps - before, total)
            if result is not None:
                yield result
        total -= gap.steps - (walk.steps - before)
        done += walk.steps - before
    progress(done, total)


def to_check(results: Iterable[PlaneResult], share: float = 0.8) -> list[Plane]:
    """Return the planes that are worth a look, the least confident first.

    How confident a good result is depends on model and image, so these are the planes
    whose confidence is below a share of the median one.
    """
    ordered = sorted(results, key=lambda result: result.confidence)
    if not ordered:
        return []
    least = share * ordered[len(ordered) // 2].confidence
    return [result.plane for result in ordered if result.confidence < least]


@dataclass(frozen=True, slots=True, eq=False)
class _Gap:
    """Planes between two that are decided; a side without the object is None."""

    indices: range
    low: BoolArray | None
    high: BoolArray | None

    @property
    def steps(self) -> int:
        """How many planes are decoded, at most."""
        sides = (self.low is not None) + (self.high is not None)
        return sides * len(self.indices)


def _gaps(masks: Mapping[int, BoolArray], depth: int) -> list[_Gap]:
    """Return the gaps between decided planes, given in rising order, and around."""
    shown = {index: mask for index, mask in masks.items() if mask.any()}
    return [
        _Gap(range(low + 1, high), shown.get(low), shown.get(high))
        for low, high in pairwise([-1, *masks, depth])
    ]


class _Walk:
    """Go from plane to plane.

    Attributes
    ----------
    steps
        Planes decoded so far.
    """

    def __init__(
        self,
        predictor: VolumePredictor,
        plane: Plane,
        rules: Rules,
        cancelled: Callable[[], bool],
    ) -> None:
        self._predictor, self._plane = predictor, plane
        self._rules, self._cancelled = rules, cancelled
        self.steps = 0

    def fill(self, gap: _Gap) -> Iterator[PlaneResult | None]:
        """Yield after each plane that is decoded: its result, if that is final."""
        sides = (gap.indices.start - 1, gap.low), (gap.indices.stop, gap.high)
        self._appearance = Appearance(
            self._look(index, mask) for index, mask in sides if mask is not None
        )
        if gap.low is not None and gap.high is not None:
            yield from self._meet(gap.indices, gap.low, gap.high)
        elif gap.low is not None:
            yield from self._leave(gap.indices, gap.low)
        elif gap.high is not None:
            yield from self._leave(gap.indices[::-1], gap.high)

    def _leave(self, indices: range, shape: BoolArray) -> Iterator[PlaneResult | None]:
        """Go on from a shape until the object ends."""
        for index in indices:
            result, ended = self._step(index, guide(shape))
            if ended:
                return
            yield result
            shape = result.mask

    def _meet(
        self, indices: range, low: BoolArray, high: BoolArray
    ) -> Iterator[PlaneResult | None]:
        """Go from both ends of a gap to the other; the nearer end counts more."""
        rising = []
        for result in self._cross(indices, low, high):
            # In a large stack the maps of a whole gap are gigabytes.
            rising.append((Probability.of(result.probability), result.confidence))
            yield None
        for result in self._cross(indices[::-1], high, low):
            first, confidence = rising.pop()
            share = (len(rising) + 1) / (len(indices) + 1)
            other = first.expand()
            agreement = overlap(other > 0.5, result.mask)
            mean = (1 - share) * other + share * result.probability
            certain = (1 - share) * confidence + share * result.confidence
            yield PlaneResult(result.plane, mean, certain * agreement)

    def _cross(
        self, indices: range, shape: BoolArray, goal: BoolArray
    ) -> Iterator[PlaneResult]:
        """Go on from a shape to another; where the object is lost, trust the guide."""
        for number, index in enumerate(indices):
            expected = guide(shape, goal, 1 / (len(indices) + 1 - number))
            result, ended = self._step(index, expected)
            if ended:
                result = PlaneResult(result.plane, expected, 0.0)
            yield result
            shape = result.mask

    def _step(self, index: int, expected: FloatArray) -> tuple[PlaneResult, bool]:
        """Find in a plane what is expected there; tell whether the object has ended."""
        if self._cancelled():
            raise Cancelled
        shape = expected > 0.5
        prompts = Prompts()
        for y, x in inner_clicks(shape):
            prompts = prompts.click(y, x)
        plane = replace(self._plane, index=index)
        previous = Prediction.from_probability(expected)
        found = self._predictor.predict(plane, prompts, previous, self._cancelled)
        self.steps += 1
        probability = found.probability.copy()
        probability[found.mask & ~touching(found.mask, shape)] = 0
        mask, certain = probability > 0.5, certainty(probability)
        alike = self._appearance.likeness(*self._look(index, mask)) if certain else 0.0
        ended = self._rules.ended(mask, shape, certain, alike)
        confidence = certain * float(np.clip((1 + alike) / 2, 0, 1))
        return PlaneResult(plane, probability, confidence), ended

    def _look(self, index: int, mask: BoolArray) -> tuple[FloatArray, BoolArray]:
        """Return what the model sees of a mask and its surroundings, and the mask."""
        crop = surroundings(mask)
        plane = replace(self._plane, index=index)
        pixels = self._predictor.volume.read(plane, crop)
        return self._predictor.window.apply(pixels), mask[crop]
