"""What follows objects: the models at hand, or a server of nnInteractive."""

from __future__ import annotations

import os
from importlib.util import find_spec

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QInputDialog

from napari_segnext.plugin.panel.controls import Do, shape_combo
from napari_segnext.plugin.work.propagating import SERVER_VARIABLE

_SERVER = "nnInteractive server…"
_CHOICES = (
    ("Followed by the model", "Slice by slice, on this machine"),
    (
        _SERVER,
        "All slices at once: the image and what you decided are sent to a server of "
        "yours",
    ),
)


class FollowerChoice(QComboBox):
    """Chooses what follows objects; seen where the server's client is installed."""

    def __init__(self, do: Do) -> None:
        super().__init__()
        shape_combo(self, "What Propagate asks for the other slices")
        for number, (label, explained) in enumerate(_CHOICES):
            self.addItem(label)
            self.setItemData(number, explained, Qt.ItemDataRole.ToolTipRole)
        self._do, self._address = do, ""
        if find_spec("nnInteractive") is None:
            self.hide()
        self.activated.connect(self._choose)

    def show_address(self, address: str) -> None:
        """Show which server is asked; empty: none."""
        self._address = address
        name = address.partition("://")[2] or address
        self.setItemText(1, f"nnInteractive: {name}" if name else _SERVER)
        self.setCurrentIndex(1 if address else 0)

    def _choose(self, number: int) -> None:
        address = self._asked() if number else ""
        self._do(lambda to: to.propagation.ask(address))
        self.show_address(address)

    def _asked(self) -> str:
        """Ask for the address of a server; the one so far, if nothing is said."""
        address, given = QInputDialog.getText(
            self,
            "nnInteractive",
            "Address of the server, such as http://gpu-box:1527",
            text=self._address or os.environ.get(SERVER_VARIABLE, ""),
        )
        return address.strip() if given else self._address
