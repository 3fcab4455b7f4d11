"""The list of objects: colour, name, number of prompts, finished or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """One object as it is listed; `colour` is red, green, blue in 0..1."""

    object_id: int
    name: str
    colour: tuple[float, float, float]
    prompts: int
    finished: bool


class ObjectList(QTableWidget):
    """A compact table of objects; choosing a row chooses the object."""

    chosen = Signal(int)
    renamed = Signal(int, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 3, parent)
        self._rows: tuple[ObjectRow, ...] = ()
        self.setHorizontalHeaderLabels(["Object", "Prompts", "Done"])
        self.verticalHeader().hide()
        self.setShowGrid(False)
        self.setIconSize(QSize(12, 12))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.verticalHeader().setDefaultSectionSize(22)
        self.setMinimumHeight(120)
        self.setToolTip("Choose an object to go on with it; double-click to rename")
        self.currentCellChanged.connect(self._choose)
        self.itemChanged.connect(self._rename)

    def show_objects(self, rows: Sequence[ObjectRow], current: int) -> None:
        """List these objects and mark the current one."""
        with QSignalBlocker(self):
            if tuple(rows) != self._rows:
                self._rows = tuple(rows)
                self.setRowCount(len(rows))
                for number, row in enumerate(rows):
                    self._fill(number, row)
            for number, row in enumerate(rows):
                if row.object_id == current:
                    self.setCurrentCell(number, 0)

    def _fill(self, number: int, row: ObjectRow) -> None:
        swatch = QPixmap(12, 12)
        swatch.fill(QColor.fromRgbF(*row.colour))
        name = QTableWidgetItem(QIcon(swatch), row.name)
        count = QTableWidgetItem(str(row.prompts))
        done = QTableWidgetItem("✓" if row.finished else "")
        for item in (count, done):
            item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
            item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
        for column, item in enumerate((name, count, done)):
            self.setItem(number, column, item)

    def _choose(self, row: int, *_: int) -> None:
        if 0 <= row < len(self._rows):
            self.chosen.emit(self._rows[row].object_id)

    def _rename(self, item: QTableWidgetItem) -> None:
        if item.column() == 0:
            self.renamed.emit(self._rows[item.row()].object_id, item.text())
