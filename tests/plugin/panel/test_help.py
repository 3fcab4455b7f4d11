"""What a report of a problem holds."""

from __future__ import annotations

from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication, QPushButton

from napari_segnext.plugin.panel.help import ISSUES, Help


def test_a_report_has_versions_model_and_messages_and_sends_nothing(qtbot, monkeypatch):
    opened = []
    monkeypatch.setattr(
        QDesktopServices, "openUrl", lambda url: opened.append(url.toString())
    )
    said = []
    part = Help(lambda: "tiny on CPU, 2 threads: PyTorch, traced", said.append)
    qtbot.addWidget(part)
    part.note("The model could not be loaded")
    (button,) = (b for b in part.findChildren(QPushButton) if "Report" in b.text())
    button.click()
    copied = QApplication.clipboard().text()
    for known in ("napari-segnext: ", "PyTorch, traced", "PySide6", "not be loaded"):
        assert known in copied
    assert "Copied" in said[0]
    assert opened == [ISSUES]
