"""The part of the panel that teaches the model what was accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QVBoxLayout, QWidget

from napari_segnext.plugin.keys import TEACH
from napari_segnext.plugin.panel.controls import Do, action_button, make_button
from napari_segnext.plugin.panel.model_choice import ModelChoice
from napari_segnext.plugin.panel.state import TeachingState

if TYPE_CHECKING:
    from napari_segnext.plugin.annotator import Annotator


class TeachingPart(QWidget):
    """Teach, how far it is, cancel, what came of it, and forget.

    Parameters
    ----------
    models
        Shows which model answers.
    load
        Loads the one that it shows.
    """

    def __init__(self, do: Do, models: ModelChoice, load: Callable[[], None]) -> None:
        super().__init__()
        self._models, self._load = models, load
        models.chosen.connect(lambda: do(lambda to: to.teaching.leave()))
        self.button = action_button(TEACH, do, narrow=True)
        self.forget = make_button(
            "Forget", "Answer by the model from before; Ctrl+Z undoes it", narrow=True
        )
        self.cancel = make_button(
            "Cancel", "Stop; the model stays as it is", narrow=True
        )
        self.bar = QProgressBar()
        self.outcome = QLabel()
        self.outcome.setWordWrap(True)
        row = QHBoxLayout()
        row.setSpacing(4)
        for widget in (self.button, self.bar, self.cancel, self.forget):
            row.addWidget(widget, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row)
        layout.addWidget(self.outcome)
        self.cancel.clicked.connect(lambda _=False: do(lambda to: to.teaching.stop()))
        self.forget.clicked.connect(lambda _=False: do(lambda to: to.teaching.forget()))

    def follow(self, annotator: Annotator) -> None:
        """Serve a session that has begun."""
        annotator.teaching.progressed.connect(self._progress)
        annotator.teaching.wanted.connect(self._answer_by)

    def show_state(self, state: TeachingState) -> None:
        """Show whether the model is being taught, and what came of it."""
        for at_work in (self.bar, self.cancel):
            at_work.setVisible(state.running)
        self.button.setVisible(not state.running)
        self.forget.setVisible(not state.running)
        self.forget.setEnabled(bool(state.taught))
        if state.running:
            self.bar.setValue(0)
        self.outcome.setText(_told(state))
        self.outcome.setVisible(bool(self.outcome.text()))

    def _answer_by(self, taught: str) -> None:
        self._models.show_taught(taught)
        self._load()

    def _progress(self, done: int, total: int) -> None:
        self.bar.setRange(0, total)
        self.bar.setValue(done)


def _told(state: TeachingState) -> str:
    """Say which model answers, and what came of teaching."""
    if state.lost:
        return (
            f"{state.taught} cannot be loaded: the model before it answers. Put it "
            "beside the journal and resume, or forget it"
        )
    lesson = state.lesson
    if lesson is None:
        return "A taught model answers" if state.taught else ""
    many = "object that was" if lesson.objects == 1 else "objects that were"
    used = "Kept" if state.taught else "Forgotten"
    verdict = used if lesson.kept else "Not kept, as it is no better"
    return f"{verdict}: {lesson.told} ({lesson.objects} {many} kept back)"
