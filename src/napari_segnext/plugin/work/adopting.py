"""Labels of a layer or a file, read beside the session and then made its objects."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_segnext.files import Geometry
from napari_segnext.files.label_file import LabelSource, read_labels
from napari_segnext.geometry.space import Space
from napari_segnext.labels.scan import Scanned, scan
from napari_segnext.plugin.layers.label_sources import image_place, layer_labels

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_segnext.plugin.work.saving import Saving
    from napari_segnext.session import Session

_NOTHING = "No labels were taken in"


class Adopting(QObject):
    """Makes every label an object, as one step of undo.

    Signals: `said` (status line), `changed` (`running`), `taken` (objects are there).
    """

    said = Signal(str)
    changed = Signal()
    taken = Signal()
    _arrived = Signal(object, object)

    def __init__(
        self,
        image: Image,
        session: Session,
        saving: Saving,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._image, self._session = image, session
        self._waiting: Labels | Path | None = None
        # Set to stop what is being read.
        self._stop: threading.Event | None = None
        self._arrived.connect(self._finish)
        saving.begun.connect(self._begin)
        saving.restored.connect(self._leave)

    @property
    def running(self) -> bool:
        """Whether labels are being read."""
        return self._stop is not None

    def start_from(self, labels: Labels | Path | None) -> None:
        """Take labels in as soon as it is clear that earlier work is not resumed."""
        self._waiting = labels

    def load(self, labels: Labels | Path) -> None:
        """Take in the labels of a layer or a file; what is there already stays."""
        self.stop()
        shape = tuple(self._session.labels.shape)
        source: Path | LabelSource
        if isinstance(labels, Labels):
            try:
                source = layer_labels(labels, self._image, shape)
            except ValueError as error:
                self.said.emit(f"{_NOTHING}: {error}")
                return
            labels.visible = False
        else:
            source = labels
        self._stop = threading.Event()
        self.changed.emit()
        self.said.emit(f"Reading {labels.name} …")
        place = image_place(self._image, shape)
        run = partial(self._run, source, place, labels.name, self._stop)
        threading.Thread(target=run, name="segnext-labels-in", daemon=True).start()

    def stop(self) -> None:
        """Take in nothing of what is being read."""
        if self._stop is not None:
            self._stop.set()
            self._end(_NOTHING)

    def _begin(self) -> None:
        labels, self._waiting = self._waiting, None
        if labels is not None:
            self.load(labels)

    def _leave(self) -> None:
        if self._waiting is not None:
            self.said.emit(f"Resumed: {self._waiting.name} was not taken in again")
        self._waiting = None

    def _run(
        self,
        source: Path | LabelSource,
        place: Geometry,
        name: str,
        stop: threading.Event,
    ) -> None:
        outcome: tuple[Scanned, bool] | str
        try:
            found = read_labels(source, place) if isinstance(source, Path) else source
            parts = []
            for runs, share in scan(found.data):
                if stop.is_set():
                    return
                parts.append(runs)
                self.said.emit(f"Reading {name}: {100 * share:.0f} %")
            space = Space(tuple(found.data.shape))
            labels = Scanned.of(parts, found.legend).counted(space)
            self.said.emit(f"Taking in {len(labels.values):,} labels …")
            outcome = labels, found.moved
        # Whatever it is: the user must not wait for labels that never come.
        except Exception as error:
            outcome = " ".join(str(error).split()) or type(error).__name__
        try:
            self._arrived.emit(stop, outcome)
        except RuntimeError:
            pass  # The viewer is gone.

    def _finish(
        self, stop: threading.Event, outcome: tuple[Scanned, bool] | str
    ) -> None:
        if stop is not self._stop:
            return
        if isinstance(outcome, str):
            self._end(f"{_NOTHING}: {outcome}")
            return
        labels, moved = outcome
        self._session.settle()
        try:
            count = len(self._session.adopt_labels(labels))
        except (ValueError, MemoryError) as error:
            why = str(error) or "there is not enough memory"
            self._end(f"{_NOTHING}: {why}")
            return
        self.taken.emit()
        where = ", brought onto the image's grid" if moved else ""
        self._end(f"{count:,} objects taken in{where}; H goes on with one you point at")

    def _end(self, why: str) -> None:
        self._stop = None
        self.changed.emit()
        self.said.emit(why)
