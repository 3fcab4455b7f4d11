"""The list of proposals."""

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

from napari_segnext.session.proposed import Proposed

Index = QModelIndex | QPersistentModelIndex
_NONE = QModelIndex()
_ROLE = Qt.ItemDataRole
SCORE, SLICE, WHAT = range(3)
_HEADERS = ("Score", "Slice", "What it is")
_ROW_HEIGHT, _ROWS = 22, 5


class ProposalModel(QAbstractTableModel):
    """Proposals by row; what they are is looked up where it is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: Sequence[int] = ()
        self.proposal: Callable[[int], Proposed]
        self.told: Callable[[int], str]

    def show(self, listed: Sequence[int]) -> None:
        """List proposals by their numbers."""
        self.beginResetModel()
        self.listed = listed
        self.endResetModel()

    def rowCount(self, parent: Index = _NONE) -> int:
        """Return how many there are."""
        return len(self.listed)

    def columnCount(self, parent: Index = _NONE) -> int:
        """Return how many columns there are."""
        return len(_HEADERS)

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Return the title of a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == _ROLE.ToolTipRole and section != WHAT:
            return "Click: the most likely first" if section == SCORE else _BY_SLICE
        return _HEADERS[section] if role == _ROLE.DisplayRole else None

    def data(self, index: Index, role: int = 0) -> Any:
        """Return what a cell shows."""
        if not index.isValid() or role != _ROLE.DisplayRole:
            return None
        number = self.listed[index.row()]
        each = self.proposal(number)
        match index.column():
            case 0:
                return f"{each.score:.0%}"
            case 1:
                return str(each.plane.index)
            case _:
                return self.told(number)


_BY_SLICE = "Click: slice by slice"


class ProposalTable(QTableView):
    """Proposals, the one that is shown marked; a click leads to one.

    Signals: `chosen` (the number of a proposal), `sorted` (whether slice by slice).
    """

    chosen = Signal(int)
    sorted = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = ProposalModel()
        self.setModel(self._rows)
        self.setShowGrid(False)
        self.setWordWrap(False)
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
        header.setSectionResizeMode(WHAT, QHeaderView.ResizeMode.Stretch)
        header.setStyleSheet("QHeaderView::section { padding: 2px; }")
        header.setSectionsClickable(True)
        header.sectionClicked.connect(self._sort)
        self.setFixedHeight(_ROW_HEIGHT * (_ROWS + 1))
        self.clicked.connect(self._choose)
        self.activated.connect(self._choose)

    def look_up(
        self, proposal: Callable[[int], Proposed], told: Callable[[int], str]
    ) -> None:
        """Look up proposals, and what they are, by number."""
        self._rows.proposal, self._rows.told = proposal, told

    def show_listed(self, listed: Sequence[int], current: int, by_slice: bool) -> None:
        """List proposals, and mark one; what was at the top stays there if it can."""
        top = self.verticalScrollBar().value()
        if listed != self._rows.listed:
            self._rows.show(listed)
            self.verticalScrollBar().setValue(top)
        down = Qt.SortOrder.DescendingOrder
        header = self.horizontalHeader()
        header.setSortIndicatorShown(True)
        if by_slice:
            header.setSortIndicator(SLICE, Qt.SortOrder.AscendingOrder)
        else:
            header.setSortIndicator(SCORE, down)
        if current in listed:
            row = listed.index(current)
            self.selectRow(row)
            self.scrollTo(self._rows.index(row, 0))
        else:
            self.clearSelection()
        self.viewport().update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Leave the keyboard to the canvas."""
        super().mouseReleaseEvent(event)
        self.clearFocus()

    def keyboardSearch(self, search: str) -> None:
        """Leave letters to the keys of the panel."""

    def _choose(self, index: QModelIndex) -> None:
        self.chosen.emit(self._rows.listed[index.row()])

    def _sort(self, section: int) -> None:
        if section != WHAT:
            self.sorted.emit(section == SLICE)
