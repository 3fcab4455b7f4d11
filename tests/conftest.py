"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of data that cannot be redistributed, or skip the test."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("NAPARI_SEGNEXT_SHARED", beside))
    if not folder.is_dir():
        pytest.skip("needs reference fixtures and data that are not redistributed")
    return folder
