"""The part of the panel that helps: guide, keys, and what a report needs."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.info import sys_info
from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication, QHBoxLayout, QMessageBox, QWidget

from napari_segnext import __version__
from napari_segnext.plugin.keys import ACTIONS
from napari_segnext.plugin.panel.controls import make_button

if TYPE_CHECKING:
    import napari

GUIDE = "https://napari-segnext.github.io/napari-segnext/"
ISSUES = "https://github.com/napari-segnext/napari-segnext/issues/new/choose"
# Of the latest messages, how many are reported.
_MESSAGES = 30
_COPIED = "Copied, without names of files. Read it before you paste it"
# What napari says of itself that names folders and files of the user.
_PRIVATE = ("Settings path", "Launch command")
# Folders and suffixes, but no "3/40" and no end of a sentence.
_FILE = re.compile(r"(?<!\d)[/\\]|[/\\](?!\d)|\.(?=[A-Za-z])")
_CLAUSES = re.compile(r"(?<=[:;])( )|(\n)")


class Help(QWidget):
    """Opens the guide, lists the keys, and copies what a report needs.

    Parameters
    ----------
    viewer
        Whose layers' names no report has.
    model
        Tells which model answers: its name or file.
    device
        Tells on what, and with which engine.
    say
        Writes the status line.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        model: Callable[[], str],
        device: Callable[[], str],
        say: Callable[[str], object],
    ) -> None:
        super().__init__()
        self._viewer, self._say = viewer, say
        self._model, self._device = model, device
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
        """Remember what was said, for a report, without names of files and layers."""
        kept = _without_names(message, (layer.name for layer in self._viewer.layers))
        self._messages.append(f"{time.strftime('%H:%M:%S')} {kept}")

    @property
    def report(self) -> str:
        """What to know of this program and machine, in lines."""
        model = Path(self._model()).name
        own = f"napari-segnext: {__version__}, {model} on {self._device()}"
        sections = sys_info().strip().split("\n\n")
        open_to_all = (each for each in sections if not each.startswith(_PRIVATE))
        return "\n\n".join([own, *open_to_all, "\n".join(self._messages)])

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


def _without_names(message: str, names: Iterable[str]) -> str:
    """Leave out names, and each clause that has a file: its name may have spaces."""
    for name in sorted(names, key=len, reverse=True):
        message = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", message)
    clauses = (each for each in _CLAUSES.split(message) if each)
    return "".join("…" if _FILE.search(each) else each for each in clauses)
