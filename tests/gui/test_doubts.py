"""Labels are compared with the image beside the user, and what is odd is listed."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from tests.gui.driver import CTRL, LEFT, SHIFT
from tests.gui.test_propagation import Held, bar, desk, press, volume  # noqa: F401

from napari_segnext.geometry.plane import Plane
from napari_segnext.labels.scan import Scanned, scan
from napari_segnext.propagation import comparing

WRONG, MISSING = Plane(0, 7), Plane(0, 4)


@pytest.fixture
def model(monkeypatch):
    model = Held()
    monkeypatch.setattr(comparing, "load_follower", lambda device: model)
    yield model
    model.free.set()


@pytest.fixture
def begun(desk):  # noqa: F811
    """Take in labels of which two slices are wrong, beside an object that is not."""
    labels = bar().astype(np.uint16)
    labels[WRONG.index, 20:40, 24:34] = 0
    labels[MISSING.index] = 0
    labels[2:5, 2:8, 2:8] = 5
    parts = (runs for runs, _ in scan(labels))
    desk.annotator.session.adopt_labels(Scanned.of(parts, {}))
    desk.annotator.session.accept(5)
    desk.annotator.session.select(5)
    return desk


def listed(desk):  # noqa: F811
    return [key for key, _ in desk.annotator.doubting.listed]


def compare(desk):  # noqa: F811
    press(desk.widget.propagation.doubts.button)
    desk.user.waits_until(lambda: not desk.annotator.doubting.running)


def test_what_is_odd_is_listed_gone_through_and_resumed(begun):
    part = begun.widget.propagation.doubts
    compare(begun)
    assert "All is compared: 2 to check" in begun.status
    assert listed(begun) == [(1, WRONG), (1, MISSING)]
    assert part.table.isVisibleTo(part)
    # What was compared is not compared again.
    decoded = begun.engine.predictor.model.decoded
    compare(begun)
    assert begun.engine.predictor.model.decoded == decoded

    row = part.table.visualRect(part.table.model().index(1, 0)).center()
    QTest.mouseClick(part.table.viewport(), LEFT, pos=row)
    assert begun.annotator.current == 1
    assert begun.viewer.dims.current_step[0] == MISSING.index
    begun.user.key(Qt.Key.Key_U, SHIFT)
    assert "1 to check" in begun.status
    assert begun.viewer.dims.current_step[0] == WRONG.index
    assert listed(begun) == [(1, WRONG)]

    begun.widget.stop()
    begun.widget.start()
    begun.user.waits_until(lambda: not begun.widget.offer.isHidden())
    press(begun.widget.offer.resume_button)
    begun.user.waits_until(lambda: listed(begun) == [(1, WRONG)])
    while listed(begun):
        begun.user.key(Qt.Key.Key_U, SHIFT)
    assert "No slice is left to check" in begun.status
    assert not part.table.isVisibleTo(part)


def test_a_correction_and_undo_take_from_the_list_and_give_back(begun):
    compare(begun)
    begun.annotator.doubting.show((1, WRONG))
    begun.user.click((WRONG.index, 30, 30), begun.image)
    begun.user.waits_until(lambda: not begun.annotator.session.requests())
    assert listed(begun) == [(1, MISSING)]
    begun.user.key(Qt.Key.Key_Z, CTRL)
    assert listed(begun) == [(1, WRONG), (1, MISSING)]


def test_cancelled_it_keeps_what_is_compared_and_goes_on_from_there(begun, model):
    begun.user.waits_until(lambda: begun.widget.worker.idle)
    part = begun.widget.propagation.doubts
    model.hold()
    press(part.button)
    begun.user.waits_until(model.busy.is_set)
    assert part.bar.isVisibleTo(part)
    press(part.cancel)
    begun.user.waits_until(lambda: not begun.annotator.doubting.running)
    assert "Comparing ended" in begun.status
    assert not part.bar.isVisibleTo(part)
    model.free.set()
    compare(begun)
    assert listed(begun) == [(1, WRONG), (1, MISSING)]
