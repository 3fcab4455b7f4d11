"""The bar that shows how long a slice has been waited for."""

import pytest

from napari_segnext.plugin.panel import waiting_bar
from napari_segnext.plugin.panel.waiting_bar import WaitingBar


@pytest.fixture
def bar(qtbot, monkeypatch):
    monkeypatch.setattr(waiting_bar, "_FROM_MS", 50)
    monkeypatch.setattr(waiting_bar, "_EVERY_MS", 20)
    bar = WaitingBar()
    qtbot.addWidget(bar)
    return bar


def test_short_waits_are_not_shown(bar, qtbot):
    bar.wait(0)
    bar.wait(None)
    qtbot.wait(100)
    assert bar.isHidden()


def test_first_wait_tells_the_seconds_that_have_passed(bar, qtbot):
    bar.wait(0)
    assert bar.isHidden()
    qtbot.waitUntil(lambda: not bar.isHidden())
    assert (bar.format(), bar.value()) == ("Embedding: 0 s", 0)
    qtbot.waitUntil(lambda: bar.format() == "Embedding: 1 s")
    bar.wait(None)
    assert bar.isHidden()


def test_later_waits_fill_it_but_never_wholly(bar, qtbot):
    bar.wait(0.2)
    qtbot.waitUntil(lambda: 0 < bar.value() < 99)
    qtbot.waitUntil(lambda: bar.value() == 99)
    qtbot.wait(60)
    assert bar.value() == 99


def test_saying_again_that_it_is_waited_for_does_not_begin_anew(bar, qtbot):
    bar.wait(100)
    qtbot.waitUntil(lambda: bar.value() >= 1, timeout=3000)
    bar.wait(100)
    assert bar.value() >= 1


def test_the_next_wait_begins_at_nothing(bar, qtbot):
    bar.wait(0.1)
    qtbot.waitUntil(lambda: bar.value() == 99)
    bar.wait(None)
    bar.wait(100)
    qtbot.waitUntil(lambda: not bar.isHidden())
    assert bar.value() == 0
