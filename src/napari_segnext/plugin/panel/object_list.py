"""The list of objects: choose, rename, colour, merge and delete them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from qtpy.QtCore import QItemSelectionModel, QPoint, QSignalBlocker, Qt, Signal
from qtpy.QtGui import QAction, QKeyEvent, QMouseEvent, QResizeEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHeaderView,
    QMenu,
    QTableView,
    QWidget,
)

from napari_segnext.plugin.layers.objects import ObjectRow
from napari_segnext.plugin.panel.object_table import (
    AMOUNT,
    CATEGORY,
    DONE,
    NAME,
    PROMPTS,
    SLICES,
    ObjectTable,
)

_ROW_HEIGHT, _CLASS_WIDTH = 22, 70
# What a name gets before numbers do: a swatch and some fifteen letters.
_NAME_WIDTH = 118
_MARGINS = 12
# The longest texts of the other columns; those that come first stay longest.
_LONGEST = {DONE: "✓", AMOUNT: "999,999", SLICES: "9999", PROMPTS: "9999"}


class ObjectList(QTableView):
    """A compact table of objects; choosing a row chooses the object.

    Where it is narrow it leaves names their room, and numbers out; the tooltip of a row
    has them.

    Signals: `chosen` (id), `renamed` (id, name), `coloured` (id, red, green, blue),
    `merged` (id of what becomes part of the current one), `deleted` (ids), `accepted`
    (the current one is to be finished, or reopened).
    """

    chosen = Signal(int)
    renamed = Signal(int, str)
    coloured = Signal(int, float, float, float)
    merged = Signal(int)
    deleted = Signal(list)
    accepted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table = ObjectTable()
        self._current = 0
        self.setModel(self._table)
        self._table.renamed.connect(self.renamed)
        self.setShowGrid(False)
        # Names often differ at their ends alone.
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setWordWrap(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumHeight(120)
        self._arrange()
        self._add_actions()
        self.selectionModel().selectionChanged.connect(self._choose)

    @property
    def selected(self) -> list[int]:
        """Ids of the objects whose rows are selected."""
        rows = self.selectionModel().selectedRows()
        return [self._table.ids[index.row()] for index in rows]

    @property
    def others(self) -> list[int]:
        """Ids of the selected objects besides the current one."""
        return [number for number in self.selected if number != self._current]

    def show_objects(
        self,
        ids: Sequence[int],
        row: Callable[[int], ObjectRow],
        current: int,
        unit: str,
        classes: bool = False,
        changed: Collection[int] | None = None,
    ) -> None:
        """List objects and mark the current one.

        Parameters
        ----------
        row
            Is asked for the objects that are seen.
        unit
            Of the amounts.
        classes
            Whether classes are listed.
        changed
            Objects of which the row may be another than before; None for all.
        """
        with QSignalBlocker(self.selectionModel()):
            typing = self.state() == QAbstractItemView.State.EditingState
            self._table.show(ids, row, unit, not typing, changed)
            self.setColumnHidden(CATEGORY, not classes)
            self._fit_columns()
            if current != self._current or current not in self.selected:
                self._current = current
                self.choose(current)
                self.viewport().update()

    def choose(self, object_id: int) -> None:
        """Select an object's row, as a click on it does."""
        row = self._table.index(self._table.ids.index(object_id), NAME)
        # `selectRow` would add to the selection while Ctrl is held, as for undo.
        flags = QItemSelectionModel.SelectionFlag
        chosen = flags.ClearAndSelect | flags.Rows
        self.selectionModel().setCurrentIndex(row, chosen)
        # The view itself does so only where it hears of the selection, and knows how
        # far it can scroll only when rows have been laid out.
        self.executeDelayedItemsLayout()
        self.scrollTo(row)

    def merge_selected(self) -> None:
        """Ask for the other selected object to become part of the current one."""
        if len(self.others) == 1:
            self.merged.emit(self.others[0])

    def delete_selected(self) -> None:
        """Ask for the selected objects to be deleted."""
        if self.selected:
            self.deleted.emit(self.selected)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Merge and delete by keys."""
        if event.key() == Qt.Key.Key_M:
            self.merge_selected()
        elif event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.delete_selected()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show the numbers for which there is room."""
        super().resizeEvent(event)
        self._fit_columns()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Leave the keyboard to the canvas, but while several rows are selected."""
        super().mouseReleaseEvent(event)
        editing = self.state() == QAbstractItemView.State.EditingState
        if len(self.selected) < 2 and not editing:
            self.clearFocus()

    def closeEditor(self, *arguments: Any) -> None:
        """Leave the keyboard to the canvas after a name was typed."""
        super().closeEditor(*arguments)
        self.clearFocus()

    def keyboardSearch(self, search: str) -> None:
        """Leave letters to the keys of the panel."""

    def _arrange(self) -> None:
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(20)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        # The name gets what is left; what is cut is in the tooltip of the row.
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(CATEGORY, QHeaderView.ResizeMode.Interactive)
        self.setColumnWidth(CATEGORY, _CLASS_WIDTH)
        header.setStyleSheet("QHeaderView::section { padding: 2px; }")

    def _fit_columns(self) -> None:
        """Give columns the width of their longest text, and leave out what is less."""
        measure = self.horizontalHeader().fontMetrics().horizontalAdvance
        room = self.viewport().width() - self.columnWidth(CATEGORY)
        for column, longest in _LONGEST.items():
            texts = longest, self._table.title(column)
            width = max(map(measure, texts)) + _MARGINS
            room -= width
            self.setColumnWidth(column, width)
            extra = column in (SLICES, PROMPTS)
            self.setColumnHidden(column, extra and room < _NAME_WIDTH)

    def _add_actions(self) -> None:
        self._rename = self._action("Rename", self._edit_name)
        self._colour = self._action("Colour …", self._choose_colour)
        self._accept = self._action("Finish or reopen", self.accepted.emit)
        self._merge = self._action("Merge into current\tM", self.merge_selected)
        self._action("Delete\tDel", self.delete_selected)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._show_menu)

    def _action(self, text: str, run: Callable[[], object]) -> QAction:
        action = QAction(text, self)
        action.triggered.connect(lambda _=False: run())
        self.addAction(action)
        return action

    def _show_menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        one = len(self.selected) == 1
        for action in self.actions():
            menu.addAction(action)
        for action in (self._rename, self._colour, self._accept):
            action.setEnabled(one)
        self._merge.setEnabled(len(self.others) == 1)
        menu.exec_(self.viewport().mapToGlobal(at))
        for action in self.actions():
            action.setEnabled(True)

    def _edit_name(self) -> None:
        if len(self.selected) == 1:
            self.edit(self._table.index(self._table.ids.index(self.selected[0]), NAME))

    def _choose_colour(self) -> None:
        (number,) = self.selected
        colour = QColorDialog.getColor(parent=self, title="Colour of the object")
        if colour.isValid():
            rgb = colour.redF(), colour.greenF(), colour.blueF()
            self.coloured.emit(number, *rgb)

    def _choose(self) -> None:
        # Several rows are selected to be merged or deleted, not to be gone to.
        if len(self.selected) == 1 and self.selected[0] != self._current:
            self.chosen.emit(self.selected[0])
