"""The list of proposals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import QModelIndex, Qt, Signal
from qtpy.QtWidgets import QWidget

from napari_segnext.plugin.panel.row_table import NO_INDEX, Index, RowModel, RowTable
from napari_segnext.session.proposed import Proposed

_ROLE = Qt.ItemDataRole
SCORE, SLICE, WHAT = range(3)
_ROWS = 5


class ProposalModel(RowModel):
    """Proposals by row; what they are is looked up where it is seen."""

    HEADERS = ("Score", "Slice", "What it is")

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

    def rowCount(self, parent: Index = NO_INDEX) -> int:
        """Return how many there are."""
        return len(self.listed)

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Return the title of a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == _ROLE.ToolTipRole and section != WHAT:
            return "Click: the most likely first" if section == SCORE else _BY_SLICE
        return self.HEADERS[section] if role == _ROLE.DisplayRole else None

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


class ProposalTable(RowTable):
    """Proposals, the one that is shown marked; a click leads to one.

    Signals: `chosen` (the number of a proposal), `sorted` (whether slice by slice).
    """

    chosen = Signal(int)
    sorted = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        self._rows = ProposalModel()
        super().__init__(self._rows, _ROWS, (WHAT,), parent)
        header = self.horizontalHeader()
        header.setSectionsClickable(True)
        header.sectionClicked.connect(self._sort)
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

    def _choose(self, index: QModelIndex) -> None:
        self.chosen.emit(self._rows.listed[index.row()])

    def _sort(self, section: int) -> None:
        if section != WHAT:
            self.sorted.emit(section == SLICE)
