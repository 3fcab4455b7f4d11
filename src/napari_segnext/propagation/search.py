"""Looking for an object in a plane in which it is expected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Patch
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.predicting.following import Tracker
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.propagation.gaps import Asked, Found
from napari_segnext.propagation.motion import carried, motion
from napari_segnext.propagation.results import PlaneResult
from napari_segnext.propagation.shapes import around, guide, touching
from napari_segnext.weights import load_follower

# Pixels around an expected shape in which motion is looked for.
_REACH = 40


@dataclass(frozen=True, slots=True)
class Rules:
    """When an object has ended: what a plane shows is not it any more.

    Attributes
    ----------
    smallest
        Pixels that it has at least.
    present
        How sure it is at least that it is there.
    """

    smallest: int = 4
    present: float = 0.5


class Scout:
    """Look for the object in a plane in which it is expected."""

    def __init__(self, predictor: VolumePredictor, rules: Rules) -> None:
        self._predictor, self._rules = predictor, rules
        device = str(predictor.model.device)
        self._tracker = Tracker(load_follower(device), predictor)

    def look(self, asked: Asked, cancelled: Callable[[], bool]) -> Found:
        """Find in a plane what is expected there.

        Raises
        ------
        napari_segnext.models.Cancelled
            If `cancelled` said so.
        """
        expected = self._expected(asked)
        seen = [(p, mask) for p, mask in asked.gap.sides if p != asked.before]
        if asked.before is not None:
            seen.insert(0, (asked.before, asked.shape))
        known = [(p, Patch.of(mask.astype(np.float32))) for p, mask in seen]
        sighting = self._tracker.look(asked.plane, Patch.of(expected), known, cancelled)
        probability = sighting.patch.expand()
        found = probability > 0.5
        probability[found & ~touching(found, expected > 0.5)] = 0
        area = int(np.count_nonzero(probability > 0.5))
        ended = area < self._rules.smallest or sighting.present < self._rules.present
        confidence = sighting.present * sighting.overlap
        return Found(PlaneResult(asked.plane, Patch.of(probability), confidence), ended)

    def _expected(self, asked: Asked) -> FloatArray:
        """Return (H, W): where the object is expected, having moved with its pixels."""
        shape = asked.shape
        if asked.before is not None:
            part = around(shape, _REACH)
            before, now = (self._seen(p, part) for p in (asked.before, asked.plane))
            moved = np.zeros_like(shape)
            moved[part] = carried(shape[part], motion(before, now))
            shape = moved if moved.any() else shape
        return guide(shape, asked.goal, asked.weight)

    def _seen(self, plane: Plane, part: tuple[slice, slice]) -> FloatArray:
        """Return (h, w): a part of a plane as the model sees it, in grey."""
        pixels = self._predictor.volume.read(plane, part)
        grey = self._predictor.window.apply(pixels).mean(-1)
        return np.asarray(grey, np.float32)
