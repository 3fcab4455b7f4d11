"""The list of what is to be checked, a row for an object in a slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import QModelIndex, Qt, Signal
from qtpy.QtWidgets import QWidget

from napari_segnext.plugin.panel.row_table import NO_INDEX, Index, RowModel, RowTable
from napari_segnext.session.checklist import Doubtful
from napari_segnext.session.doubt import Doubt

_ROLE = Qt.ItemDataRole
OBJECT, SLICE, DOUBT, WHY = range(4)
_ROWS = 5


class DoubtModel(RowModel):
    """What is to be checked, by row; texts are made where they are seen."""

    HEADERS = ("Object", "Slice", "Doubt", "Why")
    LEFT = (OBJECT, WHY)

    def __init__(self) -> None:
        super().__init__()
        self.listed: Sequence[Doubtful] = ()
        # What an object is called, by its id.
        self.name: Callable[[int], str] = str

    def show(self, listed: Sequence[Doubtful]) -> None:
        """List what is to be checked."""
        self.beginResetModel()
        self.listed = listed
        self.endResetModel()

    def rowCount(self, parent: Index = NO_INDEX) -> int:
        """Return how much there is to check."""
        return len(self.listed)

    def data(self, index: Index, role: int = 0) -> Any:
        """Return what a cell shows."""
        if not index.isValid():
            return None
        if role == _ROLE.TextAlignmentRole:
            return self.alignment(index.column())
        if role not in (_ROLE.DisplayRole, _ROLE.ToolTipRole):
            return None
        (number, plane), doubt = self.listed[index.row()]
        name, degree = self.name(number), f"{doubt.degree:.0%}"
        short, long = self._why(doubt)
        if role == _ROLE.ToolTipRole:
            return f"{name} in slice {plane.index}, doubt {degree}{long}"
        return (name, str(plane.index), degree, short)[index.column()]

    def _why(self, doubt: Doubt) -> tuple[str, str]:
        """Say what to do about it, and what is odd."""
        if doubt.parts == 0:
            return "missing?", ": it is expected here, and no label shows it"
        if doubt.like:
            name = self.name(doubt.like)
            return f"merge: {name}?", f": the same answer as {name}, which it touches"
        if doubt.parts > 1:
            return "split?", f": {doubt.parts} bodies"
        return "", ""


class DoubtTable(RowTable):
    """What is to be checked, the most doubtful first; a click leads there.

    Signals: `chosen` (an object in a plane).
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        self._rows = DoubtModel()
        super().__init__(self._rows, _ROWS, (OBJECT, WHY), parent)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.clicked.connect(self._choose)
        self.activated.connect(self._choose)

    def name_by(self, name: Callable[[int], str]) -> None:
        """Call objects by what is returned for their id."""
        self._rows.name = name

    def show_listed(self, listed: Sequence[Doubtful]) -> None:
        """List what is to be checked; what was at the top of the view stays there."""
        top = self.verticalScrollBar().value()
        self._rows.show(listed)
        self.verticalScrollBar().setValue(top)

    def _choose(self, index: QModelIndex) -> None:
        key, _ = self._rows.listed[index.row()]
        self.chosen.emit(key)
