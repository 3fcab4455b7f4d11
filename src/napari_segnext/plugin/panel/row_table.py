"""Lists of the panel, of which a row is chosen while the canvas has the keyboard."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, TypeAlias

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

Index: TypeAlias = QModelIndex | QPersistentModelIndex
NO_INDEX = QModelIndex()
ROW_HEIGHT = 22
_ROLE = Qt.ItemDataRole


class RowModel(QAbstractTableModel):
    """Rows under titles.

    Attributes
    ----------
    HEADERS
        The title of each column.
    LEFT
        Columns of text, which begin at the left; numbers end at the right.
    """

    HEADERS: ClassVar[tuple[str, ...]] = ()
    LEFT: ClassVar[Collection[int]] = ()

    def columnCount(self, parent: Index = NO_INDEX) -> int:
        """Return how many columns there are."""
        return len(self.HEADERS)

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Return the title of a column."""
        if role == _ROLE.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return self.HEADERS[section]
        return self.alignment(section) if role == _ROLE.TextAlignmentRole else None

    def alignment(self, column: int) -> Qt.AlignmentFlag:
        """Return where the texts of a column lie."""
        left = column in self.LEFT
        side = Qt.AlignmentFlag.AlignLeft if left else Qt.AlignmentFlag.AlignRight
        return side | Qt.AlignmentFlag.AlignVCenter


class RowTable(QTableView):
    """A list of rows; the keyboard stays with the canvas.

    Parameters
    ----------
    model
        The rows.
    rows
        How many are seen at once.
    wide
        Columns that share the width that others leave.
    """

    def __init__(
        self,
        model: RowModel,
        rows: int,
        wide: Collection[int],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setModel(model)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(20)
        header.setResizeContentsPrecision(rows)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        for column in wide:
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        header.setStyleSheet("QHeaderView::section { padding: 2px; }")
        self.setFixedHeight(ROW_HEIGHT * (rows + 1))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Leave the keyboard to the canvas."""
        super().mouseReleaseEvent(event)
        self.clearFocus()

    def keyboardSearch(self, search: str) -> None:
        """Leave letters to the keys of the panel."""
