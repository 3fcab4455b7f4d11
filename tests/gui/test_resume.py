"""Work on an image outlives the viewer, and its troubles with the disk are told."""

import errno
import itertools
import os
import shutil
import threading

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from tests.gui.conftest import SHAPE, Desk
from tests.gui.driver import CTRL, LEFT, User
from tests.session.doubles import Picture

from napari_segnext.geometry.plane import Plane
from napari_segnext.journal import read_journal
from napari_segnext.journal.locking import JournalLock
from napari_segnext.plugin.layers.tools import TOOLS
from napari_segnext.session import ArrayLabels

PLANE, OTHER = Plane(0, 4), Plane(0, 7)
SUFFIX = ".segnext-journal"


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def volume(tmp_path):
    path = tmp_path / "first" / "volume.tif"
    path.parent.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8)
    tifffile.imwrite(path, pixels, photometric="minisblack")
    return path


@pytest.fixture
def open_desk(viewer, qtbot, engine):
    """Return a function that opens an image in the viewer and starts a session."""

    opened = []

    def open_(path) -> Desk:
        for widget in opened:
            viewer.window.remove_dock_widget(widget)
            widget.close()  # At once, not when napari is done.
        viewer.layers.clear()
        (image,) = viewer.open(path, plugin="napari-segnext")
        _, widget = viewer.window.add_plugin_dock_widget("napari-segnext", "SegNext")
        opened[:] = [widget]
        viewer.dims.set_current_step(0, PLANE.index)
        widget.start()
        return Desk(viewer, image, widget, engine, User(viewer, qtbot))

    return open_


def ready(desk):
    """Wait until the model is there and all is saved."""
    desk.user.waits_until(lambda: "Saved" in desk.widget._saving.text())
    desk.user.waits_until(lambda: desk.widget.worker.idle)


def saved(desk):
    """Wait until all that was done is on disk."""
    journal = desk.annotator.saving._journal
    desk.user.waits_until(lambda: journal.saved == journal.number)


def offered(desk):
    desk.user.waits_until(lambda: not desk.widget.offer.isHidden())
    return desk.widget.offer


def heard(desk):
    """Return what the status line says from now on; it may not be read in time."""
    said = []
    desk.annotator.said.connect(said.append)
    return said


def resumes(desk):
    """Press the button, and wait until all is there."""
    said = heard(desk)
    press(desk.widget.offer.resume_button)
    desk.user.waits_until(lambda: any("Resumed" in text for text in said))


def press(button):
    QTest.mouseClick(button, LEFT)


def click(desk, position, plane=PLANE, number=1):
    """Click and wait for the mask."""
    count = len(desk.prompts(plane, number))
    desk.user.click(position, desk.image)
    desk.user.waits_until(lambda: len(desk.prompts(plane, number)) == count + 1)
    session = desk.annotator.session
    desk.user.waits_until(lambda: not session.requests())


def work(desk):
    """Click, erase a click, paint, begin an object, go to another slice."""
    click(desk, (4, 30, 40))
    desk.user.click((4, 30, 44), desk.image, CTRL)
    desk.user.waits_until(lambda: len(desk.prompts(PLANE)) == 2)
    output = desk.annotator.output
    desk.viewer.layers.selection.active = output
    output.mode, output.brush_size = "paint", 4
    desk.user.drag([(4, 10, 10), (4, 10, 20)], desk.image)
    desk.user.waits_until(lambda: bool(desk.annotator.session.objects[1].edits))
    desk.annotator.use(TOOLS[0])
    desk.user.key(Qt.Key.Key_N)
    desk.viewer.dims.set_current_step(0, OTHER.index)
    click(desk, (7, 20, 60), OTHER, 2)
    desk.user.waits_until(lambda: not desk.annotator.session.requests())
    saved(desk)


def picture(desk):
    return Picture.of(desk.annotator.session, desk.labels)


def listed(desk):
    """All that the list of objects shows."""
    model = desk.widget.objects.list.model()
    cells = itertools.product(range(model.rowCount()), range(model.columnCount()))
    return [model.index(row, column).data() for row, column in cells]


def journals(folder):
    return sorted(p.name for p in folder.iterdir() if SUFFIX in p.name)


def test_work_of_a_killed_viewer_comes_back_and_goes_on(
    open_desk, volume, tmp_path, monkeypatch
):
    desk = open_desk(volume)
    ready(desk)
    assert desk.widget.offer.isHidden()
    assert str(volume) + SUFFIX in desk.widget._saving.toolTip()
    work(desk)
    before, known = picture(desk), desk.annotator.session.objects
    rows = listed(desk)
    expected = known[2].results[OTHER].probability.expand()
    # What is on disk now is what is there after kill -9 now.
    killed = tmp_path / "killed"
    shutil.copytree(volume.parent, killed)

    desk = open_desk(killed / volume.name)
    offer = offered(desk)
    assert "2 objects, 3 prompts in 2 slices" in offer._what.text()
    desk.user.click((4, 50, 70), desk.image)
    assert desk.prompts(PLANE) == []
    asked = []
    answer = desk.engine.answer
    monkeypatch.setattr(
        desk.engine,
        "answer",
        lambda request, *rest: (asked.append(request), answer(request, *rest))[1],
    )
    resumes(desk)
    assert offer.isHidden()
    assert picture(desk) == before
    assert listed(desk) == rows
    assert desk.viewer.dims.current_step[0] == OTHER.index
    assert len(desk.annotator.prompts.points.data) == 1
    assert asked == []

    click(desk, (7, 40, 30), OTHER, 2)
    assert len(asked[-1].prompts) == 2
    np.testing.assert_array_equal(asked[-1].previous, expected)
    desk.user.key(Qt.Key.Key_Z, CTRL)
    assert picture(desk) == before
    click(desk, (7, 10, 10), OTHER, 2)
    saved(desk)
    after = picture(desk)
    desk.widget.stop()
    path = killed / (volume.name + SUFFIX)
    desk.user.waits_until(lambda: not path.with_name(path.name + ".lock").exists())
    labels = np.zeros(SHAPE, np.uint16)
    assert Picture.of(read_journal(path).resume(ArrayLabels(labels)), labels) == after


