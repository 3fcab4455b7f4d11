"""Getting a model to work on the image, and keeping it up with what is done to that."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_segnext.plugin.engine import model_label
from napari_segnext.plugin.engine_choice import EngineNews, ModelInUse
from napari_segnext.plugin.inference import Inference

if TYPE_CHECKING:
    from napari_segnext.plugin.engine import Engine


class Loading(QObject):
    """Loads the model of a session.

    Signals: `said` (status line), `engine` (where the model runs), `kept` (another
    could not be loaded: names of the model and the engine that go on).
    """

    said = Signal(str)
    engine = Signal(str)
    kept = Signal(str, str)

    def __init__(self, inference: Inference, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._inference = inference
        self._model = ModelInUse(self._engine_changed, self)
        inference.loaded.connect(self._loaded)
        inference.kept.connect(lambda: self.kept.emit(*self._model.kept()))
        inference.unloaded.connect(lambda: self.engine.emit("—"))

    def load(
        self, model: str, engine: str, make: Callable[[EngineNews], Engine]
    ) -> None:
        """Load a model off the GUI thread; prompts wait for it.

        If it cannot be loaded, the one before goes on.

        Parameters
        ----------
        make
            Does it, given whom to tell what happens to the engine.
        """
        news = self._model.ask(model, engine)
        self._inference.load(model_label(model), lambda: make(news))

    def close(self) -> None:
        """Bring no more news."""
        self._model.close()

    def _engine_changed(self, description: str, message: str) -> None:
        self.engine.emit(description)
        if message:
            self.said.emit(message)

    def _loaded(self, description: str) -> None:
        self._model.loaded()
        self.engine.emit(description)
        self.said.emit("Ready")
