"""A body shown to the model: a click deep inside, and its pixels as the mask before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_segnext.geometry.frame import Point, Region
from napari_segnext.geometry.regions import Patch
from napari_segnext.geometry.shapes import inner_clicks, pieces
from napari_segnext.predicting.nearby import refined
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.prompts import Prompts


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
    known = Patch(predictor.shape, body.offset, body.pixels.astype(np.float32))
    found = refined(predictor, Prompts().click(*click), known, cancelled)
    where = found.extent.joined(body.extent)
    mask = found.read(where) > 0.5
    parts, _ = pieces(mask)
    number = parts[int(click[0]) - where.top, int(click[1]) - where.left]
    return Region.of(mask & (parts == number), where[:2]), click
