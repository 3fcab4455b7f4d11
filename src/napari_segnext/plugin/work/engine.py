"""A model at work on one image; used on the worker's thread, imports torch late."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_segnext.engines import EngineModel, EngineState
    from napari_segnext.geometry.frame import Point
    from napari_segnext.geometry.plane import Plane
    from napari_segnext.images.intensity import Window
    from napari_segnext.images.volume import Volume
    from napari_segnext.plugin.layers.inputs import Inputs
    from napari_segnext.plugin.work.live import LivePredictor
    from napari_segnext.plugin.work.worker import Turn
    from napari_segnext.predicting.prediction import Prediction
    from napari_segnext.propagation import Annotated, Propagation
    from napari_segnext.session import Request

_IN_MEMORY = "Embeddings stay in memory"


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

    Attributes
    ----------
    together
        How many tiles are best embedded at once.
    note
        What the user should know of where embeddings are kept, or nothing.
    inputs
        What it reads.
    edited
        Called on the worker's thread when the data of the image were found edited in
        place: all is made anew by then.
    no_text
        Why the model does not understand phrases; empty if it does.
    """

    def __init__(self, predictor: LivePredictor, description: str, known: bool) -> None:
        from napari_segnext.predicting.answers import Answers
        from napari_segnext.predicting.embed import together

        self._predictor, self._known = predictor, known
        self._answers = Answers(predictor)
        self.description = description
        self.together = together(predictor.model)
        self.note = ""
        self.no_text = predictor.model.no_text
        self.inputs: Inputs | None = None
        self.edited: Callable[[], None] = lambda: None
        predictor.edited = self._edited

    def doubt(self, plane: Plane | None = None) -> None:
        """Look again at a plane, or all, before they are used; any thread, quick.

        Called when the viewer was told that the data may have been edited in place.
        """
        self._predictor.doubt(plane)

    def take(self, inputs: Inputs) -> Engine:
        """Read other data from now on; return the engine itself."""
        self.inputs = inputs
        self._become(known=inputs.identity is not None)
        self._predictor.use(*_read(inputs))
        return self

    def _edited(self) -> None:
        self._become(known=False)
        self.edited()

    def _become(self, known: bool) -> None:
        """Forget what was answered about other data."""
        from napari_segnext.predicting.answers import Answers

        self._known = known
        store = self._predictor.store
        store.writing = store.writing and known
        self._answers = Answers(self._predictor)

    def keep(self, keeping: Keeping, cancelled: Callable[[], bool]) -> str:
        """Keep embeddings elsewhere from now on; return what the user should know."""
        store = self._predictor.store
        store.budget = int(keeping.memory_gb * 1e9)
        try:
            store.use_folder(keeping.folder, keeping.on_disk and self._known)
        except (OSError, ValueError) as error:
            return f"{_IN_MEMORY}: {keeping.folder} cannot be used ({error})"
        if not keeping.on_disk:
            return ""
        if not self._known:
            return f"{_IN_MEMORY}: the image as it is does not come from a file"
        store.save_held(cancelled)
        return self.trouble

    @property
    def trouble(self) -> str:
        """Why embeddings are not written to disk as they should be, or nothing."""
        error = self._predictor.store.disk_error
        return f"{_IN_MEMORY}: {error}" if error else ""

    def embed(self, plane: Plane, turn: Turn, near: Point | None = None) -> float:
        """Embed what a first click in a plane needs.

        Parameters
        ----------
        near
            Where the user looks, (y, x); default: the plane's centre.

        Returns
        -------
        Milliseconds that it took, 0 if all was there
        """
        from napari_segnext.predicting.embed import embed_tiles

        started = perf_counter()
        at = self._predictor.at(plane)
        tiles = at.first_tiles(near)
        missing = [t for t in tiles if at.tile_key(t) not in self._predictor.store]
        for tile in missing:
            turn.make((plane, tile))
            embed_tiles(self._predictor, [(plane, tile)], turn)
        return (perf_counter() - started) * 1000 if missing else 0.0

    def place(self, request: Request) -> Hashable:
        """Return the tile that a request will be answered from; any thread, quick.

        None when there was an answer before: its tile is embedded already.
        """
        if request.patch is not None:
            return None
        apart = self._predictor.apart(request.plane)
        return request.plane, apart.tile_for(request.prompts, None)

    def embed_all(self, planes: Sequence[Plane], total: int, turn: Turn) -> str:
        """Embed all tiles of planes that have not been.

        Parameters
        ----------
        total
            How many planes there will be in the end.

        Returns
        -------
        Why it is of no use to go on, or nothing
        """
        from napari_segnext.predicting.embed import embed_planes

        embed_planes(self._predictor, planes, turn, turn.make)
        store, pyramid = self._predictor.store, self._predictor.at(planes[0]).pyramid
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

    def propagation(
        self, decided: Mapping[Plane, Annotated], axis: int, within: Collection[int]
    ) -> Propagation:
        """Return the way of an object through its planes; nothing is decoded yet."""
        from napari_segnext.propagation import Propagation

        return Propagation(self._predictor, decided, axis, within)

    def predict(self, request: Request, cancelled: Callable[[], bool]) -> Prediction:
        """Answer a request of the session."""
        return self._answers.to(request, cancelled)


def load_engine(
    model: str,
    inputs: Inputs,
    keeping: Keeping,
    engine: str = "auto",
    news: Callable[[str, str], None] = lambda description, message: None,
    text: Path | None = None,
) -> Engine:
    """Load a model by name or file, and set it to work on an image.

    Parameters
    ----------
    engine
        What runs the model; see `napari_segnext.engines`.
    news
        Called from any thread with what answers from now on, and with what went
        wrong, or nothing.
    text
        Folder of a CLIP, for a model that takes phrases.

    What goes wrong with the folder of embeddings does not matter: they are kept in
    memory then.
    """
    from napari_segnext.engines import load_on_engine
    from napari_segnext.models.research.text.prompted import give_clip
    from napari_segnext.plugin.work.live import LivePredictor

    network = load_on_engine(model, engine=engine)
    predictor = LivePredictor(network, *_read(inputs))
    known = inputs.identity is not None
    loaded = Engine(predictor, _device(network), known)
    loaded.inputs = inputs
    loaded.no_text = give_clip(network.plain, text)

    def tell(state: EngineState) -> None:
        loaded.description = _device(network)
        news(loaded.description, state.message or "")

    network.listen(tell)
    loaded.note = loaded.keep(keeping, lambda: False)
    return loaded


def _read(inputs: Inputs) -> tuple[Volume, Window | None]:
    """Return what a model reads, and the window if that is given."""
    from napari_segnext.images.intensity import Window
    from napari_segnext.images.volume import Volume

    volume = Volume(
        inputs.data,
        spatial=inputs.spatial,
        channel=inputs.channel,
        identity=inputs.identity,
    )
    if inputs.limits is None:
        return volume, None
    low, high = zip(*inputs.limits, strict=True)
    return volume, Window(low, high)


def model_label(model: str) -> str:
    """Return what a model is called on screen.

    Trainings, and the library transformers, call every file ``model.safetensors``: its
    folder tells which one it is.
    """
    path = Path(model)
    return Path(*path.parts[-2:]).as_posix() if path.stem == "model" else path.name


def _device(model: EngineModel) -> str:
    """Say in words where a model runs, and on what engine."""
    import torch

    if model.device.type == "cuda":
        place = str(torch.cuda.get_device_name(model.device))
    elif model.device.type == "mps":
        place = "Apple GPU"
    else:
        threads = torch.get_num_threads()
        place = f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    return f"{place}: {model.description}"
