"""Repairs from the panel: buttons, the slider, a line that is drawn."""

from functools import partial

import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest
from tests.gui.conftest import SHAPE, Desk
from tests.gui.driver import CTRL, User

from napari_segnext.geometry.plane import Plane


@pytest.fixture
def given():
    """Object 1: two blocks and a bridge between, with a hole and specks; 2 beside."""
    given = np.zeros(SHAPE, np.uint16)
    given[3:8, 20:40, 10:30] = given[3:8, 20:40, 40:60] = 1
    given[3:8, 28:32, 30:40] = 1
    given[4, 50:52, 10:12] = given[9, 5, 5] = 1
    given[5, 25:27, 15:18] = given[6, 35, 50] = 0
    given[3:8, 20:40, 62:70] = 2
    return given


@pytest.fixture
def repair(make_napari_viewer, qtbot, engine, given):
    """A session that has started from the labels, at a slice in their middle."""
    viewer = make_napari_viewer()
    image = viewer.add_image(np.zeros(SHAPE, np.float32), name="volume")
    viewer.add_labels(given, name="labels")
    _, widget = viewer.window.add_plugin_dock_widget("napari-segnext", "SegNext")
    viewer.dims.set_current_step(0, 5)
    choice = widget.start_choice
    choice.setCurrentIndex(choice.findText("labels"))
    widget.start()
    desk = Desk(viewer, image, widget, engine, User(viewer, qtbot))
    desk.user.waits_until(lambda: "objects taken in" in widget.status)
    desk.user.waits_until(lambda: widget.repair.buttons[0].isEnabled())
    yield desk
    engine.release()


def press(desk, text):
    """Press a button of the bar, and wait until it is done."""
    (button,) = (b for b in desk.widget.repair.buttons if b.text() == text)
    button.click()
    desk.user.waits_until(lambda: not desk.annotator.repairing.running)


def drag_border(desk, by):
    slider = desk.widget.repair.border
    slider.setSliderDown(True)
    slider.setValue(by)
    slider.setSliderDown(False)
    assert slider.value() == 0
    desk.user.waits_until(lambda: not desk.annotator.repairing.running)


def undo(desk):
    desk.user.key(Qt.Key.Key_Z, CTRL)


def test_shapes_are_put_right_step_by_step_and_undo_goes_back(repair, given):
    press(repair, "Fill holes")
    assert repair.status == "Object 1: fill holes, 7 voxels"
    press(repair, "Remove specks")
    assert repair.status == "Object 1: remove specks, 5 voxels"
    right = given.copy()
    right[5, 25:27, 15:18] = right[6, 35, 50] = 1
    right[4, 50:52, 10:12] = right[9, 5, 5] = 0
    np.testing.assert_array_equal(repair.labels, right)
    for by, first, last in ((2, 18, 61), (-2, 22, 57)):
        drag_border(repair, by)
        rows, columns = np.nonzero(repair.labels[5] == 1)
        # The other object has lost nothing.
        assert (rows.min(), columns.max()) == (first, last)
        undo(repair)
    np.testing.assert_array_equal(repair.labels, right)
    undo(repair)
    assert "remove specks" in repair.status
    undo(repair)
    np.testing.assert_array_equal(repair.labels, given)


def test_a_slice_alone_is_repaired_and_nothing_that_is_finished(repair, given):
    repair.widget.repair.scopes[False].click()
    press(repair, "Fill holes")
    assert (repair.labels[5, 25:27, 15:18] == 1).all()
    assert repair.labels[6, 35, 50] == 0
    repair.viewer.dims.set_current_step(0, 4)
    press(repair, "Keep part")
    assert not repair.labels[4, 50:52, 10:12].any()
    repair.viewer.dims.set_current_step(0, 11)
    press(repair, "Smooth")
    assert "Nothing was repaired: there is nothing of the object" in repair.status
    before = repair.labels.copy()
    repair.annotator.objects.select(2)
    repair.user.key(Qt.Key.Key_G)
    repair.annotator.objects.select(2)
    press(repair, "Smooth")
    assert "Object 2 is finished; reopen it" in repair.status
    repair.annotator.objects.select(1)
    repair.annotator.repairing.fill_holes()
    repair.widget.repair.cancel.click()
    QTest.qWait(200)
    assert repair.status == "Nothing was repaired"
    np.testing.assert_array_equal(repair.labels, before)