def test_starting_new_keeps_earlier_work_and_offers_it_again(open_desk, volume):
    desk = open_desk(volume)
    ready(desk)
    click(desk, (4, 30, 40))
    saved(desk)
    before = picture(desk)
    desk = open_desk(volume)
    offered(desk)
    said = heard(desk)
    press(desk.widget.offer.new_button)
    desk.user.waits_until(lambda: any("Earlier work is kept" in text for text in said))
    assert desk.annotator.prompts.points.mode == "add"
    click(desk, (4, 10, 10))
    saved(desk)
    assert len([j for j in journals(volume.parent) if not j.endswith(".lock")]) == 2
    desk.widget.stop()
    desk.widget.start()
    offer = offered(desk)
    desk.user.waits_until(lambda: offer.times.count() == 2)
    offer.times.setCurrentIndex(1)
    resumes(desk)
    assert picture(desk) == before


def test_image_that_another_viewer_has_open_gets_a_journal_of_its_own(
    open_desk, volume
):
    lock = JournalLock(volume.with_name(volume.name + SUFFIX))
    desk = open_desk(volume)
    said = heard(desk)
    desk.user.waits_until(lambda: any("another viewer" in text for text in said))
    assert "another viewer" in desk.widget._saving.toolTip()
    click(desk, (4, 30, 40))
    saved(desk)
    assert volume.name + SUFFIX + ".2" in journals(volume.parent)
    assert volume.name + SUFFIX not in journals(volume.parent)
    lock.release()


def test_slow_and_full_disks_are_told_and_hold_nothing_up(desk, monkeypatch):
    ready(desk)
    sync, hold = os.fsync, threading.Event()

    def slow(handle):
        assert hold.wait(30)
        sync(handle)

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", slow)
    click(desk, (4, 30, 40))
    assert desk.mask(PLANE).any()
    assert desk.status.endswith("· not saved yet")
    assert "Not saved" in desk.widget._saving.text()
    hold.set()
    desk.user.waits_until(lambda: "not saved" not in desk.status)
    saved(desk)

    said = heard(desk)
    monkeypatch.setattr(os, "fsync", full)
    click(desk, (4, 10, 10))
    desk.user.waits_until(lambda: any("Free some space" in text for text in said))
    click(desk, (4, 50, 70))
    assert len([text for text in said if "No space left" in text]) == 1
    assert "No space left" in desk.widget._saving.toolTip()
    monkeypatch.setattr(os, "fsync", sync)
    desk.user.waits_until(lambda: "Saved again" in said)
    saved(desk)
    path = desk.annotator.saving.path
    assert read_journal(path).number == desk.annotator.saving._journal.number


def begin_again(desk):
    """Stop and start on the same image; return the layer that the first one left."""
    ready(desk)
    click(desk, (4, 30, 40))
    saved(desk)
    left = desk.annotator.output
    desk.widget.stop()
    desk.widget.start()
    offered(desk)
    return left


def test_resuming_on_the_same_image_shows_its_objects_once(open_desk, volume):
    desk = open_desk(volume)
    left = begin_again(desk)
    assert not left.visible and left in desk.viewer.layers
    resumes(desk)
    assert desk.mask(PLANE).any()
    assert left.name == "volume objects, spare"
    assert not left.visible and not left.data.any()
    names = [layer.name for layer in desk.viewer.layers if layer is not left]
    assert names == ["volume", "volume objects", "Scribbles", "Shapes", "Clicks"]


@pytest.mark.parametrize("way", ["edited", "new"])
def test_objects_that_are_nowhere_else_stay_hidden_in_their_layer(
    open_desk, volume, way
):
    desk = open_desk(volume)
    left = begin_again(desk)
    if way == "edited":
        left.data_setitem((np.array([1]), np.array([2]), np.array([3])), 7)
    before = left.data.copy()
    if way == "edited":
        resumes(desk)
        assert desk.mask(PLANE).any()
    else:
        press(desk.widget.offer.new_button)
        assert not desk.labels.any()
    assert left in desk.viewer.layers and not left.visible
    assert left.name == "volume objects, before"
    assert desk.annotator.output.name == "volume objects"
    np.testing.assert_array_equal(left.data, before)


def test_double_click_on_start_starts(open_desk, volume):
    desk = open_desk(volume)
    ready(desk)
    desk.widget.stop()
    button = desk.widget.start_button
    QTest.mouseClick(button, LEFT)
    QTest.mouseClick(button, LEFT)
    assert desk.annotator is not None
    desk.user.waits_until(button.isEnabled)
    QTest.mouseClick(button, LEFT)
    assert desk.annotator is None
