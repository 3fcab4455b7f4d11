"""An object is propagated while the user goes on, and can be corrected and checked."""

import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from tests.doubles import WHOLE
from tests.gui.conftest import Desk
from tests.gui.driver import CTRL, LEFT, SHIFT, User
from tests.propagation.test_propagate import Both

from napari_segnext.files.categories import Category
from napari_segnext.geometry.plane import Plane
from napari_segnext.images.volume import Volume
from napari_segnext.predicting.live import LiveImageModel, LivePredictor
from napari_segnext.propagation import Propagation
from napari_segnext.propagation.whole_object import WholeObject

SHAPE = (14, 64, 64)
START, ODD = 5, 9


class Held(Both):
    """Keeps an image from being encoded until it is let, unless it is cancelled."""

    def __init__(self):
        super().__init__(WHOLE)
        self.free, self.busy = threading.Event(), threading.Event()
        self.free.set()

    def image_features(self, images, check=lambda: None):
        self.busy.set()
        while not self.free.wait(0.005):
            check()
        return super().image_features(images, check)

    def hold(self):
        self.busy.clear()
        self.free.clear()


def bar(first=2, last=11):
    """Return a bar; its cross-section is seen from plane `first` to before `last`."""
    truth = np.zeros(SHAPE, bool)
    truth[first:last, 20:40, 24:44] = True
    return truth


@pytest.fixture
def model():
    model = Held()
    yield model
    model.free.set()


@pytest.fixture
def volume():
    """Show a bar that looks unlike itself in one plane."""
    volume = np.where(bar(), 200, 40).astype(np.uint8)
    volume[ODD][bar()[ODD]] = 170
    return volume


@pytest.fixture
def desk(make_napari_viewer, qtbot, monkeypatch, model, volume):
    """Start a session on the volume, at a plane with the bar."""
    engine = LiveImageModel(LivePredictor(model, Volume(volume)), "bright")
    monkeypatch.setattr(
        "napari_segnext.predicting.live.load_live_model", lambda *_: engine
    )
    monkeypatch.setattr(
        "napari_segnext.propagation.search.load_follower", lambda device: model
    )
    viewer = make_napari_viewer()
    image = viewer.add_image(volume, name="volume", scale=(3, 1, 1)[-volume.ndim :])
    _, widget = viewer.window.add_plugin_dock_widget("napari-segnext", "SegNext")
    if volume.ndim == 3:
        viewer.dims.set_current_step(0, START)
    widget.start()
    qtbot.waitUntil(lambda: "Ready" in widget.status, timeout=20_000)
    yield Desk(viewer, image, widget, engine, User(viewer, qtbot))
    model.free.set()


def click(desk, position):
    """Click and wait for the mask."""
    requests = desk.annotator.session.requests
    before = desk.labels.copy()
    desk.user.click(position, desk.image)
    desk.user.waits_until(
        lambda: not requests() and not np.array_equal(desk.labels, before)
    )


def propagate(desk):
    desk.user.key(Qt.Key.Key_U)


def check_next(desk):
    desk.user.key(Qt.Key.Key_U, SHIFT)


def to_check(desk):
    return desk.annotator.doubting.listed


def press(button):
    QTest.mouseClick(button, LEFT)


def is_over(desk):
    desk.user.waits_until(lambda: not desk.annotator.propagation.running)


def shown(desk):
    return desk.viewer.dims.current_step[0]


def alone(desk):
    """Tell whether the object is in the plane of the first prompt alone."""
    planes = np.flatnonzero(desk.labels.any((1, 2)))
    return list(planes) == [START]


def test_object_is_found_in_all_slices_as_one_step(desk):
    part = desk.widget.propagation
    propagate(desk)
    assert "click on it in one first" in desk.status
    click(desk, (START, 30, 30))
    press(part.button)
    assert desk.annotator.propagation.running
    assert part.bar.isVisibleTo(part)
    assert part.bar.maximum() == SHAPE[0] - 1
    assert not part.button.isEnabled()
    is_over(desk)
    assert not part.bar.isVisibleTo(part)
    assert np.array_equal(desk.labels > 0, bar())
    assert "Found in 8 more slices; 1 to check" in desk.status
    desk.user.key(Qt.Key.Key_Z, CTRL)
    assert alone(desk)
    assert not to_check(desk)
    desk.user.key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert np.array_equal(desk.labels > 0, bar())
    propagate(desk)
    assert "has changed since" in desk.status
    desk.user.key(Qt.Key.Key_G)
    desk.user.key(Qt.Key.Key_J)
    propagate(desk)
    assert "is finished" in desk.status


def test_cancelling_on_the_way_changes_nothing(desk, model):
    click(desk, (START, 30, 30))
    desk.user.waits_until(lambda: desk.widget.worker.idle)
    model.hold()
    propagate(desk)
    desk.user.waits_until(model.busy.is_set)
    propagate(desk)
    assert "on its way" in desk.status
    press(desk.widget.propagation.cancel)
    assert "cancelled" in desk.status
    assert not desk.annotator.propagation.running
    model.free.set()
    desk.user.waits_until(lambda: desk.widget.worker.idle)
    QTest.qWait(20)
    assert alone(desk)
    propagate(desk)
    is_over(desk)
    assert np.array_equal(desk.labels > 0, bar())


