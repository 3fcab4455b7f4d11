"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
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


@pytest.fixture(autouse=True)
def watched(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test with a window in which the package stalls it for seconds."""
    if "qtbot" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("qapp")
    from tests.watchdog import Watchdog, unbearable

    with Watchdog() as watchdog:
        yield
    # Reports reach the process that prints, whichever ran the test.
    request.node.user_properties += [("stall", asdict(s)) for s in watchdog.stalls]
    for stall in unbearable(watchdog.stalls):
        pytest.fail(f"the window was held up: {stall}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell the longest stalls of windows, and what caused them."""
    reports = [r for kind in terminalreporter.stats.values() for r in kind]
    told = [
        (report.nodeid, value)
        for report in reports
        if getattr(report, "when", "") == "teardown"
        for name, value in report.user_properties
        if name == "stall"
    ]
    if not told:
        return
    from tests.watchdog import Stall, longest

    stalls = {Stall(**{**v, "stack": tuple(v["stack"])}): test for test, v in told}
    terminalreporter.section("longest stalls of the window")
    for stall in longest(stalls):
        terminalreporter.write_line(f"{stalls[stall]}: {stall}")
