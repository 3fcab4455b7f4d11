"""Where an object is in a plane, from where it is in others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_segnext.geometry.frame import Frame
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent, Patch
from napari_segnext.models.follower import Follower, Seen
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.predicting.tiles import Tile, bounds_of
from napari_segnext.predicting.upsampled import in_pixels
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.prompts import Prompts


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """What a plane shows of an object that was looked for.

    Attributes
    ----------
    patch
        Its probability, 0 to 1.
    present
        0 to 1: how sure it is that the object is there.
    overlap
        0 to 1: the intersection over union that mask and object are judged to have, if
        it is.
    """

    patch: Patch
    present: float
    overlap: float


class Tracker:
    """Look for objects in the planes of a volume.

    Parameters
    ----------
    model
        Taught to follow.
    planes
        The planes to look in. Embeddings are kept where this one keeps its own, and
        shared with it if its model has the same encoder.
    """

    def __init__(self, model: Follower, planes: VolumePredictor) -> None:
        same = planes.model.config.window == model.config.window
        window = planes.window if same else None
        self._planes = VolumePredictor(model, planes.volume, planes.store, window)
        self._model = model

    def look(
        self,
        plane: Plane,
        expected: Patch,
        seen: Sequence[tuple[Plane, Patch]],
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Sighting:
        """Look for an object where it is expected.

        Parameters
        ----------
        expected
            Its probability in the plane, as far as it is known; not all 0.
        seen
            Planes in which it is known, with its probability there: the one that was
            gone through last, then others; at least one.
        cancelled
            Asked between blocks of the encoder.

        Raises
        ------
        napari_segnext.models.Cancelled
            If `cancelled` said so.
        """
        predictor = self._planes.apart(plane)
        tile = _tile_for(predictor, expected.above(0.5))
        frame = predictor.pyramid.frame(tile)
        known = [
            Seen(
                self._features(self._planes.apart(other), tile, cancelled),
                self._drawn(patch, frame),
            )
            for other, patch in seen
        ]
        features = self._features(predictor, tile, cancelled)
        with torch.inference_mode():
            found = self._model.follow(features, self._drawn(expected, frame), known)
        logits = found.logits[0, 0].float().cpu().numpy()
        shrunk = predictor.pyramid.step(tile.level) > 1
        return Sighting(
            in_pixels(logits, frame, predictor.shape, shrunk),
            float(found.present.sigmoid()),
            float(found.overlap.sigmoid()),
        )

    def _features(
        self, predictor: Predictor, tile: Tile, cancelled: Callable[[], bool]
    ) -> dict[str, Tensor]:
        tensors = predictor.embedding(tile, cancelled).tensors
        return {name: tensor[None] for name, tensor in tensors.items()}

    def _drawn(self, patch: Patch, frame: Frame) -> Tensor:
        """Return (1, 1, S, S): a probability in model pixels."""
        drawn = Prompts().to_dense(frame, self._model.config.style, patch)[:1]
        return torch.from_numpy(drawn)[None].to(self._model.device)


def _tile_for(predictor: Predictor, mask: Extent) -> Tile:
    """Choose the tile for a mask that is not empty."""
    corners = [mask[:2], (mask.bottom - 1, mask.right - 1)]
    return predictor.pyramid.choose(bounds_of(corners, predictor.shape))
