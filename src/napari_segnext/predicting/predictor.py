"""One image: `set_image`, then `predict` as prompts are added."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segnext.engines.threads import adapt_threads
from napari_segnext.geometry.frame import Frame, Point
from napari_segnext.geometry.misuse import expect
from napari_segnext.geometry.regions import Extent, Patch
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.images.intensity import Window, channels_last, robust_window
from napari_segnext.images.layout import content_key, pool
from napari_segnext.models import Embedding, SegmentationModel
from napari_segnext.models.fingerprint import model_fingerprint
from napari_segnext.predicting.prediction import Prediction
from napari_segnext.predicting.store import EmbeddingStore, embedding_key
from napari_segnext.predicting.tiles import Tile, TilePyramid, bounds_of
from napari_segnext.predicting.upsampled import in_pixels
from napari_segnext.prompts import Click, Mask, Phrase, Prompts, extent

# A first decode may show that another tile fits better; how often it is followed.
_MOVES = 3
# Tiles that `embed` prepares at the level of a first click.
_AHEAD = 9


__all__ = ["LazyImage", "Prediction", "Predictor"]


class LazyImage(Protocol):
    """An image (H, W) or (H, W, C) of which parts are read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every axis."""

    def __getitem__(self, region: tuple[slice, slice], /) -> NDArray[np.generic]:
        """Return a region at full resolution."""

    def shrunk(self, region: tuple[slice, slice], step: int) -> NDArray[np.generic]:
        """Return a region with squares of `step` pixels averaged."""


class Predictor:
    """Segment objects of one image with prompts.

    Parameters
    ----------
    model
        From `napari_segnext.load_model`.
    store
        Where embeddings are kept; by default in memory.

    Examples
    --------
    >>> predictor = Predictor(load_model("tiny"))  # doctest: +SKIP
    >>> predictor.set_image(image)  # doctest: +SKIP
    >>> predictor.predict(Prompts().click(120, 80)).mask  # doctest: +SKIP
    """

    def __init__(
        self, model: SegmentationModel, store: EmbeddingStore | None = None
    ) -> None:
        self.model = expect(model, SegmentationModel, "a model is made by load_model")
        self.store = EmbeddingStore() if store is None else store
        expect(self.store, EmbeddingStore, "embeddings are kept by an EmbeddingStore")
        self._image: NDArray[np.generic] | LazyImage | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the image."""
        height, width = self._require_image().shape[:2]
        return height, width

    def set_image(
        self,
        image: NDArray[np.generic] | LazyImage,
        window: Window | ArrayLike | None = None,
        key: str | None = None,
    ) -> None:
        """Choose the image that the next predictions are about.

        Nothing is embedded yet: `embed` or the first `predict` do that.

        Parameters
        ----------
        image
            (H, W) or (H, W, C), any real dtype. Of one that is lazy only the regions
            of tiles in use are read; `window` and `key` must be given then.
        window
            Intensities that become the model's input, or (low, high); by default
            chosen from the image by the model's rule.
        key
            Names the pixels for the embedding store; by default a hash of them.

        Raises
        ------
        TypeError
            If it is no array.
        ValueError
            If the array is not an image, or the window none.
        """
        chosen = None if window is None else Window.of(window)
        if chosen is None or key is None:
            image = pixels = channels_last(image)
            chosen = chosen or robust_window(pixels, self.model.config.window)
            key = key or content_key(pixels)
        self._window, self._key, self._image = chosen, key, image
        height, width = image.shape[:2]
        self.pyramid = TilePyramid((height, width), self.model.config)

    def embed(
        self,
        cancelled: Callable[[], bool] = lambda: False,
        at: Point | None = None,
    ) -> None:
        """Embed the tiles that a first click is most likely to need.

        Parameters
        ----------
        cancelled
            Asked between blocks of the encoder.
        at
            Where the user looks, (y, x); default: the centre.

        Raises
        ------
        napari_segnext.models.Cancelled
            If `cancelled` said so. What was embedded until then is kept.
        """
        for tile in self.first_tiles(at):
            self.embedding(tile, cancelled)

    def is_embedded(self, at: Point | None = None) -> bool:
        """Tell whether `embed` has nothing to do."""
        return all(self.tile_key(t) in self.store for t in self.first_tiles(at))

    def predict(
        self,
        prompts: Prompts,
        previous: Prediction | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Prediction:
        """Segment the object that the prompts are on.

        A mask as the only prompt comes back as it is; further prompts refine it.

        Parameters
        ----------
        prompts
            All prompts so far, not only the new ones.
        previous
            The prediction to refine.
        cancelled
            Asked between blocks of the encoder, if a tile has to be embedded.

        Raises
        ------
        TypeError
            If the prompts are not `Prompts`, or what came before no `Prediction`.
        ValueError
            If there are no prompts, one lies outside the image, or there is a phrase
            and the model does not understand it.
        napari_segnext.models.Cancelled
            If `cancelled` said so.
        """
        shape = self.shape
        expect(prompts, Prompts, "prompts are made by Prompts().click(y, x) and others")
        if previous is not None:
            said = "the previous prediction is one: Prediction.from_probability(mask)"
            expect(previous, Prediction, said)
        if not len(prompts):
            raise ValueError("give at least one prompt")
        prompts.check_inside(shape)
        if prompts.phrase and not self.model.understands_text:
            raise ValueError(self.model.no_text)
        if previous is not None and previous.patch.shape != shape:
            raise ValueError(
                f"the previous prediction is of shape {previous.patch.shape}, "
                f"the image of shape {shape}"
            )
        match previous, prompts.items:
            case None, (Mask(region, positive=True),):
                # Nobody asked for another one.
                drawn = region.pixels.astype(np.float32)
                return Prediction(Patch(shape, region.offset, drawn), prompts)
        looks = 1
        # What else comes first tells the size, which a second look would forget.
        if previous is None and all(isinstance(p, Click) for p in prompts):
            looks = self.model.config.looks
        found, embed_ms, decode_ms = previous, 0.0, 0.0
        for _ in range(looks):
            found = self._look(prompts, found, cancelled)
            embed_ms += found.embed_ms
            decode_ms += found.decode_ms
        assert found is not None
        return replace(found, embed_ms=embed_ms, decode_ms=decode_ms)

    def _look(
        self,
        prompts: Prompts,
        previous: Prediction | None,
        cancelled: Callable[[], bool],
    ) -> Prediction:
        """Decode in the tile that fits, and in coarser ones as the mask asks for."""
        result, tile = previous, self.tile_for(prompts, previous)
        embed_ms = decode_ms = 0.0
        visited: set[Tile] = set()
        # A decode may show that the object does not fit; a finer tile than the one
        # chosen first waits for the next prompt.
        finest = tile.level
        while tile.level <= finest and tile not in visited and len(visited) <= _MOVES:
            visited.add(tile)
            started = time.perf_counter()
            embedding = self.embedding(tile, cancelled)
            embedded = time.perf_counter()
            result = self._decode(tile, embedding, prompts, previous)
            decode_ms += 1e3 * (time.perf_counter() - embedded)
            embed_ms += 1e3 * (embedded - started)
            tile = self.tile_for(prompts, result)
        assert result is not None
        return replace(result, embed_ms=embed_ms, decode_ms=decode_ms)

    def _decode(
        self,
        tile: Tile,
        embedding: Embedding,
        prompts: Prompts,
        previous: Prediction | None,
    ) -> Prediction:
        frame = self.pyramid.frame(tile)
        known = None if previous is None else previous.patch
        answered = 0 if previous is None else previous.answers(prompts)
        model_prompts = prompts.to_model(
            frame, self.model.config.style, known, answered
        )
        state = None
        if previous is not None and previous.tile == tile:
            state = previous.state
        adapt_threads()
        decoded = self.model.decode(embedding, model_prompts, state)
        logits = decoded.logits.cpu().numpy()
        shrunk = self.pyramid.step(tile.level) > 1
        patch = in_pixels(logits, frame, self.shape, shrunk)
        if known is not None:
            covered = Extent.at((frame.top, frame.left), frame.shape)
            patch = known.replaced(covered, patch)
        return Prediction(patch, prompts, decoded.state, tile)

    def tile_for(self, prompts: Prompts, result: Prediction | None) -> Tile:
        """Choose the tile for all positive prompts and the mask.

        A negative prompt beyond them has nothing to take away, and a tile that held it
        too would show the object smaller. What a phrase says may be anywhere: as long
        as there is no more than that, the whole image is looked at.
        """
        said = [p for p in prompts if p.positive]
        if said and all(isinstance(p, Phrase) for p in said):
            if result is None or result.patch.above(0.5).empty:
                return Tile(0, 0, 0)
        points = [point for p in said or prompts for point in extent(p)]
        bounds = bounds_of(points, self.shape)
        if result is None:
            only_clicks = bounds[2] - bounds[0] <= 1 and bounds[3] - bounds[1] <= 1
            level = self.pyramid.first_level() if only_clicks else None
            return self.pyramid.choose(bounds, level)
        if self.pyramid.levels == 1:
            return Tile(0, 0, 0)
        mask = result.patch.above(0.5)
        if not mask.empty:
            corners = [mask[:2], (mask.bottom - 1, mask.right - 1)]
            bounds = bounds_of([*points, *corners], self.shape)
        return self.pyramid.choose(bounds)

    def first_tiles(self, at: Point | None = None) -> list[Tile]:
        """Return the tiles that a first click near a point needs, the nearest first."""
        height, width = self.shape
        point = (height / 2, width / 2) if at is None else at
        return self.pyramid.nearest(point, self.pyramid.first_level(), _AHEAD)

    def tile_key(self, tile: Tile) -> str:
        """Name a tile's embedding; see `embedding_key`."""
        fingerprint = self.model.embeds_as or model_fingerprint(self.model)
        return embedding_key(self._key, tile, self._window, fingerprint)

    def embedding(
        self, tile: Tile, cancelled: Callable[[], bool] = lambda: False
    ) -> Embedding:
        """Return a tile's embedding, computed if the store has none.

        Raises
        ------
        napari_segnext.models.Cancelled
            If `cancelled` said so.
        """
        key = self.tile_key(tile)
        known = self.store.get(key, self.model.device)
        if known is not None:
            return known
        pixels = self.model_input(tile)
        adapt_threads()
        embedding = self.model.encode(pixels, cancelled)
        self.store.put(key, embedding)
        return embedding

    def model_input(self, tile: Tile) -> FloatArray:
        """Read a tile as `SegmentationModel.encode` wants it: (S, S, 3)."""
        return self.seen(self.pyramid.frame(tile), self.pyramid.step(tile.level))

    def seen(self, frame: Frame, step: int = 1) -> FloatArray:
        """Read any part of the image as `SegmentationModel.encode` wants it: (S, S, 3).

        Parameters
        ----------
        frame
            Which part, of the size that the model's input has.
        step
            Squares of so many pixels are averaged first.
        """
        pixels = self._pixels(frame, step)
        config = self.model.config
        # The published SegNext models were trained on images shrunk without a filter.
        antialias = config.antialias or config.tiling is not None
        local = replace(
            frame, top=0, left=0, height=pixels.shape[0], width=pixels.shape[1]
        )
        return local.crop(pixels, antialias, config.fill)

    def _pixels(self, frame: Frame, step: int) -> FloatArray:
        """Return what a frame shows, as the model wants its values: (h, w, 3).

        Squares of `step` pixels are averaged.
        """
        image = self._require_image()
        extent = Extent.at((frame.top, frame.left), frame.shape)
        if step == 1:
            return self._window.apply(np.asarray(image[extent.slices]))
        if isinstance(image, np.ndarray):
            return self._window.apply(pool(channels_last(image[extent.slices]), step))
        return self._window.apply(image.shrunk(extent.slices, step))

    def _require_image(self) -> NDArray[np.generic] | LazyImage:
        if self._image is None:
            raise ValueError("call set_image before predict")
        return self._image
