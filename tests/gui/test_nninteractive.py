"""A whole object is found by a server of nnInteractive, and stays the user's own."""

import numpy as np
import pytest
from qtpy.QtWidgets import QInputDialog

pytest.importorskip("nnInteractive", reason="needs the extra nninteractive")

from tests.gui.test_propagation import (  # noqa: F401
    START,
    alone,
    click,
    desk,
    is_over,
    model,
    press,
    propagate,
    volume,
)
from tests.propagation.nninteractive_double import Double, serving

from napari_segnext.geometry.plane import Plane


@pytest.fixture
def double():
    with serving(Double()) as double:
        yield double


@pytest.fixture
def choose(desk, monkeypatch):  # noqa: F811
    """Choose a server as a user does, who types its address or closes the dialogue."""

    def choose(address):
        said = address or "", address is not None
        monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: said)
        follower = desk.widget.propagation.follower
        follower.setCurrentIndex(1)
        follower.activated.emit(1)
        return follower

    return choose


def test_the_server_finds_the_object_as_one_step_of_undo(
    desk,  # noqa: F811
    choose,
    double,
):
    follower = choose(double.address)
    assert follower.currentText().endswith(double.address.partition("://")[2])
    click(desk, (START, 30, 30))
    double.may_answer.clear()
    propagate(desk)
    assert double.address in desk.status
    # Clicks do not wait for the server.
    desk.user.click((START, 32, 32), desk.image)
    desk.user.waits_until(lambda: len(desk.prompts(Plane(0, START))) == 2)
    desk.user.waits_until(lambda: not desk.annotator.session.requests())
    before = desk.labels.copy()
    assert desk.annotator.propagation.running
    double.may_answer.set()
    is_over(desk)
    found = np.flatnonzero(desk.labels.any((1, 2)))
    assert {START - 1, START + 1} < set(found)
    assert f"Found in {len(found) - 1} more slices" in desk.status
    assert np.array_equal(desk.labels[START], before[START])
    desk.annotator.session.undo()
    assert np.array_equal(desk.labels, before)
    desk.widget.stop()
    desk.user.waits_until(lambda: not double.leases)


def test_cancelled_while_the_server_works_all_is_as_before(
    desk,  # noqa: F811
    choose,
    double,
):
    follower = choose(double.address)
    click(desk, (START, 30, 30))
    double.may_answer.clear()
    propagate(desk)
    desk.user.waits_until(lambda: bool(double.told))
    press(desk.widget.propagation.cancel)
    is_over(desk)
    assert alone(desk)
    double.may_answer.set()
    follower.setCurrentIndex(0)
    follower.activated.emit(0)
    assert desk.annotator.propagation.address == ""
    desk.user.waits_until(lambda: not double.leases)
    propagate(desk)
    is_over(desk)
    assert not alone(desk), "the model follows it again"


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://"])
def test_a_server_that_is_none_loses_nothing(
    desk,  # noqa: F811
    choose,
    address,
):
    choose(address)
    click(desk, (START, 30, 30))
    propagate(desk)
    is_over(desk)
    assert "http://" in desk.status and "address" in desk.status
    assert alone(desk)


def test_a_dialogue_that_is_closed_changes_nothing(
    desk,  # noqa: F811
    choose,
):
    assert choose(None).currentIndex() == 0
    assert desk.annotator.propagation.address == ""
