"""Embedding all planes of an image while the user goes on, when nothing else waits."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, Signal

from napari_segnext.geometry.plane import Plane
from napari_segnext.plugin.work.inference import Inference
from napari_segnext.plugin.work.worker import Priority
from napari_segnext.predicting.storage import StoragePolicy

_KEY, _KEEP = "embed all", "keep"


class EmbedAll(QObject):
    """All planes along the displayed axis, a few at a time, least urgent of all.

    What was embedded before is passed over, so that stopping costs nothing.

    Signals: `progressed` (planes done, all), `ended` (why) and `said` (what the user
    should know of where embeddings are kept, or nothing).

    Parameters
    ----------
    planes
        Returns the planes, those to begin with first.
    """

    progressed = Signal(int, int)
    ended = Signal(str)
    said = Signal(str)

    def __init__(
        self,
        inference: Inference,
        planes: Callable[[], list[Plane]],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._inference, self._planes = inference, planes
        self._policy: StoragePolicy | None = None
        self._total = 0
        self._left: list[Plane] = []
        inference.loaded.connect(self._loaded)
        inference.unloaded.connect(self._unloaded)

    @property
    def running(self) -> bool:
        """Whether there is something left to embed."""
        return bool(self._left)

    def start(self) -> None:
        """Begin, or go on where it was stopped; a model being loaded is waited for."""
        if self._inference.model is None and not self._inference.loading:
            self._end("No model is loaded: choose one first")
            return
        self._left = self._planes()
        self._total = len(self._left)
        if not self._left:
            self._end("Show a slice of the image first")
            return
        self.progressed.emit(0, self._total)
        self._next()

    def stop(self) -> None:
        """Stop; what is embedded stays."""
        if self.running:
            self._inference.withdraw(_KEY)
            done = self._total - len(self._left)
            self._end(f"Stopped: {done} of {self._total} slices are embedded")

    def keep(self, policy: StoragePolicy) -> None:
        """Keep embeddings elsewhere from now on."""
        self._policy, model = policy, self._inference.model
        if model is not None:
            self._inference.submit(
                _KEEP,
                Priority.REST,
                lambda turn: model.keep(policy, turn),
                self.said.emit,
                failed=self.said.emit,
                what="Embeddings cannot be kept",
            )

    def _loaded(self) -> None:
        """Go on with a model that was loaded meanwhile."""
        model = self._inference.model
        if self._policy is not None:
            self.keep(self._policy)
        elif model is not None:
            self.said.emit(model.note)
        if self.running:
            self.start()

    def _unloaded(self) -> None:
        """Stop where there is no model to go on with."""
        if self.running:
            self._end("Stopped: the model could not be loaded")

    def _next(self) -> None:
        model = self._inference.model
        if model is None:
            return
        planes = self._left[: model.together]
        self._inference.submit(
            _KEY,
            Priority.REST,
            lambda turn: model.embed_all(planes, self._total, turn, turn.make),
            lambda trouble: self._done(len(planes), trouble),
            failed=self._end,
        )

    def _done(self, planes: int, trouble: str) -> None:
        if trouble:
            self._end(trouble)
            return
        del self._left[:planes]
        self.progressed.emit(self._total - len(self._left), self._total)
        if self._left:
            self._next()
        else:
            self._end(f"All {self._total} slices are embedded")

    def _end(self, why: str) -> None:
        self._left = []
        self.ended.emit(why)
