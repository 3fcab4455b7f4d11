"""Embedding all planes of an image while the user goes on, when nothing else waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_segnext.plugin.work.background import Background
from napari_segnext.plugin.work.task import Dropped, Priority

if TYPE_CHECKING:
    from qtpy.QtCore import QObject

    from napari_segnext.geometry.plane import Plane
    from napari_segnext.plugin.work.inference import Inference
    from napari_segnext.plugin.work.worker import Turn
    from napari_segnext.predicting.live import LiveImageModel
    from napari_segnext.predicting.storage import StoragePolicy


class EmbedAll(Background):
    """All planes along the displayed axis, a few at a time.

    What was embedded before is passed over, so that stopping costs nothing. With
    another model it begins anew. `said` tells what the user should know of where
    embeddings are kept, or nothing.

    Parameters
    ----------
    planes
        Returns the planes, those to begin with first.
    """

    def __init__(
        self,
        inference: Inference,
        planes: Callable[[], list[Plane]],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(inference, parent)
        self._planes = planes
        self._policy: StoragePolicy | None = None
        self._left: list[Plane] = []
        self._total = 0
        inference.loaded.connect(self._keep_again)

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

    def keep(self, policy: StoragePolicy) -> None:
        """Keep embeddings elsewhere from now on."""
        self._policy = policy
        task = self._inference.submit(
            "keep",
            Priority.REST,
            lambda model, turn: model.keep(policy, turn),
            what="Embeddings cannot be kept",
        )
        task.finished.connect(self.said.emit)
        task.failed.connect(self.said.emit)

    def _keep_again(self) -> None:
        """Let another model keep them there too."""
        model = self._inference.model
        if self._policy is not None:
            self.keep(self._policy)
        elif model is not None:
            self.said.emit(model.note)

    def _next(self) -> None:
        left, total = list(self._left), self._total

        def embed(model: LiveImageModel, turn: Turn) -> tuple[int, str]:
            planes = left[: model.together]
            return len(planes), model.embed_all(planes, total, turn, turn.make)

        self._submit(embed, self._done)

    def _done(self, done: tuple[int, str]) -> None:
        planes, trouble = done
        if trouble:
            self._end(trouble)
            return
        del self._left[:planes]
        self.progressed.emit(self._total - len(self._left), self._total)
        if self._left:
            self._next()
        else:
            self._end(f"All {self._total} slices are embedded")

    def _dropped(self, why: Dropped) -> None:
        match why:
            case Dropped.MODEL:
                self.start()
            case Dropped.NO_MODEL:
                self._end("Stopped: the model could not be loaded")
            case _:
                done = self._total - len(self._left)
                self._end(f"Stopped: {done} of {self._total} slices are embedded")