def decodes_undisturbed(desk, model):
    """Count the decodes of a propagation of the first object."""
    whole = WholeObject(desk.annotator.session, 1, 0, ())
    decided, within = whole.begin()
    propagation = Propagation(desk.engine.predictor, decided, 0, within)
    before = model.decoded
    while not propagation.ended:
        propagation.advance()
    return model.decoded - before


def test_click_goes_first_and_propagation_goes_on_where_it_was(desk, model):
    click(desk, (START, 30, 30))
    desk.user.waits_until(lambda: desk.widget.worker.idle)
    model.hold()
    first = model.decoded
    propagate(desk)
    desk.user.waits_until(model.busy.is_set)
    before = model.decoded
    desk.user.key(Qt.Key.Key_N)
    desk.user.click((START, 50, 10), desk.image)
    desk.user.waits_until(lambda: desk.labels[START, 50, 10] == 2)
    assert desk.annotator.propagation.running
    assert model.decoded == before + 1
    model.free.set()
    is_over(desk)
    assert np.array_equal(desk.labels == 1, bar())
    decodes = model.decoded - first
    assert decodes == 1 + decodes_undisturbed(desk, model)


def test_correction_reaches_to_the_next_prompted_slices_only(desk):
    click(desk, (START, 30, 30))
    propagate(desk)
    is_over(desk)
    results = desk.annotator.session.objects[1].results
    before = {plane.index: result for plane, result in results.items()}
    desk.viewer.dims.set_current_step(0, 8)
    click(desk, (8, 5, 5))
    propagate(desk)
    is_over(desk)
    after = {plane.index: result for plane, result in results.items()}
    changed = {i for i in before.keys() | after if before.get(i) is not after.get(i)}
    assert {6, 7, 8, 9, 10} <= changed
    assert not changed & set(range(START + 1))
    # The first click in another plane, and what it led to, are two steps.
    desk.user.key(Qt.Key.Key_Z, CTRL)
    desk.user.key(Qt.Key.Key_Z, CTRL)
    assert np.array_equal(desk.labels > 0, bar())


@pytest.mark.parametrize("how", ["correct", "check"])
def test_doubtful_slice_is_shown_and_leaves_the_list_when_it_is_right(desk, how):
    part = desk.widget.propagation.doubts
    check_next(desk)
    assert "There is nothing to check" in desk.status
    click(desk, (START, 30, 30))
    propagate(desk)
    is_over(desk)
    assert [key for key, _ in to_check(desk)] == [(1, Plane(0, ODD))]
    assert part.table.isVisibleTo(part)
    check_next(desk)
    assert shown(desk) == ODD
    assert len(to_check(desk)) == 1
    if how == "correct":
        click(desk, (ODD, 10, 10))
    else:
        press(part.next)
        assert "No slice is left" in desk.status
    assert not to_check(desk)
    assert not part.table.isVisibleTo(part)


def test_output_layer_deleted_on_the_way_ends_the_session(desk, model):
    click(desk, (START, 30, 30))
    desk.user.waits_until(lambda: desk.widget.worker.idle)
    model.hold()
    propagate(desk)
    desk.user.waits_until(model.busy.is_set)
    desk.viewer.layers.remove(desk.annotator.output)
    model.free.set()
    desk.user.waits_until(lambda: desk.annotator is None)
    assert [each for each in desk.viewer.layers if each.visible] == [desk.image]


def accepted_on_the_way(desk, model):
    click(desk, (START, 30, 30))
    desk.user.waits_until(lambda: desk.widget.worker.idle)
    model.hold()
    propagate(desk)
    desk.user.waits_until(model.busy.is_set)
    desk.user.key(Qt.Key.Key_G)
    assert "finished when its slices are written" in desk.status
    assert desk.annotator.current == 2
    return desk.annotator.session.objects[1]


def test_object_accepted_on_the_way_is_finished_when_it_is_written(desk, model):
    accepted_on_the_way(desk, model)
    assert not desk.annotator.session.objects[1].finished
    model.free.set()
    is_over(desk)
    assert desk.annotator.session.objects[1].finished
    assert "1 to check. Object 1 is finished" in desk.status
    assert np.array_equal(desk.labels == 1, bar())
    assert desk.annotator.current == 2


def test_object_accepted_on_the_way_stays_open_if_that_is_cancelled(desk, model):
    accepted_on_the_way(desk, model)
    press(desk.widget.propagation.cancel)
    assert "Object 1 is not finished" in desk.status
    assert not desk.annotator.session.objects[1].finished
    assert alone(desk)


