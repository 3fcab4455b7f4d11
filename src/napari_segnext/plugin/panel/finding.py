"""The part of the panel that finds others, and leads through what is proposed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_segnext.plugin.keys import (
    ACCEPT_PROPOSAL,
    COMPLETE,
    FIND,
    NEXT_PROPOSAL,
    REJECT_PROPOSAL,
    Action,
)
from napari_segnext.plugin.panel.controls import (
    Do,
    action_button,
    leave_wheel,
    make_button,
    make_combo,
)
from napari_segnext.plugin.panel.proposal_table import ProposalTable
from napari_segnext.plugin.work.finding import Reach

if TYPE_CHECKING:
    from napari_segnext.plugin.annotator import Annotator
    from napari_segnext.plugin.panel.state import FindingState

_SHOWN, _RANGE, _ALL = range(3)


class FindingPart(QWidget):
    """Find more, where and how far, and the proposals: one by one, or all at once."""

    def __init__(self, do: Do) -> None:
        super().__init__()
        self._do = do
        self.button = action_button(FIND, do, narrow=True)
        self.cancel = make_button(
            "Cancel", "Stop; what is found so far stays", narrow=True
        )
        self.cancel.clicked.connect(lambda _=False: do(lambda to: to.finding.stop()))
        self.bar = QProgressBar()
        self.reach = ReachChoice(do)
        self.complete = action_button(COMPLETE, do, narrow=True)
        self.complete.setCheckable(True)
        self.table = ProposalTable()
        self.table.chosen.connect(lambda n: do(lambda to: to.reviewing.show(n)))
        self.table.sorted.connect(lambda by: do(lambda to: to.reviewing.sort(by)))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(_row((self.button, 3), (self.bar, 3), (self.cancel, 1)))
        layout.addWidget(self.reach)
        layout.addWidget(self.complete)
        self._review = self._build_review(do)
        layout.addWidget(self._review)

    def _build_review(self, do: Do) -> QWidget:
        actions = (NEXT_PROPOSAL, ACCEPT_PROPOSAL, REJECT_PROPOSAL)
        buttons = [action_button(action, do, narrow=True) for action in actions]
        for button, action in zip(buttons, actions, strict=True):
            button.setText(_short(action))
        self.next, self.accept, self.reject = buttons
        self.least = ScoreSlider()
        self.least.valueChanged.connect(
            lambda value: do(lambda to: to.reviewing.show_from(value / 100))
        )
        self._score = QLabel()
        self._score.setMinimumWidth(self.fontMetrics().horizontalAdvance("from 100 %"))
        self.accept_all = make_button(
            "", "Make all that are listed objects: one step of undo", narrow=True
        )
        self.accept_all.clicked.connect(
            lambda _=False: do(lambda to: to.reviewing.accept_all())
        )
        self.join = QCheckBox("Join slices")
        self.join.setToolTip(
            "A proposal that lies over an object of the slice before or after becomes "
            "a part of it; else each becomes an object of its own"
        )
        self.join.clicked.connect(
            lambda on: do(lambda to: to.reviewing.join_slices(on))
        )
        review = QWidget()
        layout = QVBoxLayout(review)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(_row((self._score, 0), (self.least, 1)))
        layout.addWidget(self.table)
        layout.addLayout(_row((self.next, 1), (self.accept, 1), (self.reject, 1)))
        layout.addWidget(self.accept_all)
        layout.addWidget(self.join)
        return review

    def follow(self, annotator: Annotator) -> None:
        """Serve a session that has begun."""
        reviewing, finding = annotator.reviewing, annotator.finding
        self.table.look_up(reviewing.proposal, reviewing.told)

        def progress(done: int, total: int) -> None:
            self.bar.setFormat(finding.stage)
            self.bar.setRange(0, max(total, 1))
            self.bar.setValue(done)

        finding.progressed.connect(progress)

    def show_state(self, state: FindingState) -> None:
        """Show what is proposed, and whether others are being looked for."""
        for at_work in (self.bar, self.cancel):
            at_work.setVisible(state.running)
        self.button.setVisible(not state.running)
        self.reach.show_state(state)
        self.complete.setChecked(state.complete)
        self.complete.setText(_short(COMPLETE))
        if state.completed and state.last:
            slices = ", ".join(map(str, state.completed))
            self.complete.setText(f"{_short(COMPLETE)}   ({len(state.completed)})")
            self.complete.setToolTip(f"{COMPLETE.text}. So it is in {slices}")
        else:
            self.complete.setToolTip(COMPLETE.text)
        listed = state.listed
        self._score.setText(f"from {state.least:.0%}")
        self.least.show_value(round(100 * state.least))
        self.table.show_listed(listed, state.current, state.by_slice)
        for button in (self.next, self.accept_all):
            button.setEnabled(bool(listed))
        for button in (self.accept, self.reject):
            button.setEnabled(bool(state.current))
        self.accept_all.setText(f"Accept all {len(listed)}")
        self.join.setVisible(state.last > 0)
        self.join.setChecked(state.join)


class ReachChoice(QWidget):
    """Which slices are searched: the displayed one, some, or all."""

    def __init__(self, do: Do) -> None:
        super().__init__()
        self._do = do
        self.choice = make_combo("Which slices are searched, along the displayed axis")
        self.choice.addItems(["In this slice", "In slices", "In all slices"])
        self.first, self.last = QSpinBox(), QSpinBox()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.choice)
        # All three in a row are wider than the panel.
        layout.addLayout(_row((self.first, 1), (self.last, 1)))
        self.choice.activated.connect(lambda _: self._tell())
        for box in (self.first, self.last):
            leave_wheel(box)
            box.valueChanged.connect(lambda _: self._tell())

    def show_state(self, state: FindingState) -> None:
        """Show what is chosen, of the slices that there are."""
        self.setVisible(state.last > 0)
        reach, some = state.reach, state.reach.first is not None
        self.choice.setCurrentIndex(_ALL if reach.whole else _RANGE if some else _SHOWN)
        for box, value in ((self.first, reach.first), (self.last, reach.last)):
            box.blockSignals(True)
            box.setVisible(some)
            box.setMaximum(state.last)
            if value is not None:
                box.setValue(value)
            box.blockSignals(False)

    def _tell(self) -> None:
        chosen = self.choice.currentIndex()
        first, last = self.first.value(), self.last.value()
        if chosen == _RANGE and self.first.isHidden():
            first, last = 0, self.last.maximum()
        some = (first, last) if chosen == _RANGE else (None, None)
        reach = Reach(chosen == _ALL, *some)
        self._do(lambda to: to.finding.choose(reach))


class ScoreSlider(QSlider):
    """The score from which on proposals are listed, in hundredths."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        leave_wheel(self)
        self.setRange(0, 100)
        self.setToolTip("Drag: proposals below this score are neither listed nor shown")

    def show_value(self, value: int) -> None:
        """Show a value, and tell nobody."""
        self.blockSignals(True)
        self.setValue(value)
        self.blockSignals(False)


def _short(action: Action) -> str:
    """Return what a button says that has little room, with its key."""
    return f"{action.label}   {action.shown.replace('Shift+', '⇧')}"


def _row(*widgets: tuple[QWidget, int]) -> QHBoxLayout:
    """Lay widgets beside each other, each with its share of the room."""
    row = QHBoxLayout()
    row.setSpacing(4)
    for widget, stretch in widgets:
        row.addWidget(widget, stretch)
    return row
