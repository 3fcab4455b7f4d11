"""The part of the panel that propagates objects and leads to what is doubtful."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QProgressBar, QWidget

from napari_segnext.plugin.keys import PROPAGATE, PROPAGATE_ALL
from napari_segnext.plugin.panel.controls import Do, keep_place, make_button
from napari_segnext.plugin.panel.doubts import DoubtPart
from napari_segnext.plugin.panel.follower_choice import FollowerChoice
from napari_segnext.plugin.panel.state import PropagationState

if TYPE_CHECKING:
    from napari_segnext.plugin.annotator import Annotator


class PropagationPart(QWidget):
    """Propagate, how far it is, cancel, and what is to be checked."""

    def __init__(self, do: Do) -> None:
        super().__init__()
        self.button = make_button(
            PROPAGATE.button,
            "Find the object in the other slices along the displayed axis, from those "
            "with prompts or edits. After a correction only the slices up to the next "
            "ones with prompts are found anew. One step of undo",
            narrow=True,
        )
        self.all = make_button(
            PROPAGATE_ALL.label,
            "Propagate every object that has prompts or edits along the displayed axis "
            "and is not finished, one after the other, each as a step of undo (Alt+U)",
            narrow=True,
        )
        self.cancel = make_button("Cancel", "Stop; nothing changes", narrow=True)
        self.bar = QProgressBar()
        self.bar.setFormat("%v of %m slices")
        self.follower = FollowerChoice(do)
        self.doubts = DoubtPart(do)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self._begin = QWidget()
        begin = QHBoxLayout(self._begin)
        begin.setContentsMargins(0, 0, 0, 0)
        begin.setSpacing(4)
        begin.addWidget(self.button, 2)
        begin.addWidget(self.all, 1)
        # One in the place of the other, so that nothing below moves.
        for widget, column, columns in (
            (self._begin, 0, 2),
            (self.bar, 0, 1),
            (self.cancel, 1, 1),
        ):
            keep_place(widget)
            layout.addWidget(widget, 0, column, 1, columns)
        layout.addWidget(self.follower, 1, 0, 1, 2)
        layout.addWidget(self.doubts, 2, 0, 1, 2)
        for column, stretch in enumerate((3, 2)):
            layout.setColumnStretch(column, stretch)
        self.button.clicked.connect(lambda _=False: do(PROPAGATE.run))
        self.cancel.clicked.connect(
            lambda _=False: do(lambda to: to.propagation.stop())
        )
        self.all.clicked.connect(lambda _=False: do(PROPAGATE_ALL.run))

    def follow(self, annotator: Annotator) -> None:
        """Serve a session that has begun."""
        annotator.propagation.progressed.connect(self._progress)
        self.doubts.follow(annotator)

    def show_state(self, state: PropagationState) -> None:
        """Show what there is to check, and whether something is on its way."""
        for at_work in (self.bar, self.cancel):
            at_work.setVisible(state.running)
        self._begin.setVisible(not state.running)
        for each in (self.button, self.all, self.follower):
            each.setEnabled(not state.running)
        self.follower.show_address(state.server)
        self.doubts.show_state(state.doubts)

    def _progress(self, done: int, total: int) -> None:
        self.bar.setRange(0, max(total, 1))
        self.bar.setValue(done)
