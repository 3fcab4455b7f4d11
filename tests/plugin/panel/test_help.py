"""What a report of a problem holds."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication, QPushButton

from napari_segnext.plugin.panel.help import ISSUES, Help


@pytest.fixture
def said():
    return []


@pytest.fixture
def part(qtbot, said):
    viewer = SimpleNamespace(layers=[SimpleNamespace(name="Jane Doe")])
    part = Help(
        viewer,
        lambda: "/models/mine.safetensors",
        lambda: "CPU, 2 threads: PyTorch, traced",
        said.append,
    )
    qtbot.addWidget(part)
    return part


def test_a_report_has_versions_model_and_messages_and_sends_nothing(
    part, said, monkeypatch
):
    opened = []
    monkeypatch.setattr(
        QDesktopServices, "openUrl", lambda url: opened.append(url.toString())
    )
    part.note("The model could not be loaded")
    (button,) = (b for b in part.findChildren(QPushButton) if "Report" in b.text())
    button.click()
    copied = QApplication.clipboard().text()
    known = "napari-segnext: ", "mine.safetensors", "traced", "PySide6", "not be loaded"
    for each in known:
        assert each in copied
    assert "Copied" in said[0]
    assert opened == [ISSUES]


def test_a_report_names_no_patient(part, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["napari", "/scans/jane_doe.nii.gz"])
    part.note("Jane Doe has other axes")
    part.note("Not saved: [Errno 13] Permission denied: '/scans/Jane Doe, 2/x.tif'")
    part.note("Saving Jane Doe 2.nii.gz …")
    part.note(r"No such file: C:\scans\jane doe\x.tif")
    part.note("Object 2 found in 3/40 slices. Go on")
    assert "jane" not in part.report.lower()
    assert "/models" not in part.report
    for kept in ("has other axes", "Permission denied: …", "in 3/40 slices. Go on"):
        assert kept in part.report
