"""The part of the panel that helps: guide, keys, and what a report needs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from napari.utils.info import sys_info
from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication, QHBoxLayout, QMessageBox, QWidget

from napari_segnext import __version__
from napari_segnext.plugin.keys import ACTIONS
from napari_segnext.plugin.panel.controls import make_button

GUIDE = "https://napari-segnext.github.io/napari-segnext/"
ISSUES = "https://github.com/napari-segnext/napari-segnext/issues/new/choose"
# Of the latest messages, how many are reported.
_MESSAGES = 30
_COPIED = "Copied. Read it before you paste it: messages may name your files"


class Help(QWidget):
    """Opens the guide, lists the keys, and copies what a report needs.

    Parameters
    ----------
    describe
        Tells which model answers, and on what.
    say
        Writes the status line.
    """

    def __init__(
        self, describe: Callable[[], str], say: Callable[[str], object]
    ) -> None:
        super().__init__()
        self._describe, self._say = describe, say
        self._messages: deque[str] = deque(maxlen=_MESSAGES)
        guide = make_button("Guide", f"Open {GUIDE}", narrow=True)
        guide.clicked.connect(lambda: QDesktopServices.openUrl(QUrl(GUIDE)))
        keys = make_button("Keys", "Show what each key does", narrow=True)
        keys.clicked.connect(self._show_keys)
        report = make_button(
            "Report a problem",
            "Copy versions, device, engine and the latest messages, and open the page "
            "on which to describe it. Nothing is sent by this",
            narrow=True,
        )
        report.clicked.connect(self._report)
        buttons = QHBoxLayout(self)
        buttons.setContentsMargins(0, 0, 0, 0)
        for button in (guide, keys, report):
            buttons.addWidget(button)

    def note(self, message: str) -> None:
        """Remember what was said, for a report."""
        self._messages.append(f"{time.strftime('%H:%M:%S')} {message}")

    @property
    def report(self) -> str:
        """What to know of this program and machine, in lines."""
        own = f"napari-segnext: {__version__}, {self._describe()}"
        return "\n".join([own, "", sys_info(), "", *self._messages])

    def _show_keys(self) -> None:
        rows = (
            f"<tr><td><b>{a.shown}</b>&nbsp;&nbsp;</td><td>{a.text}</td></tr>"
            for a in ACTIONS
            if a.key
        )
        box = QMessageBox(self)
        box.setWindowTitle("Keys of SegNext")
        box.setText(f"<table>{''.join(rows)}</table>")
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        # Beside the work, which goes on.
        box.setModal(False)
        box.show()

    def _report(self) -> None:
        clipboard = QApplication.clipboard()
        assert clipboard is not None
        clipboard.setText(self.report)
        self._say(_COPIED)
        QDesktopServices.openUrl(QUrl(ISSUES))
