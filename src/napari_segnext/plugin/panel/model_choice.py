"""The models that can be chosen here and now, and how to get the others."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_segnext.plugin.panel.controls import shape_combo
from napari_segnext.weights.catalogue import CATALOGUE, model_label
from napari_segnext.weights.obtain import how_to_get

FILE, MORE = "File…", "More models…"


class ModelChoice(QComboBox):
    """The choice of a model; its data are names of the catalogue, or paths.

    `chosen` is emitted when the user has chosen one.
    """

    chosen = Signal()

    def __init__(self) -> None:
        super().__init__()
        shape_combo(self, "The model; “File…” opens one of your own")
        for entry in CATALOGUE.values():
            if not how_to_get(entry):
                where = "" if entry.bundled else f", {entry.size / 1e6:.0f} MB"
                tip = f"{entry.description}{where}. {entry.licence}"
                self._add(self.count(), entry.name, entry.name, tip)
        self.addItem(FILE)
        self.addItem(MORE)
        self._last = self.currentData()
        # What answered before a taught model does.
        self._untaught = ""
        self.activated.connect(self._activated)

    def show_model(self, model: str) -> None:
        """Show a model, by name or path, as the one in use."""
        at = self.findData(model)
        if at < 0:
            at = self.findText(FILE)
            self._add(at, model_label(model), model, model)
        self.setCurrentIndex(at)
        self._last = model

    def show_taught(self, taught: str) -> None:
        """Show a taught model; if it is named no more, the one from before it."""
        if taught:
            self._untaught = self._untaught or self.currentData()
            self.show_model(taught)
        else:
            self.show_model(self._untaught or self.currentData())
            self._untaught = ""

    def _add(self, at: int, label: str, model: str, tip: str) -> None:
        self.insertItem(at, label, model)
        self.setItemData(at, tip, Qt.ItemDataRole.ToolTipRole)

    def _activated(self, index: int) -> None:
        model = self.itemData(index)
        if self.itemText(index) == FILE:
            model, _ = QFileDialog.getOpenFileName(
                self, "Open a model", "", "Models (*.safetensors *.pth)"
            )
        elif self.itemText(index) == MORE:
            MoreModels(self).open()
        self.show_model(model or self._last)
        if model:
            self._untaught = ""
            self.chosen.emit()


class MoreModels(QDialog):
    """How to get the models that are not in the list: a line for each."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("More models")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        layout = QVBoxLayout(self)
        layout.addWidget(
            QLabel("Open the model.safetensors that you trained with “File…”.")
        )
        self.lines = QLabel(_table())
        # Commands are there to be copied.
        self.lines.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        layout.addWidget(self.lines)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout.addWidget(buttons)


def _table() -> str:
    """Return names and ways as rich text."""
    ways = {entry.name: how_to_get(entry) for entry in CATALOGUE.values()}
    rows = [
        f"<tr><td><b>{name}</b>&nbsp;&nbsp;</td><td>{way}</td></tr>"
        for name, way in ways.items()
        if way
    ]
    return f"<table cellspacing='4'>{''.join(rows)}</table>"
