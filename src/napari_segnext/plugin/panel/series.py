"""The part of the panel that lists a series, and goes from case to case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import GeneratorWorker, create_worker

from napari_segnext.plugin.keys import NEXT_CASE, PREVIOUS_CASE
from napari_segnext.plugin.panel.case_table import CaseModel, CaseTable
from napari_segnext.plugin.panel.controls import make_button
from napari_segnext.plugin.work.series_work import listing, tabulating
from napari_segnext.series import Case, Progress, State

if TYPE_CHECKING:
    from napari_segnext.plugin.work.series_work import Read

_TABLES = "Tables (*.csv)"
_Worker: TypeAlias = "GeneratorWorker[Any, Any, Any]"


class SeriesPart(QWidget):
    """Opens a series, shows how far its cases are, and asks for one to be opened.

    Signals: `wanted` (a case is to be opened: its row, and in which direction to go on
    if it cannot be), `said` (status line).
    """

    wanted = Signal(int, int)
    said = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = CaseModel()
        self.path: Path | None = None
        self._listing: _Worker | None = None
        self._tabulating: _Worker | None = None
        self.table = CaseTable(self.model)
        self.table.setToolTip("Double-click a case to open it; it is resumed if begun")
        self.table.chosen.connect(lambda row: self.wanted.emit(row, 0))
        self.open_button = make_button(
            "Open series",
            "Many cases one after the other: a folder of images, of folders with the "
            "modalities of a case each, or of series of DICOM, a data set of nnU-Net, "
            "or a table of them",
        )
        menu = QMenu(self)
        menu.addAction("A folder …").triggered.connect(lambda _=False: self.ask())
        menu.addAction("A table (CSV) …").triggered.connect(
            lambda _=False: self.ask_table()
        )
        self.open_button.setMenu(menu)
        self.previous_button = make_button("◀ Previous", "", narrow=True)
        self.next_button = make_button("Next ▶", "", narrow=True)
        self.save_button = make_button("Save table of all …", "", narrow=True)
        steps = ((self.previous_button, PREVIOUS_CASE), (self.next_button, NEXT_CASE))
        for button, action in steps:
            button.setToolTip(f"{action.text} ({action.shown})")
        self.previous_button.clicked.connect(lambda _=False: self.step(-1))
        self.next_button.clicked.connect(lambda _=False: self.step(1))
        self.save_button.clicked.connect(lambda _=False: self._save_or_stop())
        self._summary = QLabel()
        # Of a long one the panel does not become wider.
        self._summary.setWordWrap(True)
        self._summary.setSizePolicy(
            QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred
        )
        self._lay_out()
        self._show()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(4)
        for button in (self.previous_button, self.next_button):
            row.addWidget(button)
        self._listed = QWidget()
        listed = QVBoxLayout(self._listed)
        for widget in (self.table, self._summary):
            listed.addWidget(widget)
        listed.addLayout(row)
        listed.addWidget(self.save_button)
        layout = QVBoxLayout(self)
        layout.addWidget(self.open_button)
        layout.addWidget(self._listed)
        for each in (listed, layout):
            each.setContentsMargins(0, 0, 0, 0)
            each.setSpacing(4)

    def ask(self) -> None:
        """Ask for a folder of cases."""
        folder = QFileDialog.getExistingDirectory(self, "Folder of cases", self._place)
        if folder:
            self.open(Path(folder))

    def ask_table(self) -> None:
        """Ask for a table of cases."""
        name, _ = QFileDialog.getOpenFileName(
            self, "Table of cases", self._place, _TABLES
        )
        if name:
            self.open(Path(name))

    @property
    def _place(self) -> str:
        return "" if self.path is None else str(self.path.parent)

    def open(self, path: Path) -> None:
        """List the cases of a series; those of another one are listed no more."""
        self.close_series()
        self.said.emit(f"Reading {path.name} …")
        worker = self._listing = _worker(listing(path))

        def read(news: list[Case] | Read) -> None:
            if self._listing is worker:
                self._read(path, news)

        def failed(error: Exception) -> None:
            if self._listing is worker:
                self.said.emit(str(error))

        worker.yielded.connect(read)
        worker.errored.connect(failed)
        worker.start()

    def _read(self, path: Path, news: list[Case] | Read) -> None:
        if isinstance(news, dict):
            self.model.show_progress(news)
        else:
            self.path = path
            self.model.show_cases(news)
            self.said.emit(f"{path.name}: double-click a case, or press Next")
        self._show()

    def close_series(self) -> None:
        """Read no more of the series, and write no table of it."""
        for worker in (self._listing, self._tabulating):
            if worker is not None:
                worker.quit()
        self._listing = self._tabulating = None

    def step(self, steps: int) -> None:
        """Ask for the next case that can be opened, or the previous one."""
        current = self.model.current
        start = current if current is not None else (-1 if steps > 0 else 0)
        self.go_on(start, steps)

    def go_on(self, row: int, steps: int) -> None:
        """Ask for the next case after a row, in a direction."""
        row += steps
        while 0 <= row < len(self.model.cases) and self._is_unreadable(row):
            row += steps
        if not self.model.cases:
            self.said.emit("Open a series first")
        elif 0 <= row < len(self.model.cases):
            self.wanted.emit(row, steps)
        else:
            self.said.emit(f"This is the {'last' if steps > 0 else 'first'} case")

    def _is_unreadable(self, row: int) -> bool:
        known = self.model.known.get(row)
        unread = bool(self.model.cases[row].problem)
        return unread or (known is not None and known.state is State.UNREADABLE)

    def mark(self, row: int) -> None:
        """Mark the case that is open, and bring it into view."""
        self.model.mark(row)
        self.table.selectRow(row)
        self.table.scrollTo(self.model.index(row, 0))
        self._show()

    def show_progress(self, row: int, progress: Progress) -> None:
        """Tell how far a case is."""
        self.model.show_progress({row: progress})
        self._show()

    def _show(self) -> None:
        """Say how many cases there are of each state."""
        cases, known = self.model.cases, self.model.known
        self._listed.setVisible(bool(cases))
        current = self.model.current
        states = Counter(e.state for row, e in known.items() if row != current)
        parts = ["1 open"] if current is not None else []
        parts += [f"{states[each]} {each.value}" for each in State if states[each]]
        rest = len(cases) - len(known)
        parts += [f"{rest} not read yet"] if rest else []
        self._summary.setText(f"{len(cases)} cases: {', '.join(parts)}")
        saving = self._tabulating is not None
        self.save_button.setText("Stop" if saving else "Save table of all …")
        self.save_button.setToolTip(
            "Write no table"
            if saving
            else "One CSV of all cases: size, place, intensities, prompts and work of "
            "each object and class"
        )

    def _save_or_stop(self) -> None:
        if self._tabulating is not None:
            self._tabulating.quit()
            self._tabulating = None
            self.said.emit("No table was written")
        elif self.path is not None:
            name = str(self.path.parent / f"{self.path.stem}_objects.csv")
            file, _ = QFileDialog.getSaveFileName(self, "Save table", name, _TABLES)
            if file:
                self.save(Path(file if file.endswith(".csv") else f"{file}.csv"))
        self._show()

    def save(self, path: Path) -> None:
        """Write one table of all cases, beside the work that goes on."""
        if path == self.path:
            self.said.emit(f"{path.name} lists the series: choose another name")
            return

        worker = self._tabulating = _worker(tabulating(path, self.model.cases))

        def progressed(how_far: tuple[int, int]) -> None:
            done, total = how_far
            if self._tabulating is worker:
                self.said.emit(f"Reading case {done + 1} of {total} for {path.name}")

        def ended(said: str) -> None:
            if self._tabulating is worker:
                self._tabulating = None
                self._show()
                self.said.emit(said)

        worker.yielded.connect(progressed)
        worker.errored.connect(lambda e: ended(f"{path.name} was not saved: {e}"))
        worker.returned.connect(
            lambda problems: ended("; ".join([f"Saved {path.name}", *problems]))
        )
        worker.start()
        self._show()


def _worker(work: Generator[Any, None, Any]) -> _Worker:
    """Return what does work on another thread, and tells of it on this one."""
    worker = create_worker(
        lambda: (yield from work), _start_thread=False, _ignore_errors=True
    )
    assert isinstance(worker, GeneratorWorker)
    return worker
