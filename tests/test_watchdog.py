"""The watchdog of the event loop tells what holds the window up, and how long."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from qtpy.QtCore import QTimer

from tests.watchdog import LONGEST_MS, STALL_MS, Stall, Watchdog, longest, unbearable


def hold_up() -> None:
    time.sleep(4 * STALL_MS / 1e3)


def test_a_stall_is_told_with_what_caused_it(qtbot) -> None:
    with Watchdog() as watchdog:
        QTimer.singleShot(20, hold_up)
        qtbot.wait(400)
    stall = max(watchdog.stalls, key=lambda each: each.wall)
    assert stall.wall >= 3 * STALL_MS
    assert watchdog.longest == stall.wall
    assert stall.cpu < stall.wall / 2
    assert stall.stack[-1].endswith("hold_up")
    # Nothing of the package is to blame.
    assert stall.own == 0
    assert longest(watchdog.stalls) == []


def test_code_of_the_package_is_blamed(qtbot, monkeypatch) -> None:
    monkeypatch.setattr("tests.watchdog.PACKAGE", __file__)
    with Watchdog() as watchdog:
        QTimer.singleShot(20, hold_up)
        qtbot.wait(400)
    first = longest(watchdog.stalls)[0]
    assert first.own >= 3 * STALL_MS
    assert "hold_up" in str(first)


def test_what_napari_does_for_the_package_is_told_apart(qtbot, monkeypatch) -> None:
    monkeypatch.setattr("tests.watchdog.PACKAGE", __file__)
    monkeypatch.setattr("tests.watchdog.NAPARI", threading.__file__)
    with Watchdog() as watchdog:
        QTimer.singleShot(20, lambda: threading.Event().wait(4 * STALL_MS / 1e3))
        QTimer.singleShot(40, hold_up)
        qtbot.wait(600)
    in_napari, alone = sorted(longest(watchdog.stalls)[:2], key=lambda s: -s.napari)
    assert in_napari.napari >= 3 * STALL_MS
    assert alone.napari == 0 and alone.own >= 3 * STALL_MS


def test_what_the_package_computes_is_a_fault_and_waiting_is_none() -> None:
    slow = Stall(wall=3 * LONGEST_MS, cpu=2 * LONGEST_MS, own=2 * LONGEST_MS)
    waiting = Stall(wall=3 * LONGEST_MS, cpu=10, own=3 * LONGEST_MS)
    elsewhere = Stall(wall=3 * LONGEST_MS, cpu=3 * LONGEST_MS)
    adding = replace(elsewhere, own=3 * LONGEST_MS, napari=2.5 * LONGEST_MS)
    found = unbearable([waiting, slow, elsewhere, adding])
    assert found == [slow]
