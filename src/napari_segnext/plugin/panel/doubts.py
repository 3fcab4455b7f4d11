"""The part of the panel that compares labels with the image, and lists what is odd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QVBoxLayout, QWidget

from napari_segnext.plugin.keys import COMPARE, TO_CHECK
from napari_segnext.plugin.panel.controls import (
    Do,
    action_button,
    make_button,
)
from napari_segnext.plugin.panel.doubt_table import DoubtTable
from napari_segnext.plugin.panel.state import DoubtState

if TYPE_CHECKING:
    from napari_segnext.plugin.annotator import Annotator


class DoubtPart(QWidget):
    """Compare all, how far it is, cancel, and the table of what is to be checked."""

    def __init__(self, do: Do) -> None:
        super().__init__()
        self.button = action_button(COMPARE, do, narrow=True)
        self.next = make_button("", "", narrow=True)
        self.cancel = make_button("Cancel", "Stop; what is compared stays", narrow=True)
        self.bar = QProgressBar()
        self.bar.setFormat("%v of %m")
        self.table = DoubtTable()
        row = QHBoxLayout()
        row.setSpacing(4)
        # The one in the middle stays, so that nothing below moves.
        for widget, stretch in (
            (self.button, 3),
            (self.bar, 3),
            (self.next, 3),
            (self.cancel, 2),
        ):
            row.addWidget(widget, stretch)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row)
        layout.addWidget(self.table)
        self.cancel.clicked.connect(lambda _=False: do(lambda to: to.doubting.stop()))
        self.next.clicked.connect(lambda _=False: do(TO_CHECK.run))
        self.table.chosen.connect(lambda key: do(lambda to: to.doubting.show(key)))

    def follow(self, annotator: Annotator) -> None:
        """Serve a session that has begun."""
        annotator.doubting.progressed.connect(self._progress)
        objects = annotator.session.objects
        self.table.name_by(lambda number: objects[number].name)

    def show_state(self, state: DoubtState) -> None:
        """Show what there is to check, and whether a comparison is on its way."""
        for at_work in (self.bar, self.cancel):
            at_work.setVisible(state.running)
        self.button.setVisible(not state.running)
        self.next.setText(f"To check: {len(state.listed)}   ⇧U")
        self.next.setEnabled(bool(state.listed))
        self.next.setToolTip(
            "Show what is to be checked next. The slice that is displayed counts as "
            "checked then; one that gets a prompt or an edit does so too"
        )
        self.table.show_listed(state.listed)
        self.table.setVisible(bool(state.listed))

    def _progress(self, done: int, total: int) -> None:
        self.bar.setRange(0, max(total, 1))
        self.bar.setValue(done)
