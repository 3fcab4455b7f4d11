"""How long the user has been waiting for a slice to be embedded."""

from __future__ import annotations

import time

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QProgressBar, QWidget

from napari_segnext.plugin.panel.controls import keep_place

# A light model is done before; a bar that flickers would tell nothing.
_FROM_MS = 1000
_EVERY_MS = 500


class WaitingBar(QProgressBar):
    """A bar that appears when a slice is waited for longer than a second."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip("A slice is embedded once; after that, masks come at once")
        self._began = 0.0
        self._expected: float | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._show_elapsed)
        keep_place(self)
        self.hide()

    def wait(self, expected: float | None) -> None:
        """Begin to count, or go on counting; None ends it.

        Parameters
        ----------
        expected
            Seconds that a slice took before; 0 if none did.
        """
        if expected is None:
            self._timer.stop()
            self.hide()
        elif not self._timer.isActive():
            self._began = time.monotonic()
            self._timer.start(_FROM_MS)
        self._expected = expected

    def _show_elapsed(self) -> None:
        self._timer.setInterval(_EVERY_MS)
        elapsed = time.monotonic() - self._began
        text = f"Embedding: {elapsed:.0f} s"
        if self._expected:
            text += f" of about {self._expected:.0f} s"
            # It may take longer this time, and must not look done before it is.
            self.setValue(min(99, round(100 * elapsed / self._expected)))
        else:
            self.setValue(0)
        self.setFormat(text)
        self.show()
