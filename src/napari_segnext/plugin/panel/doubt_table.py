"""The list of what is to be checked, a row for an object in a slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_segnext.session.checklist import Doubtful
from napari_segnext.session.doubt import Doubt

Index = QModelIndex | QPersistentModelIndex
_NONE = QModelIndex()
_ROLE = Qt.ItemDataRole
OBJECT, SLICE, DOUBT, WHY = range(4)
_HEADERS = ("Object", "Slice", "Doubt", "Why")
_ROW_HEIGHT, _ROWS = 22, 5


class DoubtModel(QAbstractTableModel):
    """What is to be checked, by row; texts are made where they are seen."""

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

    def rowCount(self, parent: Index = _NONE) -> int:
        """Return how much there is to check."""
        return len(self.listed)

    def columnCount(self, parent: Index = _NONE) -> int:
        """Return how many columns there are."""
        return len(_HEADERS)

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Return the title of a column."""
        if role == _ROLE.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return _HEADERS[section]
        return _alignment(section) if role == _ROLE.TextAlignmentRole else None

    def data(self, index: Index, role: int = 0) -> Any:
        """Return what a cell shows."""
        if not index.isValid():
            return None
        if role == _ROLE.TextAlignmentRole:
            return _alignment(index.column())
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


class DoubtTable(QTableView):
    """What is to be checked, the most doubtful first; a click leads there.

    Signals: `chosen` (an object in a plane).
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = DoubtModel()
        self.setModel(self._rows)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(20)
        header.setResizeContentsPrecision(_ROWS)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        for column in (OBJECT, WHY):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        header.setStyleSheet("QHeaderView::section { padding: 2px; }")
        self.setFixedHeight(_ROW_HEIGHT * (_ROWS + 1))
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

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Leave the keyboard to the canvas."""
        super().mouseReleaseEvent(event)
        self.clearFocus()

    def keyboardSearch(self, search: str) -> None:
        """Leave letters to the keys of the panel."""

    def _choose(self, index: QModelIndex) -> None:
        key, _ = self._rows.listed[index.row()]
        self.chosen.emit(key)


def _alignment(column: int) -> Qt.AlignmentFlag:
    left = column in (OBJECT, WHY)
    side = Qt.AlignmentFlag.AlignLeft if left else Qt.AlignmentFlag.AlignRight
    return side | Qt.AlignmentFlag.AlignVCenter
