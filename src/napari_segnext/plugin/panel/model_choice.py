"""The models that can be chosen; what cannot be had is seen to be so."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QComboBox

from napari_segnext.plugin.panel.controls import make_combo
from napari_segnext.weights.catalogue import CATALOGUE

FILE = "File…"


def make_model_choice() -> QComboBox:
    """Make the choice; its data are names of the catalogue, and `FILE` comes last."""
    choice = make_combo("The model; “File…” opens one of your own")
    items = choice.model()
    assert isinstance(items, QStandardItemModel)
    for number, entry in enumerate(CATALOGUE.values()):
        choice.addItem(entry.name, entry.name)
        tip = f"{entry.description}, {entry.size / 1e6:.0f} MB. {entry.licence}"
        if entry.unpublished:
            tip = f"{entry.description}. Not to be had: {entry.unpublished}"
            items.item(number).setEnabled(False)
        choice.setItemData(number, tip, Qt.ItemDataRole.ToolTipRole)
    choice.addItem(FILE)
    return choice
