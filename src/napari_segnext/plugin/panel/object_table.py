"""The table behind the list of objects; a row is looked up when it is shown."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from typing import Any

from qtpy.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from qtpy.QtGui import QColor, QIcon, QPixmap

from napari_segnext.plugin.layers.objects import ObjectRow

Index = QModelIndex | QPersistentModelIndex
_NONE = QModelIndex()
_ROLE = Qt.ItemDataRole
NAME, CATEGORY, PROMPTS, SLICES, AMOUNT, DONE = range(6)
_HEADERS = ("Object", "Class", "Prompts", "Slices", "", "✓")
_SWATCH = 12


class ObjectTable(QAbstractTableModel):
    """Objects by row; only names can be edited."""

    renamed = Signal(int, str)

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[int] = []
        self._row: Callable[[int], ObjectRow] | None = None
        # Rows that were seen and have not changed since.
        self._rows: dict[int, ObjectRow] = {}
        self._unit = ""

    def show(
        self,
        ids: Sequence[int],
        row: Callable[[int], ObjectRow],
        unit: str,
        names: bool = True,
        changed: Collection[int] | None = None,
    ) -> None:
        """List objects.

        Parameters
        ----------
        row
            Is asked for those that are seen.
        names
            Whether names may be others too; not while one is being typed.
        changed
            Objects of which the row may be another than before; None for all.
        """
        self._row, ids = row, list(ids)
        for number in list(self._rows) if changed is None else changed:
            self._rows.pop(number, None)
        if ids != self.ids:
            self.beginResetModel()
            self.ids = ids
            self.endResetModel()
        else:
            self._tell(changed, NAME if names else CATEGORY)
        if unit != self._unit:
            self._unit = unit
            self.headerDataChanged.emit(Qt.Orientation.Horizontal, AMOUNT, AMOUNT)

    def _tell(self, changed: Collection[int] | None, column: int) -> None:
        """Tell which rows are to be drawn anew, from a column on."""
        if changed is None and self.ids:
            last = self.index(len(self.ids) - 1, DONE)
            self.dataChanged.emit(self.index(0, column), last)
        for number in changed or ():
            at = bisect_left(self.ids, number)
            if at < len(self.ids) and self.ids[at] == number:
                self.dataChanged.emit(self.index(at, column), self.index(at, DONE))

    def rowCount(self, parent: Index = _NONE) -> int:
        """Return how many objects there are."""
        return len(self.ids)

    def columnCount(self, parent: Index = _NONE) -> int:
        """Return how many columns there are."""
        return len(_HEADERS)

    def title(self, column: int) -> str:
        """Return the title of a column; the unit is that of the amounts."""
        return self._unit if column == AMOUNT else _HEADERS[column]

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Return what a header shows."""
        if role == _ROLE.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return self.title(section)
        if role == _ROLE.TextAlignmentRole:
            return _alignment(section)
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Let names be edited."""
        flags = super().flags(index)
        if index.column() == NAME:
            flags |= Qt.ItemFlag.ItemIsEditable
        return flags

    def data(self, index: Index, role: int = 0) -> Any:
        """Return what a cell shows."""
        if self._row is None or not index.isValid():
            return None
        if role == _ROLE.TextAlignmentRole:
            return _alignment(index.column())
        if role not in (
            _ROLE.DisplayRole,
            _ROLE.EditRole,
            _ROLE.DecorationRole,
            _ROLE.ToolTipRole,
        ):
            return None
        number = self.ids[index.row()]
        if number not in self._rows:
            self._rows[number] = self._row(number)
        row = self._rows[number]
        if role == _ROLE.ToolTipRole:
            return self._tip(row)
        if role == _ROLE.DecorationRole:
            return _swatch(row.colour) if index.column() == NAME else None
        return (
            row.name,
            row.category,
            str(row.prompts),
            str(row.slices),
            row.amount,
            "✓" if row.finished else "",
        )[index.column()]

    def setData(self, index: Index, value: Any, role: int = 0) -> bool:
        """Ask for another name; the session answers with what is listed."""
        self.renamed.emit(self.ids[index.row()], str(value))
        return True

    def _tip(self, row: ObjectRow) -> str:
        state = ", finished: protected until it is reopened" if row.finished else ""
        kind = f" ({row.category})" if row.category else ""
        return (
            f"{row.name}{kind}, value {row.value}: {row.prompts} prompts, "
            f"found in {row.slices} slices, {row.amount} {self._unit}{state}"
        )


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight
    if column in (NAME, CATEGORY):
        side = Qt.AlignmentFlag.AlignLeft
    elif column == DONE:
        side = Qt.AlignmentFlag.AlignHCenter
    return side | Qt.AlignmentFlag.AlignVCenter


def _swatch(colour: tuple[float, float, float]) -> QIcon:
    pixels, swatch = QPixmap(_SWATCH, _SWATCH), QIcon()
    pixels.fill(QColor.fromRgbF(*colour))
    # Qt would tint it in a row that is selected.
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
        swatch.addPixmap(pixels, mode)
    return swatch
