"""The part of the panel about embeddings: where they are kept, and all ahead."""

from __future__ import annotations

import os
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QWidget,
)
from superqt import QElidingLabel

from napari_segnext.plugin.work.embed_all import EmbedAll
from napari_segnext.predicting.storage import MEMORY_VARIABLE, StoragePolicy
from napari_segnext.weights import embeddings_folder

_MEMORY_GB = 2.0


def memory_gb() -> float:
    """Return the memory for embeddings: what the environment says, or 2 GB."""
    try:
        given = float(os.environ.get(MEMORY_VARIABLE, _MEMORY_GB))
    except ValueError:
        return _MEMORY_GB
    return given if given > 0 else _MEMORY_GB


class EmbeddingsPart(QWidget):
    """Settings of embeddings, and a button that embeds all slices."""

    def __init__(self) -> None:
        super().__init__()
        self._embedding: EmbedAll | None = None
        self._folder = embeddings_folder()
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        self.memory = QDoubleSpinBox()
        self.memory.setRange(0.1, 1000)
        self.memory.setSingleStep(0.5)
        self.memory.setDecimals(1)
        self.memory.setSuffix(" GB")
        self.memory.setValue(memory_gb())
        self.memory.setToolTip(
            "Memory for embeddings; those not used for longest are forgotten first. "
            f"{MEMORY_VARIABLE} sets what it starts from"
        )
        self.on_disk = QCheckBox("Keep on disk")
        self.on_disk.setToolTip(
            "Write embeddings to the folder, so that opening this file again finds "
            "them. Those that are there are used in any case"
        )
        self._place = QElidingLabel("")
        self._place.setElideMode(Qt.TextElideMode.ElideLeft)
        choose = QPushButton("Folder…")
        choose.setToolTip("Choose another folder, such as one of napari-segnext embed")
        choose.clicked.connect(self._choose_folder)
        self.button = QPushButton("Embed all")
        self.button.clicked.connect(self._start_or_stop)
        self._bar = QProgressBar()
        self._note = QLabel("")
        self._note.setWordWrap(True)
        folder = QHBoxLayout()
        folder.addWidget(self._place, 1)
        folder.addWidget(choose)
        form.addRow("Memory", self.memory)
        form.addRow(self.on_disk)
        form.addRow(folder)
        form.addRow(self.button)
        form.addRow(self._bar)
        form.addRow(self._note)
        self.memory.editingFinished.connect(self._keep)
        self.on_disk.toggled.connect(self._keep)
        self._show()

    @property
    def policy(self) -> StoragePolicy:
        """What is set."""
        return StoragePolicy(
            self.memory.value(), self._folder, self.on_disk.isChecked()
        )

    @property
    def note(self) -> str:
        """What it says."""
        return str(self._note.text())

    def follow(self, embedding: EmbedAll) -> None:
        """Serve a session that has begun."""
        self._embedding = embedding
        embedding.progressed.connect(self._show_progress)
        embedding.ended.connect(self._ended)
        embedding.said.connect(self._say)
        self._say("")
        self._show()

    def use_folder(self, folder: Path) -> None:
        """Keep embeddings in another folder."""
        self._folder = folder
        self._keep()
        self._show()

    def _keep(self) -> None:
        if self._embedding is not None:
            self._embedding.keep(self.policy)

    def _choose_folder(self) -> None:
        found = QFileDialog.getExistingDirectory(self, "Folder of embeddings")
        if found:
            self.use_folder(Path(found))

    def _start_or_stop(self) -> None:
        if self._embedding is None:
            return
        if self._embedding.running:
            self._embedding.stop()
        else:
            self._say("")
            self._embedding.start()
        self._show()

    def _show_progress(self, done: int, total: int) -> None:
        self._bar.setRange(0, total)
        self._bar.setValue(done)
        self._bar.setFormat(f"{done} of {total}")
        self._show()

    def _ended(self, why: str) -> None:
        self._say(why)
        self._show()

    def _say(self, text: str) -> None:
        self._note.setText(text)
        self._note.setVisible(bool(text))

    def _show(self) -> None:
        running = self._embedding is not None and self._embedding.running
        self.button.setText("Stop embedding" if running else "Embed all")
        self.button.setToolTip(
            "What is embedded stays; “Embed all” goes on from there"
            if running
            else "Embed all slices along the displayed axis, while you go on: clicks "
            "and the displayed slice come first"
        )
        self._bar.setVisible(running)
        self._place.setText(str(self._folder))
        self._place.setToolTip(str(self._folder))
