"""Embedding the tiles of planes that a store has not got."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

import torch

from napari_segnext.engines.threads import adapt_threads
from napari_segnext.geometry.plane import Plane
from napari_segnext.models import SegmentationModel
from napari_segnext.predicting.tiles import Tile
from napari_segnext.predicting.volume_predictor import VolumePredictor

# Tiles in one call of a model on a GPU.
_ON_GPU = 4


def missing(
    predictor: VolumePredictor, wanted: Iterable[Plane]
) -> Iterator[tuple[Plane, Tile]]:
    """Yield all tiles of planes that the store has not got, coarse to fine."""
    for plane in wanted:
        pyramid = predictor.at(plane).pyramid
        for tile in chain(*map(pyramid.tiles, range(pyramid.levels))):
            if predictor.at(plane).tile_key(tile) not in predictor.store:
                yield plane, tile


def embed_tiles(
    predictor: VolumePredictor,
    places: Sequence[tuple[Plane, Tile]],
    cancelled: Callable[[], bool] = lambda: False,
) -> None:
    """Embed tiles in one call of the model, or one by one if that is too much for it.

    Parameters
    ----------
    cancelled
        Asked between blocks of the encoder.

    Raises
    ------
    napari_segnext.models.Cancelled
        If `cancelled` said so.
    """
    keys, inputs = [], []
    for plane, tile in places:
        keys.append(predictor.at(plane).tile_key(tile))
        inputs.append(predictor.at(plane).model_input(tile))
    adapt_threads()
    try:
        embeddings = predictor.model.encode_batch(inputs, cancelled)
    except torch.cuda.OutOfMemoryError:
        if len(places) == 1:
            raise
        for place in places:
            embed_tiles(predictor, [place], cancelled)
        return
    for key, embedding in zip(keys, embeddings, strict=True):
        predictor.store.put(key, embedding)


def embed_planes(
    predictor: VolumePredictor,
    wanted: Iterable[Plane],
    cancelled: Callable[[], bool] = lambda: False,
    works_on: Callable[[tuple[Plane, Tile]], None] = lambda place: None,
) -> None:
    """Embed all tiles of planes that the store has not got.

    Parameters
    ----------
    cancelled
        Asked between blocks of the encoder.
    works_on
        Told the first of the tiles that are embedded next.

    Raises
    ------
    napari_segnext.models.Cancelled
        If `cancelled` said so. What was embedded until then is kept.
    """
    places = missing(predictor, wanted)
    while batch := list(islice(places, together(predictor.model))):
        works_on(batch[0])
        embed_tiles(predictor, batch, cancelled)


def together(model: SegmentationModel) -> int:
    """Return how many tiles are best embedded at once."""
    return _ON_GPU if model.device.type == "cuda" else 1
