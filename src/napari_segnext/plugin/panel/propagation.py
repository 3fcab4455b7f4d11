"""The part of the panel that propagates an object and leads to what is doubtful."""

from __future__ import annotations

from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QProgressBar, QWidget

from napari_segnext.plugin.keys import PROPAGATE, PROPAGATE_ALL, TO_CHECK
from napari_segnext.plugin.panel.controls import Do, keep_place, make_button
from napari_segnext.plugin.panel.doubtful_list import DoubtfulList
from napari_segnext.plugin.panel.state import PropagationState
from napari_segnext.plugin.work.propagating import Propagating


class PropagationPart(QWidget):
    """Propagate, how far it is, cancel, and the slices to check."""

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
        self.next = make_button("", "", narrow=True)
        self.bar = QProgressBar()
        self.bar.setFormat("%v of %m slices")
        self.list = DoubtfulList()
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
        for column, pair in enumerate(
            ((self._begin, self.bar), (self.next, self.cancel))
        ):
            for widget in pair:
                keep_place(widget)
                layout.addWidget(widget, 0, column)
        keep_place(self.list)
        layout.addWidget(self.list, 1, 0, 1, 2)
        for column, stretch in enumerate((3, 2)):
            layout.setColumnStretch(column, stretch)
        self.button.clicked.connect(lambda _=False: do(PROPAGATE.run))
        self.cancel.clicked.connect(
            lambda _=False: do(lambda to: to.propagation.stop())
        )
        self.all.clicked.connect(lambda _=False: do(PROPAGATE_ALL.run))
        self.next.clicked.connect(lambda _=False: do(TO_CHECK.run))
        self.list.chosen.connect(
            lambda plane: do(lambda to: to.propagation.show(plane))
        )

    def follow(self, propagating: Propagating) -> None:
        """Serve a session that has begun."""
        propagating.progressed.connect(self._progress)

    def show_state(self, state: PropagationState) -> None:
        """Show what there is to check, and whether something is on its way."""
        for at_work in (self.bar, self.cancel):
            at_work.setVisible(state.running)
        for idle in (self._begin, self.next):
            idle.setVisible(not state.running)
        for button in (self.button, self.all):
            button.setEnabled(not state.running)
        doubtful = state.doubtful
        self.next.setText(f"To check: {len(doubtful)}   ⇧U")
        self.next.setEnabled(bool(doubtful))
        self.next.setToolTip(
            "Show the next slice of low confidence. The one that is displayed counts "
            "as checked then; one that gets a prompt or an edit does so too"
        )
        self.list.show_planes(doubtful)
        self.list.setVisible(bool(doubtful))

    def _progress(self, done: int, total: int) -> None:
        self.bar.setRange(0, max(total, 1))
        self.bar.setValue(done)
