"""Looking for an object in a plane in which it is expected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent, Patch
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.geometry.shapes import (
    guide,
    inner_clicks,
    overlap,
    signed_distance,
    touching,
)
from napari_segnext.predicting.following import Look, Sighting, Tracker
from napari_segnext.predicting.nearby import refined
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.prompts import Prompts
from napari_segnext.propagation.appearance import Appearance
from napari_segnext.propagation.brightness import Brightness
from napari_segnext.propagation.gaps import Asked, Found, Gap
from napari_segnext.propagation.motion import carried, motion
from napari_segnext.propagation.results import PlaneResult
from napari_segnext.propagation.weighing import Evidence, log_odds
from napari_segnext.weights import load_follower

# Pixels around an expected shape that are looked at.
_MARGIN = 16
# Pixels around it in which motion is looked for.
_REACH = 40
# Pixels around it in which the brightness of sections is compared.
_WIDE = 96
# Pixels along a side that are enough for that.
_ENOUGH = 400
# How much the radius of an object is believed to change from plane to plane: in the
# planes that are decided it is looked for from shapes that are wrong by so much.
_CHANGE = 0.05
# Weight of what the follower says, beside the model that answers prompts: beyond the
# decided planes, and between two, which teach what is seen better than one.
_FOLLOWER, _BETWEEN = 0.8, 0.5
# Pixels on either side of a border from which the weights are learned.
_BAND = 10.0
# How sure it is that an object has not ended, from the log-odds of what the follower
# says and of the overlap of both masks; the last one is constant. Fitted to objects of
# stacks that were followed beyond their ends (docs/models/follower.md).
_PRESENT, _AGREE, _CONSTANT = 0.62, 0.29, -1.43


@dataclass(frozen=True, slots=True)
class Rules:
    """When an object has ended: what a plane shows is not it any more.

    Attributes
    ----------
    smallest
        Pixels that it has at least.
    sure
        How sure it is at least that the object is there: 0 to 1.
    likeness
        Least `Appearance.likeness` to the nearest planes that are known.
    """

    smallest: int = 4
    sure: float = 0.5
    likeness: float = 0.0


class Scout:
    """Look for the object in a plane in which it is expected.

    Two are asked: the follower, which was taught to go from plane to plane, and the
    model that answers prompts, with intensities and expected shape weighed as the
    decided planes teach. Their log-odds are averaged.
    """

    def __init__(self, predictor: VolumePredictor, rules: Rules) -> None:
        self._predictor, self._rules = predictor, rules
        # Loaded where it is first asked, which is not the thread of a window.
        self._tracker: Tracker | None = None
        self._gap: Gap | None = None

    def look(self, asked: Asked, cancelled: Callable[[], bool]) -> Found:
        """Find in a plane what is expected there.

        Raises
        ------
        napari_segnext.models.Cancelled
            If `cancelled` said so.
        """
        if asked.gap is not self._gap:
            self._learn(asked.gap, cancelled)
        expected = self._expected(asked)
        part, features = self._features(asked.plane, expected, cancelled)
        sighting = self._followed(asked, expected, cancelled)
        decoded = log_odds(self._evidence.probability(features))
        followed = log_odds(sighting.patch.read(part))
        share = _FOLLOWER if len(asked.gap.sides) == 1 else _BETWEEN
        odds = share * followed + (1 - share) * decoded
        probability = np.asarray(expit(odds), np.float32)
        found = probability > 0.5
        probability[found & ~touching(found, expected[part.slices] > 0.5)] = 0
        area = int(np.count_nonzero(probability > 0.5))
        sure = _sure(sighting.present, overlap(followed > 0, decoded > 0))
        shown = self._seen(asked.plane, part)
        alike = self._appearance.likeness(shown, probability > 0.5)
        rules = self._rules
        ended = area < rules.smallest or sure < rules.sure or alike < rules.likeness
        height, width = expected.shape
        patch = Patch((height, width), part[:2], probability)
        confidence = sighting.present * sighting.overlap
        return Found(PlaneResult(asked.plane, patch, confidence), ended)

    def _followed(
        self, asked: Asked, expected: FloatArray, cancelled: Callable[[], bool]
    ) -> Sighting:
        """Ask the follower, which remembers the plane before and the decided ones."""
        if self._tracker is None:
            device = str(self._predictor.model.device)
            self._tracker = Tracker(load_follower(device), self._predictor)
        seen = [(p, mask) for p, mask in asked.gap.sides if p != asked.before]
        if asked.before is not None:
            seen.insert(0, (asked.before, asked.shape))
        known = [(p, Patch.of(mask.astype(np.float32))) for p, mask in seen]
        look = Look(asked.plane, Patch.of(expected), known)
        return self._tracker.look(look, cancelled)

    def _expected(self, asked: Asked) -> FloatArray:
        """Return (H, W): where the object is expected, having moved with its pixels."""
        shape = asked.shape
        if asked.before is not None:
            part, moved = _part(shape, _REACH), np.zeros_like(shape)
            sections = (
                self._seen(p, part).mean(-1) for p in (asked.before, asked.plane)
            )
            moved[part.slices] = carried(shape[part.slices], motion(*sections))
            shape = moved if moved.any() else shape
        return guide(shape, asked.goal, asked.weight)

    def _learn(self, gap: Gap, cancelled: Callable[[], bool]) -> None:
        """Get to know the object from the planes on either side of a gap."""
        sides = [(plane, mask, _part(mask)) for plane, mask in gap.sides]
        first, mask, _ = sides[0]
        wide = _part(mask, _WIDE)
        longest = max(wide.bottom - wide.top, wide.right - wide.left)
        step = 1 + longest // _ENOUGH
        self._brightness = Brightness(
            first.index,
            lambda index: self._window(gap.at(index), wide)[::step, ::step],
        )
        self._appearance = Appearance(
            (self._seen(plane, part), mask[part.slices]) for plane, mask, part in sides
        )
        features, truth = [], []
        for plane, mask, _ in sides:
            for wrong in _wrong(mask):
                part, seen = self._features(plane, guide(wrong), cancelled)
                answer = mask[part.slices]
                near = np.abs(signed_distance(answer)) <= _BAND
                features.append(seen[near])
                truth.append(answer[near])
        self._evidence = Evidence(np.concatenate(features), np.concatenate(truth))
        self._gap = gap

    def _features(
        self, plane: Plane, expected: FloatArray, cancelled: Callable[[], bool]
    ) -> tuple[Extent, FloatArray]:
        """Return (h, w, 3) log-odds in a part of a plane: what `Evidence` weighs."""
        shape = expected > 0.5
        part, prompts = _part(shape), Prompts()
        for y, x in inner_clicks(shape):
            prompts = prompts.click(y, x)
        at, known = self._predictor.apart(plane), Patch.of(expected)
        found = refined(at, prompts, known, cancelled)
        return part, np.stack(
            [
                log_odds(found.read(part)),
                self._appearance.log_ratio(self._seen(plane, part)),
                log_odds(expected[part.slices]),
            ],
            -1,
        )

    def _seen(self, plane: Plane, part: Extent) -> FloatArray:
        """Return (h, w, C) of a part of a plane, as bright as a decided plane."""
        image = self._window(plane, part)
        change = self._brightness.at(plane.index)
        return np.asarray(np.clip(image - change, 0, 1), np.float32)

    def _window(self, plane: Plane, part: Extent) -> FloatArray:
        """Return (h, w, C) of a part of a plane as the model sees it."""
        pixels = self._predictor.volume.read(plane, part.slices)
        return self._predictor.window.apply(pixels)


def _sure(present: float, agreement: float) -> float:
    """Return how sure it is that the object is there, 0 to 1."""
    said, shown = log_odds(np.array([present, agreement], np.float32))
    return float(expit(_PRESENT * said + _AGREE * shown + _CONSTANT))


def _part(mask: BoolArray, margin: int = _MARGIN) -> Extent:
    """Return where a mask and its surroundings lie."""
    whole = Extent.at((0, 0), mask.shape)
    return Extent.of(mask).widened(margin, margin).common(whole)


def _wrong(mask: BoolArray) -> Iterator[BoolArray]:
    """Yield shapes that are too small and too large, as those of neighbours are."""
    part = _part(mask)
    distance = signed_distance(mask[part.slices])
    change = max(1.0, _CHANGE * float(np.sqrt(np.count_nonzero(mask) / np.pi)))
    for offset in (-change, change):
        wrong = np.zeros_like(mask)
        wrong[part.slices] = distance + offset > 0
        if wrong.any():
            yield wrong
