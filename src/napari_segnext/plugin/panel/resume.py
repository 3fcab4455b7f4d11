"""What the user sees of the journal: an offer to resume, and whether all is saved."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_segnext.journal import Earlier
from napari_segnext.plugin.panel.controls import make_combo
from napari_segnext.plugin.work.saving import Saving


class ResumeOffer(QFrame):
    """Earlier work on the image: go on with it, or start new."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._saving: Saving | None = None
        self._shown: tuple[Earlier, ...] = ()
        self.setObjectName("resume")
        self.setStyleSheet("#resume { border: 1px solid #e0a030; border-radius: 4px; }")
        layout = QVBoxLayout(self)
        layout.setSpacing(6)
        title = QLabel("<b>There is earlier work on this image</b>")
        title.setWordWrap(True)
        layout.addWidget(title)
        self.times = make_combo("When it was saved last; choose which to resume")
        self.times.currentIndexChanged.connect(self._show_chosen)
        layout.addWidget(self.times)
        self._what = QLabel()
        self._what.setWordWrap(True)
        layout.addWidget(self._what)
        row = QHBoxLayout()
        self.resume_button = _button(
            "Resume", "Objects, prompts, manual edits and masks come back as they were"
        )
        self.resume_button.setStyleSheet("font-weight: bold")
        self.resume_button.clicked.connect(lambda _=False: self._resume())
        self.new_button = _button(
            "Start new",
            "Nothing is deleted: the earlier work is kept and offered again",
        )
        self.new_button.clicked.connect(lambda _=False: self._start_new())
        row.addWidget(self.resume_button)
        row.addWidget(self.new_button)
        layout.addLayout(row)
        self.hide()

    def follow(self, saving: Saving) -> None:
        """Show what a session has to offer."""
        self._saving = saving
        saving.changed.connect(lambda: self._show(saving))
        self._show(saving)

    def _show(self, saving: Saving) -> None:
        if saving is not self._saving:
            return
        earlier = tuple(saving.earlier)
        if earlier != self._shown:
            self._shown = earlier
            chosen = max(self.times.currentIndex(), 0)
            self.times.clear()
            self.times.addItems([f"{each.time:%d %b %Y, %H:%M:%S}" for each in earlier])
            self.times.setCurrentIndex(min(chosen, len(earlier) - 1))
        self.setVisible(bool(earlier))

    def _show_chosen(self, index: int) -> None:
        if not 0 <= index < len(self._shown):
            return
        chosen = self._shown[index]
        counts = (
            _count(chosen.objects, "object"),
            _count(chosen.prompts, "prompt"),
            _count(chosen.planes, "slice"),
        )
        text = "{}, {} in {}. Starting new deletes nothing."
        if chosen.damaged:
            text += " The file is damaged and a part is missing: it is kept as it is."
        self._what.setText(text.format(*counts))
        self._what.setToolTip(str(chosen.path))

    def _resume(self) -> None:
        if self._saving is not None and self._shown:
            self._saving.resume(self._shown[self.times.currentIndex()].path)

    def _start_new(self) -> None:
        if self._saving is not None:
            self._saving.start_new()


class StatusLine(QElidingLabel):
    """What was said last, and what is not saved yet.

    It has two lines always, so that nothing above it moves while the user works; all
    of a longer message is in its tooltip.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        # It is cut to its width, without a thought for the padding of the theme.
        self.setStyleSheet("padding: 0;")
        # Messages quote what others wrote; and no path in one makes the panel wider.
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._said = self._mark = ""
        self._passing = True
        self._saving: Saving | None = None

    def showEvent(self, event: Any) -> None:
        """Take the height of two lines in the font of the theme."""
        self.setFixedHeight(2 * self.fontMetrics().height() + 6)
        super().showEvent(event)

    def say(self, text: str, passing: bool = False) -> None:
        """Replace what was said.

        Parameters
        ----------
        passing
            Whether it need not stay when a slice is ready.
        """
        self._said, self._passing = text, passing
        text = f"{text} · {self._mark}" if self._mark else text
        self.setText(text)
        self.setToolTip(text)

    def say_ready(self, text: str) -> None:
        """Say that a slice is ready, unless news would give way to that."""
        if self._passing:
            self.say(text, passing=True)

    def follow(self, saving: Saving) -> None:
        """Mark what a session has not saved yet."""
        self._saving = saving
        saving.changed.connect(lambda: self._show(saving))

    def _show(self, saving: Saving) -> None:
        if saving is self._saving and saving.mark != self._mark:
            self._mark = saving.mark
            self.say(self._said, self._passing)


class SavingLine(QElidingLabel):
    """Whether all is saved, and where."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setElideMode(Qt.TextElideMode.ElideMiddle)
        self._saving: Saving | None = None

    def follow(self, saving: Saving) -> None:
        """Tell about a session's journal."""
        self._saving = saving
        saving.changed.connect(lambda: self._show(saving))
        self._show(saving)

    def _show(self, saving: Saving) -> None:
        if saving is not self._saving:
            return
        path, safe = saving.path, not (saving.problem or saving.mark)
        where = f" in {path.name}" if path else ""
        self.setText(f"Saved{where}" if path and safe else f"Not saved{where}")
        # It is shortened to its width, without a thought for the padding of the theme.
        self.setStyleSheet("padding: 0;" + ("" if safe else "color: #e0a030"))
        self.setVisible(path is not None or not safe)
        self.setToolTip(
            (saving.problem + "\n" if saving.problem else "")
            + ("The image is open in another viewer.\n" if saving.apart else "")
            + "Objects, prompts, edits and masks are saved as you work, in\n"
            + f"{path or 'a journal'}\n"
            + "Save the objects' layer (File > Save Selected Layers) for other programs"
        )


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