def test_a_line_across_or_two_inside_split_an_object(repair, given):
    before = repair.labels.copy()
    press(repair, "Split")
    assert "Drag a line across Object 1" in repair.status
    repair.user.drag([(5, 5, 20), (5, 8, 30)], repair.image)
    repair.user.waits_until(lambda: "does not touch Object 1" in repair.status)
    repair.user.drag([(5, 22, 35), (5, 30, 35), (5, 38, 35)], repair.image)
    repair.user.waits_until(lambda: "the other half is Object 3" in repair.status)
    blocks = repair.labels[3:8, 20:40, 10:60]
    # The smaller half is the new object.
    assert (blocks[..., :25] != 1).all()
    assert (blocks[..., 26:] != 3).all()
    # Prompts are drawn again, and the line is gone.
    layers = repair.viewer.layers
    assert layers.selection.active is repair.annotator.prompts.points
    assert not layers["Split"].visible
    assert len(layers["Split"].data) == 0
    undo(repair)
    np.testing.assert_array_equal(repair.labels, before)

    press(repair, "Split")
    repair.user.drag([(5, 32, 14), (5, 32, 24)], repair.image)
    repair.user.waits_until(lambda: "One half of Object 1 is marked" in repair.status)
    repair.user.drag([(5, 30, 46), (5, 30, 56)], repair.image)
    repair.user.waits_until(lambda: "the other half is Object 3" in repair.status)
    assert (repair.labels[3:8, 20:40, 41:60] != 1).all()
    assert (repair.labels[3:8, 20:40, 10:29] != 3).all()

    press(repair, "Split")
    repair.widget.tools.tools[1].click()
    QTest.qWait(20)
    assert not repair.annotator.repairing.splitting
    press(repair, "Split")
    repair.widget.repair.cancel.click()
    assert not repair.annotator.repairing.splitting
    assert repair.annotator.tool.name == "Box"


def test_slices_between_are_found_without_the_model(repair, given):
    session = repair.annotator.session
    repair.annotator.objects.select(2)
    for at in (4, 5, 6):
        session.clear_plane(2, Plane(0, at))
    press(repair, "Interpolate")
    assert "no slice between two that show it" in repair.status
    for at in (4, 5, 6):
        session.clear_manual_edits(2, Plane(0, at))
    press(repair, "Interpolate")
    assert repair.status == "Object 2: interpolate, 3 slices between"
    np.testing.assert_array_equal(repair.labels == 2, given == 2)


def test_writing_in_turns_lets_the_window_go_on_and_is_cancelled(repair, monkeypatch):
    session, repairing = repair.annotator.session, repair.annotator.repairing
    repair.annotator.objects.select(2)
    for at in (4, 5, 6):
        session.clear_plane(2, Plane(0, at))
        session.clear_manual_edits(2, Plane(0, at))
    before, in_turns = repair.labels.copy(), session.commit_planes_in_turns
    beats = []

    def observed(*what):
        for share in in_turns(*what):
            QTimer.singleShot(0, partial(beats.append, share))
            yield share
            if stop and share < 1:
                repairing.stop()

    monkeypatch.setattr("napari_segnext.plugin.work.repairing.TURN_S", 1e-4)
    monkeypatch.setattr(session, "commit_planes_in_turns", observed)
    stop = True
    press(repair, "Interpolate")
    QTest.qWait(50)
    assert repair.status == "Nothing was repaired"
    np.testing.assert_array_equal(repair.labels, before)
    stop = False
    press(repair, "Interpolate")
    assert repair.status == "Object 2: interpolate, 3 slices between"
    # The window went on between the slices.
    assert beats[-3:-1] == [1 / 3, 2 / 3]
    undo(repair)
    np.testing.assert_array_equal(repair.labels, before)
