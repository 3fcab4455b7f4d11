"""What a head tells of a plane, put together from overlapping tiles."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import torch
from torch.nn.functional import interpolate

from napari_segnext.engines.threads import adapt_threads
from napari_segnext.finding.head import Head
from napari_segnext.finding.turns import begun_anew
from napari_segnext.geometry.frame import Frame
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.predicting.tiles import Tile

# Model pixels of a part that is looked at in one piece, and of what is seen around it.
_PIECE, _AROUND = 1024, 96
# What the edge of a tile counts for, of its centre.
_EDGE = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """What a head tells of a part of a plane, in pixels of a level of its tiles.

    Attributes
    ----------
    told
        (3, h, w) probabilities: inside, border, depth.
    top, left
        Place of the first pixel, in pixels of the level.
    scale
        Pixels of the level per image pixel.
    core
        In pixels of the level: objects whose centre lies here are this part's.
    """

    told: FloatArray
    top: int
    left: int
    scale: float
    core: Extent


def pieces(predictor: Predictor, level: int) -> list[tuple[Extent, Extent]]:
    """Return parts of a plane that are looked at one after the other.

    Returns
    -------
    Of each its core, and what is seen of it, in pixels of the level
    """
    scale = predictor.pyramid.scale(level)
    height, width = (max(1, round(n * scale)) for n in predictor.shape)
    whole = Extent(0, 0, height, width)
    cores = [
        Extent(top, left, min(top + _PIECE, height), min(left + _PIECE, width))
        for top, left in product(range(0, height, _PIECE), range(0, width, _PIECE))
    ]
    return [(core, core.widened(_AROUND, _AROUND).common(whole)) for core in cores]


def mapped(
    predictor: Predictor,
    head: Head,
    level: int,
    core: Extent,
    seen: Extent,
    cancelled: Callable[[], bool],
) -> Generator[None, None, Maps]:
    """Put together what a head tells of the tiles that show a part; yields after each.

    A tile of which `cancelled` said so is begun anew.
    """
    scale = predictor.pyramid.scale(level)
    total = np.zeros((3, *seen.shape), np.float32)
    weight = np.zeros(seen.shape, np.float32)
    for tile in predictor.pyramid.tiles(level):
        frame = predictor.pyramid.frame(tile)
        place = _place(frame, scale)
        common = place.common(seen)
        if common.empty:
            continue
        told = yield from begun_anew(
            partial(_told, predictor, head, tile, cancelled), lambda: None
        )
        share = _centred(place.shape)[common.within(place)]
        total[:, *common.within(seen)] += told[:, *common.within(place)] * share
        weight[common.within(seen)] += share
        yield
    told = np.asarray(total / np.maximum(weight, 1e-6), np.float32)
    return Maps(told, *seen[:2], scale, core)


def _place(frame: Frame, scale: float) -> Extent:
    """Return where a tile lies in pixels of its level."""
    return Extent.at(
        (round(frame.top * scale), round(frame.left * scale)), frame.content
    )


def _told(
    predictor: Predictor, head: Head, tile: Tile, cancelled: Callable[[], bool]
) -> FloatArray:
    tensors = predictor.embedding(tile, cancelled).tensors
    size = predictor.model.config.size
    maps = {name: tensors[name][None].float() for name in head.names}
    adapt_threads()
    with torch.inference_mode():
        logits = interpolate(head(maps), size=(size, size), mode="bilinear")
    told: FloatArray = logits[0].sigmoid().cpu().numpy()
    return told


def _centred(shape: tuple[int, int]) -> FloatArray:
    """Return weights (h, w) that fall from the centre of a tile to its edge."""
    down, across = (1 - np.abs(np.linspace(-1, 1, n + 2)[1:-1]) for n in shape)
    return np.asarray(np.outer(down, across) + _EDGE, np.float32)
