"""The part of the panel that takes a phrase, and the folder of the CLIP for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QWidget

from napari_segnext.plugin.panel.controls import make_button
from napari_segnext.plugin.panel.state import PhraseState
from napari_segnext.plugin.work.phrases import Phrases

CLIP_VARIABLE = "NAPARI_SEGNEXT_CLIP"
_TIP = (
    "Say what the object is, as the model has learned to: Enter applies it to the "
    "selected object in the displayed slice, together with its clicks. Without words "
    "Enter takes the phrase away"
)


class TextPart(QWidget):
    """A field for the phrase; where it is of no use, it says why.

    Parameters
    ----------
    reload
        Called when another CLIP was chosen.

    Attributes
    ----------
    folder
        Of the CLIP; None until one is chosen.
    """

    def __init__(self, reload: Callable[[], None]) -> None:
        super().__init__()
        self._reload = reload
        self._phrases: Phrases | None = None
        self._shown: object = None
        given = os.environ.get(CLIP_VARIABLE)
        self.folder = Path(given) if given else None
        self.field = QLineEdit()
        self.field.setClearButtonEnabled(True)
        # A theme's own is too faint to be read where the field is disabled.
        self.field.setStyleSheet("QLineEdit { placeholder-text-color: gray; }")
        self.field.returnPressed.connect(self._say)
        self.choose = make_button("CLIP…", "", narrow=True)
        self.choose.clicked.connect(self._choose_folder)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.field, 1)
        row.addWidget(self.choose)

    def follow(self, phrases: Phrases) -> None:
        """Serve a session that has begun."""
        self._phrases, self._shown = phrases, None
        self.refresh()

    def refresh(self) -> None:
        """Show what is so now."""
        if self._phrases is not None:
            self.show_state(PhraseState.of(self._phrases))

    def show_state(self, state: PhraseState) -> None:
        """Show the phrase of the selected object here, or why there can be none."""
        short, _, full = state.obstacle.partition(":")
        self.setVisible(state.possible)
        self.field.setEnabled(not short)
        self.field.setPlaceholderText(short or "Phrase, then Enter")
        self.field.setToolTip(f"{short}: {full.strip()}" if full else short or _TIP)
        self.choose.setToolTip(
            "Choose the folder of the CLIP that the model was trained with "
            f"({self.folder or 'none yet'}). {CLIP_VARIABLE} sets what it starts from"
        )
        # What is being typed stays, unless it was meant for something else.
        shown = state.place, state.phrase
        if shown != self._shown:
            self._shown = shown
            self.field.setText(state.phrase)

    def restore(self) -> None:
        """Show again what is so, in place of what was typed."""
        self._shown = None
        self.refresh()

    def use_folder(self, folder: Path) -> None:
        """Take the CLIP of a folder from now on."""
        self.folder = folder
        self._reload()
        self.refresh()

    def _say(self) -> None:
        if self._phrases is not None:
            self._phrases.say(self.field.text())
            self.refresh()

    def _choose_folder(self) -> None:
        start = str(self.folder or Path.home())
        chosen = QFileDialog.getExistingDirectory(self, "Folder of a CLIP", start)
        if chosen:
            self.use_folder(Path(chosen))
