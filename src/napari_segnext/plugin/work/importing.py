"""Prompts from a file: decoded beside the session, then taken in as one step."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal

from napari_segnext.files import ObjectPrompts, read_prompts
from napari_segnext.geometry.regions import Patch
from napari_segnext.labels.chunked import blank_labels
from napari_segnext.plugin.work.background import Background
from napari_segnext.plugin.work.task import Dropped
from napari_segnext.session import Request, Session
from napari_segnext.session.exchange import check_objects, in_last_axes, replay

if TYPE_CHECKING:
    from qtpy.QtCore import QObject

    from napari_segnext.plugin.work.inference import Inference
    from napari_segnext.plugin.work.worker import Turn
    from napari_segnext.predicting.live import LiveImageModel
    from napari_segnext.predicting.prediction import Prediction


@dataclass(frozen=True)
class _Replay:
    """Objects of a file on their way into a session of their own."""

    objects: list[ObjectPrompts]
    scratch: Session
    steps: Iterator[tuple[ObjectPrompts, Request]]


class Importing(Background):
    """Takes in the objects of a prompts file, with the masks that `segment` gives.

    Where another model is loaded meanwhile, it gives the masks that are left.

    Signals: those of `Background`, and `taken` (the objects are there).
    """

    taken = Signal()
    _read = Signal(object)

    def __init__(
        self,
        session: Session,
        inference: Inference,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(inference, parent)
        self._session = session
        self._read.connect(self._begin)

    def load(self, path: Path) -> None:
        """Read a prompts file off the GUI thread, and take in its objects."""
        self.stop()

        def run() -> None:
            result: list[ObjectPrompts] | str
            try:
                result = read_prompts(path)
            except (OSError, ValueError) as error:
                result = str(error)
            with contextlib.suppress(RuntimeError):
                self._read.emit(result)

        threading.Thread(target=run, name="segnext-import", daemon=True).start()

    def _begin(self, objects: list[ObjectPrompts] | str) -> None:
        if isinstance(objects, str):
            self.said.emit(objects)
            return
        shape = tuple(self._session.labels.shape)
        space = self._session.space
        objects = in_last_axes(objects, len(shape))
        try:
            check_objects(objects, space.check, space.plane_shape)
            for item in objects:
                if item.category is not None:
                    self._session.check_category(item.category)
        except ValueError as error:
            self.said.emit(f"Nothing was loaded: {error}")
            return
        if self._inference.model is None and not self._inference.loading:
            self.said.emit("Nothing was loaded: choose a model first")
            return
        scratch = Session(blank_labels(shape, len(objects)), blank=True)
        self._advance(_Replay(objects, scratch, replay(scratch, objects)))

    def _advance(self, file: _Replay) -> None:
        for item, request in file.steps:
            if request.vain:
                shape = file.scratch.space.plane_shape(request.plane)
                file.scratch.commit(request, Patch.nothing(shape))
                continue
            at, count = file.objects.index(item) + 1, len(file.objects)
            self.said.emit(f"Loading object {at} of {count}: {item.name}")
            self._submit(
                partial(_predict, request), partial(self._decoded, file, request)
            )
            return
        self._finish(file)

    def _decoded(self, file: _Replay, request: Request, answer: Prediction) -> None:
        try:
            file.scratch.commit(request, answer.patch)
        except (ValueError, MemoryError) as error:
            why = str(error) or "there is no memory left"
            self._end(f"Nothing was loaded: {why}")
            return
        self._advance(file)

    def _finish(self, file: _Replay) -> None:
        self._session.settle()
        try:
            ids = self._session.free_ids([item.id for item in file.objects])
            numbers = {at: ids[item.id] for at, item in enumerate(file.objects, 1)}
            self._session.adopt(file.scratch, numbers)
        except ValueError as error:
            self._end(f"Nothing was loaded: {error}")
            return
        self.taken.emit()
        self._end(f"Loaded {len(file.objects)} objects; one undo takes them back")

    def _failed(self, why: str) -> None:
        self._end(f"Nothing was loaded. {why}")

    def _dropped(self, why: Dropped) -> None:
        match why:
            case Dropped.MODEL:
                self._again()
            case Dropped.NO_MODEL:
                self._end("Nothing was loaded: there is no model")
            case _:
                self._end("Nothing was loaded")


def _predict(request: Request, model: LiveImageModel, turn: Turn) -> Prediction:
    return model.answer(request, turn)
