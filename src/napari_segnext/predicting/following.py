"""Where an object is in a plane, from where it is in others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_segnext.engines.threads import adapt_threads
from napari_segnext.geometry.frame import Frame
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent, Patch
from napari_segnext.models.follower import Follower, Seen
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.predicting.tiles import Tile, bounds_of
from napari_segnext.predicting.upsampled import in_pixels
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.prompts import Prompts

# Model pixels of an object that a glance has to show, those around it that it takes
# in, and those of a cell of the coarsest features.
_ENOUGH, _MARGIN, _CELL = 32, 32, 16
# The logits of what was not looked at.
_NOT_LOOKED_AT = -20.0


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
        *,
        glance: bool = False,
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
        glance
            Whether to look at its surroundings alone, and no closer than shows what
            it is. That takes a fifth of the time, and is for many objects.

        Raises
        ------
        napari_segnext.models.Cancelled
            If `cancelled` said so.
        """
        predictor = self._planes.apart(plane)
        tile = _tile_for(predictor, expected.above(0.5), _ENOUGH if glance else None)
        frame = predictor.pyramid.frame(tile)
        drawn = [
            self._drawn(patch, frame) for patch in (expected, *(p for _, p in seen))
        ]
        part = _around(drawn) if glance else Extent(0, 0, *drawn[0].shape[-2:])
        shown, *masks = (_cut(each, part) for each in drawn)
        known = [
            Seen(self._features(self._planes.apart(other), tile, part, cancelled), mask)
            for (other, _), mask in zip(seen, masks, strict=True)
        ]
        features = self._features(predictor, tile, part, cancelled)
        adapt_threads()
        with torch.inference_mode():
            found = self._model.follow(features, shown, known)
        logits = np.full(drawn[0].shape[-2:], _NOT_LOOKED_AT, np.float32)
        logits[part.slices] = found.logits[0, 0].float().cpu().numpy()
        shrunk = glance or predictor.pyramid.step(tile.level) > 1
        return Sighting(
            in_pixels(logits, frame, predictor.shape, shrunk),
            float(found.present.sigmoid()),
            float(found.overlap.sigmoid()),
        )

    def _features(
        self,
        predictor: Predictor,
        tile: Tile,
        part: Extent,
        cancelled: Callable[[], bool],
    ) -> dict[str, Tensor]:
        """Return the features of a part of a tile, in model pixels."""
        side = predictor.model.config.size
        tensors = predictor.embedding(tile, cancelled).tensors
        return {
            name: _cut(tensor[None], part, side // tensor.shape[-1])
            for name, tensor in tensors.items()
        }

    def _drawn(self, patch: Patch, frame: Frame) -> Tensor:
        """Return (1, 1, S, S): a probability in model pixels."""
        drawn = Prompts().to_dense(frame, self._model.config.style, patch)[:1]
        return torch.from_numpy(drawn)[None].to(self._model.device)


def _tile_for(predictor: Predictor, mask: Extent, enough: int | None = None) -> Tile:
    """Choose the tile for a mask that is not empty.

    Parameters
    ----------
    enough
        Model pixels along the longer side of the mask that are enough.
    """
    corners = [mask[:2], (mask.bottom - 1, mask.right - 1)]
    bounds = bounds_of(corners, predictor.shape)
    if enough is None:
        return predictor.pyramid.choose(bounds)
    return predictor.pyramid.coarsest(bounds, enough)


def _around(drawn: Sequence[Tensor]) -> Extent:
    """Return the part of a tile in which masks (1, 1, S, S) lie, with a margin.

    It is cut where cells of the coarsest features end.
    """
    shown = (torch.cat(list(drawn)) > 0.5).any(0)[0].cpu().numpy()
    mask, (height, width) = Extent.of(shown), shown.shape
    return Extent(
        max(0, (mask.top - _MARGIN) // _CELL * _CELL),
        max(0, (mask.left - _MARGIN) // _CELL * _CELL),
        min(height, -(-(mask.bottom + _MARGIN) // _CELL) * _CELL),
        min(width, -(-(mask.right + _MARGIN) // _CELL) * _CELL),
    )


def _cut(maps: Tensor, part: Extent, stride: int = 1) -> Tensor:
    """Return a part, given in model pixels, of maps (1, C, S / stride, S / stride)."""
    rows, columns = (slice(at.start // stride, at.stop // stride) for at in part.slices)
    return maps[..., rows, columns]
