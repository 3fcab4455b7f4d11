"""Prompts from a file: decoded beside the session, then taken in as one step."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_segnext.files import ObjectPrompts, read_prompts
from napari_segnext.geometry.regions import Patch
from napari_segnext.geometry.space import Grid
from napari_segnext.labels.chunked import blank_labels
from napari_segnext.plugin.work.worker import Priority
from napari_segnext.session import Request, Session
from napari_segnext.session.exchange import check_objects, in_last_axes, replay

if TYPE_CHECKING:
    from napari_segnext.plugin.work.inference import Inference
    from napari_segnext.predicting.prediction import Prediction

_KEY = "import"


class Importing(QObject):
    """Takes in the objects of a prompts file, with the masks that `segment` gives.

    Signals: `said` (status line), `changed` (`busy`), `taken` (the objects are there).
    """

    said = Signal(str)
    changed = Signal()
    taken = Signal()
    _read = Signal(object)

    def __init__(
        self,
        session: Session,
        inference: Inference,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._inference = session, inference
        self._scratch: Session | None = None
        self._objects: list[ObjectPrompts] = []
        self._steps: Iterator[tuple[ObjectPrompts, Request]] = iter(())
        self._request: Request | None = None
        self._read.connect(self._begin)
        # A model that is loaded makes the worker forget what waits for another.
        inference.loaded.connect(lambda _: self._decode())
        inference.unloaded.connect(self._unloaded)

    @property
    def busy(self) -> bool:
        """Whether objects of a file are being decoded."""
        return self._scratch is not None

    def load(self, path: Path) -> None:
        """Read a prompts file off the GUI thread, and take in its objects."""
        self.cancel()

        def run() -> None:
            result: list[ObjectPrompts] | str
            try:
                result = read_prompts(path)
            except (OSError, ValueError) as error:
                result = str(error)
            with contextlib.suppress(RuntimeError):
                self._read.emit(result)

        threading.Thread(target=run, name="segnext-import", daemon=True).start()

    def cancel(self) -> None:
        """Stop; nothing of the file is taken in."""
        if self.busy:
            self._inference.withdraw(_KEY)
            self._end("Nothing was loaded")

    def _unloaded(self) -> None:
        """Stop where there is no model to go on with."""
        if self.busy:
            self._end("Nothing was loaded: there is no model")

    def _begin(self, objects: list[ObjectPrompts] | str) -> None:
        if isinstance(objects, str):
            self.said.emit(objects)
            return
        shape = tuple(self._session.labels.shape)
        grid = Grid(shape)
        objects = in_last_axes(objects, len(shape))
        try:
            check_objects(objects, grid.check, grid.plane_shape)
            for item in objects:
                if item.category is not None:
                    self._session.check_category(item.category)
        except ValueError as error:
            self.said.emit(f"Nothing was loaded: {error}")
            return
        if self._inference.model is None and not self._inference.loading:
            self.said.emit("Nothing was loaded: choose a model first")
            return
        self._objects = objects
        self._scratch = Session(blank_labels(shape, len(objects)), blank=True)
        self._steps = replay(self._scratch, objects)
        self.changed.emit()
        self._advance()

    def _advance(self) -> None:
        for item, request in self._steps:
            if request.vain:
                self._commit(request, None)
                continue
            at = self._objects.index(item) + 1
            self.said.emit(f"Loading object {at} of {len(self._objects)}: {item.name}")
            self._request = request
            self._decode()
            return
        self._finish()

    def _decode(self) -> None:
        request, model = self._request, self._inference.model
        if request is None or model is None:
            return
        self._inference.submit(
            _KEY,
            Priority.REST,
            lambda turn: model.answer(request, turn),
            lambda prediction: self._decoded(request, prediction),
            failed=lambda why: self._end(f"Nothing was loaded. {why}"),
        )

    def _decoded(self, request: Request, prediction: Prediction) -> None:
        if request is self._request:
            self._request = None
            self._commit(request, prediction.patch)
            self._advance()

    def _commit(self, request: Request, patch: Patch | None) -> None:
        assert self._scratch is not None
        if patch is None:
            shape = Grid(tuple(self._session.labels.shape)).plane_shape(request.plane)
            patch = Patch.nothing(shape)
        self._scratch.commit(request, patch)

    def _finish(self) -> None:
        assert self._scratch is not None
        self._session.settle()
        try:
            ids = self._session.free_ids([item.id for item in self._objects])
            numbers = {at: ids[item.id] for at, item in enumerate(self._objects, 1)}
            self._session.adopt(self._scratch, numbers)
        except ValueError as error:
            self._end(f"Nothing was loaded: {error}")
            return
        self.taken.emit()
        self._end(f"Loaded {len(self._objects)} objects; one undo takes them back")

    def _end(self, text: str) -> None:
        self._scratch = self._request = None
        self._steps, self._objects = iter(()), []
        self.changed.emit()
        self.said.emit(text)
