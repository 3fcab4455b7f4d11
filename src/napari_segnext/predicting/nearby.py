"""No more of a tile than lies around a mask: most of a network looks at neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np

from napari_segnext.engines.threads import adapt_threads
from napari_segnext.geometry.frame import Frame
from napari_segnext.geometry.regions import Extent, Patch
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.predicting.tiles import bounds_of
from napari_segnext.predicting.upsampled import in_pixels
from napari_segnext.prompts import Prompts

# Model pixels around a mask that are looked at, and those of a cell of the coarsest
# features, where a part is cut.
_MARGIN, _CELL = 32, 16
# The logits of what was not looked at.
_NOT_LOOKED_AT = -20.0


def refined(
    predictor: Predictor,
    prompts: Prompts,
    known: Patch,
    cancelled: Callable[[], bool] = lambda: False,
) -> Patch:
    """Have a mask refined where it is: in one tile, and in the part of it around it.

    A prediction looks at the whole tile, and at others if the mask leads there; this
    is for many masks that will not change by much.

    Parameters
    ----------
    prompts
        On the mask or near it.
    known
        Probability, 0 to 1; above 0.5 somewhere.
    cancelled
        Asked between blocks of the encoder, if the tile has to be embedded.

    Raises
    ------
    napari_segnext.models.Cancelled
        If `cancelled` said so.
    """
    mask = known.above(0.5)
    corners = [mask[:2], (mask.bottom - 1, mask.right - 1)]
    tile = predictor.pyramid.choose(bounds_of(corners, predictor.shape))
    frame = predictor.pyramid.frame(tile)
    asked = prompts.to_model(frame, predictor.model.config.style, known)
    previous, positive, _ = asked.dense
    part = around([np.maximum(previous, positive)])
    embedding = predictor.embedding(tile, cancelled)
    adapt_threads()
    logits = predictor.model.decode_part(embedding, asked, part).cpu().numpy()
    shrunk = predictor.pyramid.step(tile.level) > 1
    return part_in_pixels(logits, part, frame, predictor.shape, shrunk)


def around(drawn: Sequence[FloatArray]) -> Extent:
    """Return the part of a tile in which masks (S, S) lie, with a margin.

    It is cut where cells of the coarsest features end; it is the whole tile if there
    is nothing in the masks.
    """
    tile = Extent.at((0, 0), drawn[0].shape)
    mask = reduce(Extent.joined, (Extent.of(each > 0.5) for each in drawn))
    if mask.empty:
        return tile
    return mask.widened(_MARGIN, _MARGIN).in_cells(_CELL).common(tile)


def part_in_pixels(
    logits: FloatArray, part: Extent, frame: Frame, shape: tuple[int, int], shrunk: bool
) -> Patch:
    """Return the probability in a plane that logits (h, w) of a part stand for.

    Parameters and the result are otherwise those of `in_pixels`; what was not looked
    at is not the object.
    """
    whole = np.full((frame.size, frame.size), _NOT_LOOKED_AT, np.float32)
    whole[part.slices] = logits
    return in_pixels(whole, frame, shape, shrunk)