class TestOfTwoOddSlices:
    @pytest.fixture
    def volume(self):
        volume = np.where(bar(), 200, 40).astype(np.uint8)
        for index in (3, ODD):
            volume[index][bar()[index]] = 170
        return volume

    def test_what_is_to_check_and_the_view_of_classes_come_back(self, desk):
        def seen():
            part, classes = desk.widget.propagation.doubts, desk.widget.classes
            colour = desk.annotator.output.colormap.map(1)
            return (
                part.next.text(),
                part.table.model().listed,
                classes.semantic.isChecked(),
                colour.tolist(),
            )

        click(desk, (START, 30, 30))
        desk.annotator.objects.categorise([1], Category(4, "bar"))
        propagate(desk)
        is_over(desk)
        _, second = to_check(desk)
        for _ in range(2):
            check_next(desk)
        assert shown(desk) == second[0][1].index
        assert to_check(desk) == (second,)
        desk.widget.classes.semantic.click()
        before = seen()
        desk.widget.stop()
        desk.widget.start()
        offer = desk.widget.offer
        desk.user.waits_until(lambda: not offer.isHidden())
        press(offer.resume_button)
        desk.user.waits_until(lambda: to_check(desk) == (second,))
        assert seen() == before
        assert desk.annotator.objects.semantic
        desk.user.key(Qt.Key.Key_Z, CTRL)
        while to_check(desk):
            check_next(desk)
        assert "No slice is left to check" in desk.status


class TestOfASingleImage:
    @pytest.fixture
    def volume(self):
        return np.where(bar(), 200, 40).astype(np.uint8)[START]

    def test_it_says_that_there_is_nowhere_to_go(self, desk):
        propagate(desk)
        assert "no other slices" in desk.status


def preview(desk):
    """Return the layer of what was found so far, None before there is one."""
    named = [each for each in desk.viewer.layers if "found so far" in each.name]
    return named[0] if named else None


@pytest.mark.parametrize("cancelled", [False, True])
def test_what_is_found_is_seen_before_it_is_written_and_not_after(
    desk, model, cancelled
) -> None:
    click(desk, (START, 30, 30))
    for index in (START - 1, START + 1):
        desk.engine.predictor.embed(Plane(0, index))
    desk.user.waits_until(lambda: desk.widget.worker.idle)
    active, before = desk.viewer.layers.selection.active, desk.labels.copy()
    model.hold()
    propagate(desk)
    desk.user.waits_until(lambda: preview(desk) is not None)
    found = [plane.index for plane in preview(desk).data.planes]
    assert preview(desk).visible
    assert desk.viewer.layers.selection.active is active
    assert found and START not in found
    for index in found:
        np.testing.assert_array_equal(preview(desk).data[index], bar()[index])
    assert np.array_equal(desk.labels, before)
    if cancelled:
        desk.annotator.propagation.stop()
    model.free.set()
    is_over(desk)
    assert not preview(desk).visible and not np.asarray(preview(desk).data).any()
    assert np.array_equal(desk.labels, before) == cancelled


class TestSeveral:
    """Objects that are not finished are propagated one after the other."""

    @pytest.fixture
    def volume(self):
        volume = np.where(bar(), 200, 40).astype(np.uint8)
        volume[3:8, 46:58, 4:16] = 110
        return volume

    def begin_two(self, desk):
        click(desk, (START, 30, 30))
        desk.user.key(Qt.Key.Key_N)
        click(desk, (START, 52, 10))

    def test_each_is_found_as_a_step_of_its_own(self, desk):
        part = desk.widget.propagation
        press(part.all)
        assert "click on one first" in desk.status
        self.begin_two(desk)
        desk.user.key(Qt.Key.Key_U, Qt.KeyboardModifier.AltModifier)
        is_over(desk)
        found = [np.flatnonzero((desk.labels == n).any((1, 2))) for n in (1, 2)]
        assert [(f[0], f[-1]) for f in found] == [(2, 10), (3, 7)]
        assert "Propagated 2 objects" in desk.status
        desk.user.key(Qt.Key.Key_Z, CTRL)
        assert (desk.labels == 1).any((1, 2)).sum() == 9
        assert (desk.labels == 2).any((1, 2)).sum() == 1
        # The first has not changed since, so there is one to do.
        press(part.all)
        is_over(desk)
        assert "Found in 4 more slices" in desk.status
        press(part.all)
        assert "has changed since" in desk.status

    def test_finished_ones_are_left_alone_and_cancelling_ends_it_all(self, desk, model):
        self.begin_two(desk)
        desk.user.key(Qt.Key.Key_G)
        desk.user.waits_until(lambda: desk.widget.worker.idle)
        model.hold()
        press(desk.widget.propagation.all)
        desk.user.waits_until(model.busy.is_set)
        assert "more to come" not in desk.status
        press(desk.widget.propagation.cancel)
        model.free.set()
        desk.user.waits_until(lambda: desk.widget.worker.idle)
        assert not desk.annotator.propagation.running
        for number in (1, 2):
            planes = np.flatnonzero((desk.labels == number).any((1, 2)))
            assert list(planes) == [START]
