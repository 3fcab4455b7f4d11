"""A body shown to the model: a click deep inside, and its pixels as the mask before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_segnext.geometry.frame import Frame, Point, Region
from napari_segnext.geometry.regions import Extent, Patch
from napari_segnext.geometry.shapes import inner_clicks, pieces
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.predicting.tiles import bounds_of
from napari_segnext.prompts import Prompts

# Model pixels around a body that are decoded, and to which that is rounded.
_AROUND, _CELL = 32, 16


def answer(
    predictor: Predictor, body: Region, cancelled: Callable[[], bool]
) -> tuple[Region, Point]:
    """Return what the model makes of a body, in one piece, and where it is clicked.

    Raises
    ------
    napari_segnext.models.Cancelled
        If `cancelled` said so.
    """
    (row, column), *_ = inner_clicks(body.pixels)
    click = (row + body.offset[0], column + body.offset[1])
    tile = predictor.pyramid.choose(bounds_of(body.corners, predictor.shape))
    frame = predictor.pyramid.frame(tile)
    known = Patch(predictor.shape, body.offset, body.pixels.astype(np.float32))
    config = predictor.model.config
    prompts = Prompts().click(*click).to_model(frame, config.style, known)
    part = _around(body, frame)
    embedding = predictor.embedding(tile, cancelled)
    logits = np.full((config.size, config.size), -20, np.float32)
    logits[part.slices] = (
        predictor.model.decode_part(embedding, prompts, part).cpu().numpy()
    )
    where = Extent.at((frame.top, frame.left), frame.shape)
    mask = frame.restore(logits) > 0
    parts, _ = pieces(mask)
    number = parts[int(click[0]) - frame.top, int(click[1]) - frame.left]
    return Region.of(mask & (parts == number), where[:2]), click


def _around(body: Region, frame: Frame) -> Extent:
    """Return where a body lies in a tile, with a margin, in model pixels."""
    extent, (rows, columns) = body.extent, frame.content
    down, across = rows / frame.height, columns / frame.width
    seen = Extent(
        int((extent.top - frame.top) * down),
        int((extent.left - frame.left) * across),
        int((extent.bottom - frame.top) * down),
        int((extent.right - frame.left) * across),
    )
    around = seen.widened(_AROUND, _AROUND).in_cells(_CELL)
    return around.common(Extent(0, 0, frame.size, frame.size))
