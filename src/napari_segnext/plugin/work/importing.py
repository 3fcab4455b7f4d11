"""Prompts from a file: decoded beside the session, then taken in as one step."""

from __future__ import annotations

import contextlib
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal

from napari_segnext.files import ObjectPrompts, read_prompts
from napari_segnext.labels.chunked import blank_labels
from napari_segnext.plugin.work.background import Background
from napari_segnext.plugin.work.task import Dropped
from napari_segnext.session import Session
from napari_segnext.session.exchange import Replay, check_objects, in_last_axes

if TYPE_CHECKING:
    from qtpy.QtCore import QObject

    from napari_segnext.plugin.work.inference import Inference
    from napari_segnext.plugin.work.worker import Turn
    from napari_segnext.predicting.live import LiveImageModel


_NOTHING = "Nothing was loaded"


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
            self.said.emit(f"{_NOTHING}: {error}")
            return
        if self._inference.model is None and not self._inference.loading:
            self.said.emit(f"{_NOTHING}: choose a model first")
            return
        scratch = Session(blank_labels(shape, len(objects)), blank=True)
        left = Replay(scratch, objects)
        self._submit(partial(self._decode, left), partial(self._finish, left), _NOTHING)

    def _decode(self, left: Replay, model: LiveImageModel, turn: Turn) -> None:
        # After an interruption, or with another model, it is called again: it goes on.
        count = len(left.objects)
        while (item := left.item) is not None:
            at = left.objects.index(item) + 1
            self.said.emit(f"Loading object {at} of {count}: {item.name}")
            left.advance(lambda request: model.answer(request, turn))

    def _finish(self, left: Replay, _: None) -> None:
        self._session.settle()
        try:
            ids = self._session.free_ids([item.id for item in left.objects])
            numbers = {at: ids[item.id] for at, item in enumerate(left.objects, 1)}
            self._session.adopt(left.session, numbers)
        except ValueError as error:
            self._end(f"{_NOTHING}: {error}")
            return
        self.taken.emit()
        self._end(f"Loaded {len(left.objects)} objects; one undo takes them back")

    def _dropped(self, why: Dropped) -> None:
        match why:
            case Dropped.MODEL:
                self._again()
            case Dropped.NO_MODEL:
                self._end(f"{_NOTHING}: there is no model")
            case _:
                self._end(_NOTHING)
