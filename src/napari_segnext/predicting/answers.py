"""Answers to a session's requests, each of which goes on from the one before.

A session keeps probabilities alone, in one byte a pixel. Some models want more back at
the next prompt, as SAM-REF its error map: that is kept here while it belongs to what
the session starts from, and dropped after an undo or an edit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Patch
from napari_segnext.predicting.prediction import Prediction
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.prompts import Prompts
from napari_segnext.session import Request

# Answers of which a model's state is kept: some MB each.
_KEPT = 8


class Answers:
    """A volume's predictor, as a session asks it.

    Parameters
    ----------
    predictor
        Decodes.
    """

    def __init__(self, predictor: VolumePredictor) -> None:
        self.predictor = predictor
        self._last: OrderedDict[tuple[int, Plane], Prediction] = OrderedDict()

    def to(
        self, request: Request, cancelled: Callable[[], bool] = lambda: False
    ) -> Prediction:
        """Decode what a session asks for.

        Parameters and errors are those of `VolumePredictor.predict`.
        """
        if request.vain:
            shape = self.predictor.volume.plane_shape(request.plane)
            return Prediction(Patch.nothing(shape), request.prompts)
        previous = self._previous(request)
        found = self.predictor.predict(
            request.plane, request.prompts, previous, cancelled
        )
        self._keep((request.object_id, request.plane), found)
        return found

    def _previous(self, request: Request) -> Prediction | None:
        if request.patch is None:
            return None
        seen = Prompts(request.prompts.items[: request.answered])
        last = self._last.get((request.object_id, request.plane))
        if (
            last is None
            or last.prompts.items != seen.items
            or not _same_mask(last.patch, request.patch)
        ):
            return Prediction(request.patch, seen)
        return replace(last, patch=request.patch)

    def _keep(self, key: tuple[int, Plane], found: Prediction) -> None:
        self._last.pop(key, None)
        if found.state is not None:
            self._last[key] = found
        while len(self._last) > _KEPT:
            self._last.popitem(last=False)


def _same_mask(one: Patch, other: Patch) -> bool:
    extent = one.above(0.5)
    if extent != other.above(0.5):
        return False
    return np.array_equal(one.read(extent) > 0.5, other.read(extent) > 0.5)
