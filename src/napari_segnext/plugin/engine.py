"""A model at work on one image; used on the worker's thread, imports torch late."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_segnext.models import SegmentationModel
    from napari_segnext.plugin.inputs import Inputs
    from napari_segnext.plugin.worker import Turn
    from napari_segnext.predictor import Prediction
    from napari_segnext.prompts import Plane
    from napari_segnext.session import Request
    from napari_segnext.volume import VolumePredictor


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where embeddings are kept.

    Attributes
    ----------
    memory_gb
        Memory for them, in GB.
    folder
        Of those on disk.
    on_disk
        Whether new ones are written there. What is there is used all the same.
    """

    memory_gb: float
    folder: Path
    on_disk: bool


class Engine:
    """A volume predictor, and what to tell the user about it.

    Parameters
    ----------
    known
        Whether the image has a name that a later session finds it by; without one
        nothing is written to disk.
    """

    def __init__(
        self, predictor: VolumePredictor, description: str, known: bool
    ) -> None:
        self._predictor, self._known = predictor, known
        self.description = description

    @property
    def together(self) -> int:
        """How many tiles are best embedded at once."""
        from napari_segnext.precompute import together

        return together(self._predictor.model)

    def keep(self, keeping: Keeping, cancelled: Callable[[], bool]) -> str:
        """Keep embeddings elsewhere from now on; return what the user should know."""
        store = self._predictor.store
        store.budget = int(keeping.memory_gb * 1e9)
        try:
            store.use_folder(keeping.folder, keeping.on_disk and self._known)
        except (OSError, ValueError) as error:
            return f"Embeddings stay in memory: {keeping.folder} cannot be used ({error})"
        if not keeping.on_disk:
            return ""
        if not self._known:
            return "Embeddings stay in memory: the image does not come from a file"
        store.save_held(cancelled)
        return self.trouble

    @property
    def trouble(self) -> str:
        """Why embeddings are not written to disk as they should be, or nothing."""
        error = self._predictor.store.disk_error
        return f"Embeddings stay in memory: {error}" if error else ""

    def embed(self, plane: Plane, turn: Turn) -> float:
        """Embed what a first click in a plane needs.

        Returns
        -------
        Milliseconds that it took, 0 if all was there
        """
        started = perf_counter()
        at = self._predictor.at(plane)
        tiles = at.first_tiles()
        missing = [t for t in tiles if at.tile_key(t) not in self._predictor.store]
        for tile in missing:
            self.embed_together([(plane, tile)], turn)
        return (perf_counter() - started) * 1000 if missing else 0.0

    def place(self, request: Request) -> Hashable:
        """Return the tile that a request will be answered from; any thread, quick.

        None when there was an answer before: its tile is embedded already.
        """
        from napari_segnext.prompts import Prompts

        if request.previous is not None:
            return None
        return request.plane, self._predictor.first_tile(request.plane, request.prompts)

    def embed_all(self, planes: Sequence[Plane], turn: Turn) -> None:
        """Embed all tiles of planes that have not been."""
        from napari_segnext.precompute import embed_planes

        embed_planes(self._predictor, planes, turn, turn.make)

    def needed_gb(self, plane: Plane, planes: int) -> float:
        """Estimate the memory of all tiles of so many planes, once one is embedded."""
        store, pyramid = self._predictor.store, self._predictor.at(plane).pyramid
        tiles = sum(len(pyramid.tiles(level)) for level in range(pyramid.levels))
        return store.nbytes / max(1, len(store)) * tiles * planes / 1e9

    def predict(self, request: Request, cancelled: Callable[[], bool]) -> Prediction:
        """Answer a request of the session."""
        from napari_segnext.predictor import Prediction
        from napari_segnext.prompts import Prompts

        previous = None
        if request.patch is not None:
            seen = Prompts(request.prompts.items[: request.answered])
            previous = Prediction(request.patch, seen)
        return self._predictor.predict(
            request.plane, request.prompts, previous, cancelled=cancelled
        )
