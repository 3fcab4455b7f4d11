"""A model at work on one image: answers to a session, embeddings and where they are.

A session keeps probabilities alone, in one byte a pixel. Some models want more back at
the next prompt, as SAM-REF its error map: that is kept here while it belongs to what
the session starts from, and dropped after an undo or an edit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter

import numpy as np

from napari_segnext.geometry.frame import Point
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Patch
from napari_segnext.models import Cancelled
from napari_segnext.predicting.embed import embed_planes, embed_tiles, together
from napari_segnext.predicting.prediction import Prediction
from napari_segnext.predicting.storage import StoragePolicy
from napari_segnext.predicting.tiles import Tile
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.prompts import Prompts
from napari_segnext.session import Request

# Answers of which a model's state is kept: some MB each.
_KEPT = 8
_IN_MEMORY = "Embeddings stay in memory"


def _never() -> bool:
    return False


def _nobody(place: tuple[Plane, Tile]) -> None:
    pass


class ImageModel:
    """A model at work on one image, as a session asks it.

    Parameters
    ----------
    predictor
        Decodes, and keeps embeddings.
    description
        Where the model runs and on what engine, in words.

    Attributes
    ----------
    together
        How many tiles are best embedded at once.
    note
        What the user should know of where embeddings are kept, or nothing.
    no_text
        Why the model does not understand phrases; empty if it does.
    """

    def __init__(self, predictor: VolumePredictor, description: str = "") -> None:
        self.predictor = predictor
        self.description = description
        self.together = together(predictor.model)
        self.note = ""
        self.no_text = predictor.model.no_text
        self._last: OrderedDict[tuple[int, Plane], Prediction] = OrderedDict()

    # Answers

    def answer(
        self, request: Request, cancelled: Callable[[], bool] = _never
    ) -> Prediction:
        """Decode what a session asks for.

        Parameters and errors are those of `VolumePredictor.predict`; `cancelled` is
        asked first, too.
        """
        if cancelled():
            raise Cancelled
        if request.vain:
            shape = self.predictor.volume.plane_shape(request.plane)
            return Prediction(Patch.nothing(shape), request.prompts)
        at, previous = self.predictor.at(request.plane), self._previous(request)
        found = at.predict(request.prompts, previous, cancelled)
        self._remember((request.object_id, request.plane), found)
        return found

    def place(self, request: Request) -> tuple[Plane, Tile] | None:
        """Return the tile that a request will be answered from; any thread, quick.

        None when there was an answer before: its tile is embedded already.
        """
        if request.patch is not None:
            return None
        apart = self.predictor.apart(request.plane)
        return request.plane, apart.tile_for(request.prompts, None)

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

    def _remember(self, key: tuple[int, Plane], found: Prediction) -> None:
        self._last.pop(key, None)
        if found.state is not None:
            self._last[key] = found
        while len(self._last) > _KEPT:
            self._last.popitem(last=False)

    # Embeddings

    def embed(
        self,
        plane: Plane,
        cancelled: Callable[[], bool] = _never,
        works_on: Callable[[tuple[Plane, Tile]], None] = _nobody,
        near: Point | None = None,
    ) -> float:
        """Embed what a first click in a plane needs.

        Parameters
        ----------
        cancelled
            Asked between blocks of the encoder.
        works_on
            Told each tile before it is embedded.
        near
            Where the user looks, (y, x); default: the plane's centre.

        Returns
        -------
        Milliseconds that it took, 0 if all was there
        """
        started = perf_counter()
        at = self.predictor.at(plane)
        tiles = at.first_tiles(near)
        missing = [t for t in tiles if at.tile_key(t) not in self.predictor.store]
        for tile in missing:
            works_on((plane, tile))
            embed_tiles(self.predictor, [(plane, tile)], cancelled)
        return (perf_counter() - started) * 1000 if missing else 0.0

    def embed_all(
        self,
        planes: Sequence[Plane],
        total: int,
        cancelled: Callable[[], bool] = _never,
        works_on: Callable[[tuple[Plane, Tile]], None] = _nobody,
    ) -> str:
        """Embed all tiles of planes that have not been.

        Parameters
        ----------
        total
            How many planes there will be in the end.
        cancelled, works_on
            As for `embed`.

        Returns
        -------
        Why it is of no use to go on, or nothing
        """
        embed_planes(self.predictor, planes, cancelled, works_on)
        store, pyramid = self.predictor.store, self.predictor.at(planes[0]).pyramid
        if store.folder is not None and store.writing and not store.disk_error:
            return ""
        tiles = sum(len(pyramid.tiles(level)) for level in range(pyramid.levels))
        needed = store.nbytes / max(1, len(store)) * tiles * total
        if needed <= store.budget:
            return ""
        return (
            f"{total} slices need about {needed / 1e9:.1f} GB, memory holds "
            f"{store.budget / 1e9:.1f} GB. Allow more, or keep them on disk. "
            f"{self.trouble}"
        ).strip()

    def keep(
        self, policy: StoragePolicy, cancelled: Callable[[], bool] = _never
    ) -> str:
        """Keep embeddings elsewhere from now on; return what the user should know.

        Those of an image that a later session would not find are not written to disk.
        """
        store, known = self.predictor.store, self.predictor.volume.known
        store.budget = int(policy.memory_gb * 1e9)
        try:
            store.use_folder(policy.folder, policy.on_disk and known)
        except (OSError, ValueError) as error:
            return f"{_IN_MEMORY}: {policy.folder} cannot be used ({error})"
        if not policy.on_disk:
            return ""
        if not known:
            return f"{_IN_MEMORY}: the image as it is does not come from a file"
        store.save_held(cancelled)
        return self.trouble

    @property
    def trouble(self) -> str:
        """Why embeddings are not written to disk as they should be, or nothing."""
        error = self.predictor.store.disk_error
        return f"{_IN_MEMORY}: {error}" if error else ""

    def _forget(self) -> None:
        """Go on with other data: nothing that was answered counts any more."""
        store = self.predictor.store
        store.writing = store.writing and self.predictor.volume.known
        self._last.clear()


def _same_mask(one: Patch, other: Patch) -> bool:
    extent = one.above(0.5)
    if extent != other.above(0.5):
        return False
    return np.array_equal(one.read(extent) > 0.5, other.read(extent) > 0.5)
