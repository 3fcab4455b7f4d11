"""The list of the cases of a series, a row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QFont
from qtpy.QtWidgets import QWidget

from napari_segnext.plugin.panel.row_table import (
    NO_INDEX,
    ROW_HEIGHT,
    Index,
    RowModel,
    RowTable,
)
from napari_segnext.series import Case, Progress, State

_ROLE = Qt.ItemDataRole
CASE, STATE, FINISHED = range(3)
_ROWS = 6
# Told apart by lightness too.
_COLOURS = {
    State.DONE: "#35d07f",
    State.BEGUN: "#7fb8ff",
    State.DOUBTFUL: "#e0a030",
    State.UNREADABLE: "#e5383b",
}


class CaseModel(RowModel):
    """Cases by row, and how far each is, as far as that is read.

    Attributes
    ----------
    current
        The row of the one that is open, None if none is.
    """

    HEADERS = ("Case", "State", "Finished")
    LEFT = (CASE, STATE)

    def __init__(self) -> None:
        super().__init__()
        self.cases: Sequence[Case] = ()
        self.known: dict[int, Progress] = {}
        self.current: int | None = None

    def show_cases(self, cases: Sequence[Case]) -> None:
        """List other cases, of which nothing is known yet."""
        self.beginResetModel()
        self.cases, self.known, self.current = cases, {}, None
        self.endResetModel()

    def show_progress(self, known: Mapping[int, Progress]) -> None:
        """Tell how far some of them are."""
        self.known.update(known)
        for row in known:
            self._changed(row)

    def mark(self, row: int | None) -> None:
        """Mark the one that is open."""
        former, self.current = self.current, row
        for each in (former, row):
            if each is not None:
                self._changed(each)

    def rowCount(self, parent: Index = NO_INDEX) -> int:
        """Return how many cases there are."""
        return len(self.cases)

    def data(self, index: Index, role: int = 0) -> Any:
        """Return what a cell shows."""
        if not index.isValid():
            return None
        row, column = index.row(), index.column()
        known = self.known.get(row)
        if role == _ROLE.DisplayRole:
            return self._text(row, column)
        if role == _ROLE.ToolTipRole:
            return _told(self.cases[row], known)
        if role == _ROLE.TextAlignmentRole:
            return self.alignment(column)
        if role == _ROLE.FontRole and row == self.current:
            font = QFont()
            font.setBold(True)
            return font
        if role == _ROLE.ForegroundRole and column == STATE:
            return self._colour(row)
        return None

    def _colour(self, row: int) -> QColor | None:
        known = self.known.get(row)
        if known is None or row == self.current:
            return None
        colour = _COLOURS.get(known.state)
        return None if colour is None else QColor(colour)

    def _text(self, row: int, column: int) -> str:
        known = self.known.get(row)
        if column == CASE:
            return self.cases[row].name
        if known is None:
            return "…" if column == STATE else ""
        if column == STATE:
            # What the journals told when it was opened is told no more.
            return "open" if row == self.current else known.state.value
        return f"{known.finished} of {known.objects}" if known.objects else ""

    def _changed(self, row: int) -> None:
        first, last = self.index(row, 0), self.index(row, len(self.HEADERS) - 1)
        self.dataChanged.emit(first, last)


def _told(case: Case, known: Progress | None) -> str:
    """Return all that is known of a case, in lines."""
    lines = [case.name]
    lines += [f"{each.name} {each.path}".strip() for each in case.images]
    if known is not None:
        lines.append(known.state.value)
        if known.objects:
            lines.append(f"{known.finished} of {known.objects} objects finished")
        if known.doubts:
            lines.append(f"{known.doubts} slices to check")
        if known.time is not None:
            lines.append(f"saved {known.time:%d %b %Y, %H:%M}")
        if known.told:
            lines.append(known.told)
    return "\n".join(lines)


class CaseTable(RowTable):
    """Cases; a double click opens one.

    Signals: `chosen` (a row).
    """

    chosen = Signal(int)

    def __init__(self, model: CaseModel, parent: QWidget | None = None) -> None:
        super().__init__(model, _ROWS, (CASE,), parent)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        model.modelReset.connect(self._fit)
        self._fit()
        self.doubleClicked.connect(lambda index: self.chosen.emit(index.row()))

    def _fit(self) -> None:
        """Take no more room than there are cases, and scroll where there are many."""
        rows = min(self.model().rowCount(), _ROWS)
        self.setFixedHeight(ROW_HEIGHT * (rows + 1) + 2)
