"""From one or a few planes of an object to all of it.

What is known of a plane prompts the next one: the shape of the object there, as a
soft previous mask, and clicks deep inside it. So it goes on, both ways, until the
object ends. Between two planes that are known, the shape in between takes the place
of the last one, and the way is gone from both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from scipy.ndimage import distance_transform_edt

from napari_segnext.appearance import Appearance, surroundings
from napari_segnext.models import Cancelled
from napari_segnext.patch import Patch
from napari_segnext.predictor import Prediction
from napari_segnext.prompts import BoolArray, FloatArray, Plane, Prompts
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
    patch
        Its probability, 0 to 1; in a plane of any size only what is on the object.
    confidence
        0 to 1; see `certainty` and `Propagation`.
    """

    plane: Plane
    patch: Patch
    confidence: float

    @classmethod
    def of(
        cls, plane: Plane, probability: FloatArray, confidence: float
    ) -> PlaneResult:
        """Keep a (H, W) map."""
        return cls(plane, Patch.of(probability), confidence)

    @property
    def probability(self) -> FloatArray:
        """(H, W) float32: the probability in all of the plane."""
        return self.patch.expand()

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


class Propagation:
    """An object on its way through the planes around those that are decided.

    It is gone plane by plane, and can go on after an interruption.

    The confidence of a result is its `certainty`, less if it does not look as the
    object does where it is known: by half if it looks as much like the surroundings,
    by all if it looks like them. Between two known planes it is multiplied by the
    overlap of what was found from either side.

    Parameters
    ----------
    annotated
        The object's planes; those perpendicular to other axes are not used.
    axis
        The axis to go along.
    within
        Indices of planes to find; the gaps between decided planes that hold one of
        them are gone through. Default: all.
    rules
        When the object has ended.

    Attributes
    ----------
    done, total
        Planes decoded, and how many it will be at most.

    Raises
    ------
    ValueError
        If no plane of the axis shows the object, or they differ in their place
        along other axes (time).
    """

    def __init__(
        self,
        predictor: VolumePredictor,
        annotated: Mapping[Plane, Annotated],
        axis: int = 0,
        within: Collection[int] | None = None,
        rules: Rules | None = None,
    ) -> None:
        known = {p: each for p, each in annotated.items() if p.axis == axis}
        if not any(each.mask.any() for each in known.values()):
            raise ValueError(
                f"no plane along axis {axis} shows the object: give a prompt in one "
                "first"
            )
        if len({plane.fixed for plane in known}) > 1:
            raise ValueError("all planes must be of the same time point")
        masks = {plane.index: each.mask for plane, each in sorted(known.items())}
        shape = predictor.volume.shape
        self._gaps = [
            gap
            for gap in _gaps(masks, shape[axis] if len(shape) == 3 else 1)
            if gap.steps and (within is None or set(gap.indices) & set(within))
        ]
        plane = Plane(axis, 0, next(iter(known)).fixed)
        self._scout = _Scout(predictor, plane, rules or Rules())
        self.done, self.total = 0, sum(gap.steps for gap in self._gaps)
        self._way = self._through()
        self._asked: _Asked | None = None
        self._begun = False

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to decode."""
        return self._begun and self._asked is None

    def advance(
        self, cancelled: Callable[[], bool] = lambda: False
    ) -> list[PlaneResult]:
        """Decode the next plane; return the results that are final now.

        Parameters
        ----------
        cancelled
            Asked before the plane, and between blocks of the encoder.

        Raises
        ------
        napari_segnext.models.Cancelled
            If `cancelled` said so. The next call begins with the same plane.
        """
        if cancelled():
            raise Cancelled
        results: list[PlaneResult] = []
        if not self._begun:
            self._listen(next(self._way, None), results)
            self._begun = True
        elif self._asked is not None:
            found = self._scout.look(self._asked, cancelled)
            self.done += 1
            try:
                self._listen(self._way.send(found), results)
            except StopIteration:
                self._asked = None
        return results

    def _listen(self, said: _Said, results: list[PlaneResult]) -> None:
        """Take results until a plane is asked for, or there is no more."""
        while isinstance(said, PlaneResult):
            results.append(said)
            said = next(self._way, None)
        self._asked = said

    def _through(self) -> _Way:
        for gap in self._gaps:
            before = self.done
            self._scout.learn(gap)
            yield from _fill(gap, self._scout.plane)
            self.total -= gap.steps - (self.done - before)


def propagate(
    predictor: VolumePredictor,
    annotated: Mapping[Plane, Annotated],
    axis: int = 0,
    *,
    within: Collection[int] | None = None,
    rules: Rules | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[PlaneResult]:
    """Find an object in the planes around those that the user has decided about.

    Parameters
    ----------
    predictor, annotated, axis, within, rules
        See `Propagation`; errors are the same.
    cancelled
        Asked before each plane, and between blocks of the encoder.
    progress
        Called with the number of planes decoded, and how many it will be at most.

    Yields
    ------
    PlaneResult
        Of each plane that shows the object, once; those of `annotated` are not
        among them.

    Raises
    ------
    napari_segnext.models.Cancelled
        If `cancelled` said so. What was yielded until then is good.
    """
    propagation = Propagation(predictor, annotated, axis, within, rules)
    while not propagation.ended:
        results = propagation.advance(cancelled)
        progress(propagation.done, propagation.total)
        yield from results


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


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A plane to decode, and the probability that is expected there."""

    plane: Plane
    expected: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What a plane shows; whether the object has ended."""

    result: PlaneResult
    ended: bool


_Said: TypeAlias = _Asked | PlaneResult | None
# Planes are asked for, which are answered, and results are told, which are not.
_Way: TypeAlias = Generator[_Asked | PlaneResult, _Found, None]


def _fill(gap: _Gap, plane: Plane) -> _Way:
    """Find the object in the planes of a gap."""
    if gap.low is not None and gap.high is not None:
        yield from _meet(gap.indices, plane, gap.low, gap.high)
    elif gap.low is not None:
        yield from _leave(gap.indices, plane, gap.low)
    elif gap.high is not None:
        yield from _leave(gap.indices[::-1], plane, gap.high)


def _leave(indices: range, plane: Plane, shape: BoolArray) -> _Way:
    """Go on from a shape until the object ends."""
    for index in indices:
        found = yield _Asked(replace(plane, index=index), guide(shape))
        if found.ended:
            return
        yield found.result
        shape = found.result.mask


def _meet(indices: range, plane: Plane, low: BoolArray, high: BoolArray) -> _Way:
    """Go from both ends of a gap to the other; the nearer end counts more."""
    rising: list[PlaneResult] = []
    yield from _cross(indices, plane, low, high, rising.append)
    falling: list[PlaneResult] = []
    yield from _cross(indices[::-1], plane, high, low, falling.append)
    for number, (first, second) in enumerate(zip(rising, falling[::-1], strict=True)):
        share = (number + 1) / (len(indices) + 1)
        mean = (1 - share) * first.probability + share * second.probability
        certain = (1 - share) * first.confidence + share * second.confidence
        agreement = overlap(first.mask, second.mask)
        yield PlaneResult.of(first.plane, mean, certain * agreement)


def _cross(
    indices: range,
    plane: Plane,
    shape: BoolArray,
    goal: BoolArray,
    keep: Callable[[PlaneResult], None],
) -> _Way:
    """Go on from a shape to another; where the object is lost, trust the guide."""
    for number, index in enumerate(indices):
        expected = guide(shape, goal, 1 / (len(indices) + 1 - number))
        found = yield _Asked(replace(plane, index=index), expected)
        result = found.result
        if found.ended:
            result = PlaneResult.of(result.plane, expected, 0.0)
        keep(result)
        shape = result.mask


class _Scout:
    """Look for the object in a plane in which it is expected."""

    def __init__(self, predictor: VolumePredictor, plane: Plane, rules: Rules) -> None:
        self._predictor, self.plane, self._rules = predictor, plane, rules

    def learn(self, gap: _Gap) -> None:
        """Get to know the object from the planes on either side of a gap."""
        sides = (gap.indices.start - 1, gap.low), (gap.indices.stop, gap.high)
        self._appearance = Appearance(
            self._seen(replace(self.plane, index=index), mask)
            for index, mask in sides
            if mask is not None
        )

    def look(self, asked: _Asked, cancelled: Callable[[], bool]) -> _Found:
        """Find in a plane what is expected there."""
        plane, expected = asked.plane, asked.expected
        shape = expected > 0.5
        prompts = Prompts()
        for y, x in inner_clicks(shape):
            prompts = prompts.click(y, x)
        previous = Prediction.from_probability(expected)
        found = self._predictor.predict(plane, prompts, previous, cancelled)
        probability = found.probability.copy()
        probability[found.mask & ~touching(found.mask, shape)] = 0
        mask, certain = probability > 0.5, certainty(probability)
        alike = self._appearance.likeness(*self._seen(plane, mask)) if certain else 0.0
        ended = self._rules.ended(mask, shape, certain, alike)
        confidence = certain * float(np.clip((1 + alike) / 2, 0, 1))
        return _Found(PlaneResult.of(plane, probability, confidence), ended)

    def _seen(self, plane: Plane, mask: BoolArray) -> tuple[FloatArray, BoolArray]:
        """Return what the model sees of a mask and its surroundings, and the mask."""
        crop = surroundings(mask)
        pixels = self._predictor.volume.read(plane, crop)
        return self._predictor.window.apply(pixels), mask[crop]
