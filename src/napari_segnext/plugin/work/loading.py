"""Getting a model to work on the image, and keeping it up with what is done to that."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_segnext.plugin.work.engine_news import ModelInUse
from napari_segnext.plugin.work.inference import Inference
from napari_segnext.weights.catalogue import model_label

if TYPE_CHECKING:
    from napari_segnext.plugin.layers.input_layers import InputLayers
    from napari_segnext.plugin.layers.inputs import Inputs
    from napari_segnext.predicting.live import LiveImageModel
    from napari_segnext.predicting.storage import StoragePolicy

_ANEW = "slices are embedded anew; prompts and masks are kept"
_REPLACED = f". The image has other data: its {_ANEW}"
_EDITED = f"The image was edited: its {_ANEW}"


class Loading(QObject):
    """Loads the model of a session.

    Signals: `said`, `ready` (status line), `engine` (where the model runs), `kept`
    (another could not be loaded: names of the model and the engine that go on).
    """

    said = Signal(str)
    ready = Signal(str)
    engine = Signal(str)
    kept = Signal(str, str)

    _edited = Signal()

    def __init__(
        self,
        inference: Inference,
        layers: InputLayers,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._inference, self._layers = inference, layers
        self._word = ""
        self._model = ModelInUse(self._engine_changed, self)
        inference.loaded.connect(self._loaded)
        inference.kept.connect(lambda: self.kept.emit(*self._model.kept()))
        inference.unloaded.connect(lambda: self.engine.emit("—"))
        layers.replaced.connect(self._read_again)
        layers.drawn.connect(inference.look_again)
        self._edited.connect(self._made_anew)

    def load(
        self,
        model: str,
        policy: StoragePolicy,
        engine: str = "auto",
        text: Path | None = None,
    ) -> None:
        """Load a model off the GUI thread; prompts wait for it.

        If it cannot be loaded, the one before goes on. For the parameters see
        `napari_segnext.predicting.live.load_live_model`.
        """
        news, known = self._model.ask(model, engine), self._inference.model

        def make(inputs: Inputs) -> LiveImageModel:
            # Here, because PyTorch comes with it.
            from napari_segnext.predicting.live import load_live_model

            former = known if known and known.source is inputs else None
            given = (*inputs.volume(), policy, engine, news, text, former)
            return load_live_model(model, *given)

        self._get(model_label(model), make)

    def take_word(self) -> str:
        """Return, once, what happened to the image: it is said when all is ready."""
        word, self._word = self._word, ""
        return word

    def close(self) -> None:
        """Bring no more news."""
        self._model.close()

    def _get(self, name: str, make: Callable[[Inputs], LiveImageModel]) -> None:
        def read() -> LiveImageModel:
            # As they are by then, and perhaps no longer when it is done.
            inputs = self._layers.inputs
            assert inputs is not None
            model = make(inputs)
            model.source = inputs
            return model

        self._inference.load(name, read)

    def _read_again(self) -> None:
        """Let the model read the data that there are now, if it reads others."""
        model = self._inference.model
        if model is not None and model.source is not self._layers.inputs:
            self._word = _REPLACED
            self._get("the image again", lambda now: model.take(*now.volume()))

    def _made_anew(self) -> None:
        self._layers.note_edit()
        self._inference.forget_embedded()
        self.said.emit(_EDITED)

    def _tell_edited(self) -> None:
        """Tell from the worker's thread; when the program ends, Qt may be gone."""
        with suppress(RuntimeError):
            self._edited.emit()

    def _engine_changed(self, description: str, message: str) -> None:
        self.engine.emit(description)
        if message:
            self.said.emit(message)

    def _loaded(self, description: str) -> None:
        model = self._inference.model
        assert model is not None
        model.edited = self._tell_edited
        self._model.loaded()
        self.engine.emit(description)
        self.ready.emit("Ready")
        self._read_again()
