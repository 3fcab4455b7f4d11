"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

# Before napari or Qt are imported: the user's own settings are neither read nor
# written, nor those of a test process beside this one, and a viewer needs the virtual
# screen that pytest-xvfb starts.
os.environ["NAPARI_CONFIG"] = tempfile.mkdtemp(prefix="napari-") + "/settings.yaml"
os.environ.setdefault("QT_QPA_PLATFORM", "xcb")


@pytest.fixture(autouse=True)
def data_folder(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Keep journals out of the user's data folder, and each test's from others'."""
    folder = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("NAPARI_SEGNEXT_DATA", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of data that cannot be redistributed, or skip the test."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("NAPARI_SEGNEXT_SHARED", beside))
    if not folder.is_dir():
        pytest.skip("needs reference fixtures and data that are not redistributed")
    return folder
