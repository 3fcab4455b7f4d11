"""Others are found while the user goes on, and what is proposed is gone through."""

from functools import partial

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from tests.doubles import TILED
from tests.finding.conftest import drawn
from tests.gui.conftest import Desk
from tests.gui.driver import CTRL, LEFT, SHIFT, User
from tests.gui.test_propagation import Held, is_over, press

from napari_segnext import finding
from napari_segnext.files.categories import Category
from napari_segnext.geometry.plane import Plane
from napari_segnext.images.volume import Volume
from napari_segnext.labels.scan import Scanned, scan
from napari_segnext.predicting.live import LiveImageModel, LivePredictor
from napari_segnext.propagation import search

KNOWN = 1


class Tiled(Held):
    """Sees more than one tile in an image."""

    def __init__(self):
        super().__init__()
        self.config = TILED


@pytest.fixture
def model():
    model = Tiled()
    yield model
    model.free.set()


@pytest.fixture(scope="module")
def pages():
    """Return labels of three slices; disks of one lie over those of the next."""
    return np.stack([drawn(seed) for seed in range(3)])


@pytest.fixture
def desk(make_napari_viewer, qtbot, monkeypatch, model, pages):
    """Start a session on bright disks, at the slice of which some are known."""
    noise = np.random.default_rng(0).normal(0, 8, pages.shape)
    volume = np.clip(40 + 160 * (pages > 0) + noise, 0, 255).astype(np.uint8)
    engine = LiveImageModel(LivePredictor(model, Volume(volume)), "bright")
    monkeypatch.setattr(
        "napari_segnext.predicting.live.load_live_model", lambda *_: engine
    )
    monkeypatch.setattr(finding, "learning", partial(finding.learning, steps=60))
    viewer = make_napari_viewer()
    image = viewer.add_image(volume, name="volume")
    _, widget = viewer.window.add_plugin_dock_widget("napari-segnext", "SegNext")
    viewer.dims.set_current_step(0, KNOWN)
    widget.start()
    qtbot.waitUntil(lambda: "Ready" in widget.status, timeout=20_000)
    yield Desk(viewer, image, widget, engine, User(viewer, qtbot))
    model.free.set()


@pytest.fixture
def begun(desk, pages):
    """Take in the disks of a slice, all accepted but the last two."""
    labels = np.zeros(pages.shape, np.uint16)
    labels[KNOWN] = pages[KNOWN]
    session = desk.annotator.session
    session.adopt_labels(Scanned.of((runs for runs, _ in scan(labels)), {}))
    for number in range(1, 15):
        session.accept(number)
    session.delete(15, 16)
    session.begin()
    return desk


def find(desk):
    """Find more, and wait until it has ended."""
    desk.user.key(Qt.Key.Key_F, SHIFT)
    assert desk.annotator.finding.running, desk.status
    desk.user.waits_until(lambda: not desk.annotator.finding.running, 100_000)


def proposals(desk):
    """Return the planes and middles of what is listed."""
    reviewing = desk.annotator.reviewing
    listed = map(reviewing.proposal, reviewing.listed)
    return [(each.plane.index, each.click) for each in listed]


def outlines(desk):
    """Return how many proposals are drawn in the displayed slice, if any are."""
    layer = next(a for a in desk.viewer.layers if a.name == "volume proposals")
    shown = np.asarray(layer.data[desk.viewer.dims.current_step[0]])
    assert layer.contour
    return layer.visible and len(np.unique(shown)) - 1


def test_others_in_the_slice_are_proposed_as_outlines_and_gone_through(begun, pages):
    part, session = begun.widget.finding, begun.annotator.session
    before = begun.labels.copy()
    find(begun)
    assert "2 proposals in 1 slice" in begun.status
    for _, (y, x) in proposals(begun):
        assert pages[KNOWN, int(y), int(x)] in (15, 16)
    np.testing.assert_array_equal(begun.labels, before)
    assert outlines(begun) == 2
    assert part.accept_all.text() == "Accept all 2"

    begun.user.key(Qt.Key.Key_S, SHIFT)
    assert "Proposal 1 of 2" in begun.status
    first = begun.annotator.reviewing.current
    assert session.findings.proposals[first].plane.index == KNOWN
    begun.user.key(Qt.Key.Key_G, SHIFT)
    assert begun.annotator.reviewing.current not in (0, first)
    (made,) = session.objects.keys() - {*range(1, 15), begun.annotator.current}
    assert not session.objects[made].finished
    assert (begun.labels[KNOWN] == made).sum() > 100
    assert outlines(begun) == 1

    begun.user.key(Qt.Key.Key_R, SHIFT)
    assert proposals(begun) == []
    assert outlines(begun) == 0
    find(begun)
    # What was accepted is an object, and what was rejected is not proposed again.
    assert "No others were found" in begun.status
    for _ in range(2):
        begun.user.key(Qt.Key.Key_Z, CTRL)
    np.testing.assert_array_equal(begun.labels, before)
    assert len(proposals(begun)) == 2


def test_all_above_the_slider_continue_what_is_known_and_are_one_step(begun, pages):
    part = begun.widget.finding
    part.reach.choice.setCurrentIndex(2)
    part.reach.choice.activated.emit(2)
    begun.user.key(Qt.Key.Key_C, SHIFT)
    assert part.complete.isChecked()
    find(begun)
    assert "in 2 slices" in begun.status
    assert {index for index, _ in proposals(begun)} == {0, 2}
    every = len(proposals(begun))
    assert every >= 24
    part.least.setValue(100)
    assert proposals(begun) == []
    assert "lower the slider" in press_and_say(begun, Qt.Key.Key_S)
    part.least.setValue(10)
    before = begun.labels.copy()
    press(part.accept_all)
    assert begun.labels[0].any() and begun.labels[2].any()
    np.testing.assert_array_equal(begun.labels[KNOWN], before[KNOWN])
    ids = {int(n) for n in np.unique(begun.labels[0])} - {0}
    assert len(ids & set(range(1, 15))) >= 10
    assert proposals(begun) == []
    begun.user.key(Qt.Key.Key_Z, CTRL)
    np.testing.assert_array_equal(begun.labels, before)
    assert len(proposals(begun)) >= every


@pytest.mark.parametrize("together", [True, False], ids=["Alt+U", "U"])
def test_accepted_ones_are_propagated(begun, pages, model, monkeypatch, together):
    monkeypatch.setattr(search, "load_follower", lambda device: model)
    session, objects = begun.annotator.session, begun.annotator.objects
    find(begun)
    before = begun.labels.copy()
    press(begun.widget.finding.accept_all)
    made = sorted(n for n in session.objects if n > 14 and n != session.current)
    assert len(made) == 2
    accepted = begun.labels.copy()
    if together:
        begun.user.key(Qt.Key.Key_U, Qt.KeyboardModifier.AltModifier)
        is_over(begun)
        assert "Propagated 2 objects" in begun.status
    else:
        for number in made:
            objects.select(number)
            begun.user.key(Qt.Key.Key_U)
            assert begun.annotator.propagation.carries(number), begun.status
            is_over(begun)
    for number in made:
        under = [
            set(np.unique(page[found]))
            for page, found in zip(pages, begun.labels == number, strict=True)
        ]
        truth = int(pages[KNOWN][accepted[KNOWN] == number].max())
        assert all(truth in values for values in under)
    # What was accepted in the slice stays, each found object is a step, and so is that.
    np.testing.assert_array_equal(begun.labels[KNOWN], accepted[KNOWN])
    for _ in made:
        begun.user.key(Qt.Key.Key_Z, CTRL)
    np.testing.assert_array_equal(begun.labels, accepted)
    begun.user.key(Qt.Key.Key_Z, CTRL)
    np.testing.assert_array_equal(begun.labels, before)
    assert len(proposals(begun)) == 2


def press_and_say(desk, key):
    desk.user.key(key, SHIFT)
    return desk.status


def test_a_click_on_a_proposal_makes_it_the_current_object(begun):
    session = begun.annotator.session
    find(begun)
    (_, (y, x)), (_, (b, a)) = proposals(begun)
    begun.user.click((KNOWN, y, x), begun.image)
    begun.user.waits_until(lambda: len(proposals(begun)) == 1)
    number = begun.annotator.current
    assert begun.prompts(Plane(0, KNOWN)) and not session.requests()
    assert (begun.labels[KNOWN] == number).sum() > 100
    # The next one is corrected at once by a click of the other sign.
    begun.user.click((KNOWN, b + 4, a), begun.image, CTRL)
    begun.user.waits_until(lambda: not proposals(begun) and not session.requests())
    assert begun.annotator.current != number
    assert [p.positive for p in begun.prompts(Plane(0, KNOWN))] == [True, False]
    begun.user.key(Qt.Key.Key_Z, CTRL)
    begun.user.key(Qt.Key.Key_Z, CTRL)
    assert len(proposals(begun)) == 2
    # Hidden ones are not clicked on.
    next(a for a in begun.viewer.layers if "proposals" in a.name).visible = False
    begun.user.click((KNOWN, y + 3, x), begun.image)
    begun.user.waits_until(lambda: not session.requests())
    (prompt,) = begun.prompts(Plane(0, KNOWN))
    assert abs(prompt.at[0] - y - 3) < 1


def test_clicks_are_answered_while_it_looks_and_it_can_be_cancelled(begun, model):
    part, session = begun.widget.finding, begun.annotator.session
    begun.user.click((KNOWN, 60, 64), begun.image)
    begun.user.waits_until(lambda: not session.requests())
    begun.user.waits_until(lambda: begun.widget.worker.idle)
    model.hold()
    begun.user.key(Qt.Key.Key_F, SHIFT)
    begun.user.waits_until(model.busy.is_set)
    assert part.bar.isVisibleTo(part) and "Learning" in part.bar.format()
    # The tile is embedded: the mask needs nothing else.
    begun.user.click((KNOWN, 64, 64), begun.image)
    begun.user.waits_until(lambda: not session.requests())
    assert begun.annotator.finding.running
    press(part.cancel)
    begun.user.waits_until(lambda: not begun.annotator.finding.running)
    assert "The search ended" in begun.status
    assert not part.bar.isVisibleTo(part)
    model.free.set()
    find(begun)
    assert "proposals in 1 slice" in begun.status


def test_it_says_what_is_missing(begun):
    session = begun.annotator.session
    session.categorise([begun.annotator.current], Category(3, "vesicle"))
    begun.user.key(Qt.Key.Key_F, SHIFT)
    assert "No object of class vesicle is accepted yet" in begun.status
    session.undo()
    begun.user.key(Qt.Key.Key_C, SHIFT)
    assert begun.widget.finding.complete.isChecked()
    begun.user.key(Qt.Key.Key_F, SHIFT)
    assert "this slice is marked complete" in begun.status
    begun.user.key(Qt.Key.Key_Z, CTRL)
    assert not begun.widget.finding.complete.isChecked()
    assert "Nothing is proposed" in press_and_say(begun, Qt.Key.Key_S)
    assert not begun.annotator.finding.running


def test_proposals_rejections_and_complete_slices_are_there_after_resume(begun):
    find(begun)
    begun.user.key(Qt.Key.Key_S, SHIFT)
    begun.user.key(Qt.Key.Key_R, SHIFT)
    begun.user.key(Qt.Key.Key_C, SHIFT)
    listed = proposals(begun)
    assert len(listed) == 1
    begun.widget.stop()
    begun.widget.start()
    begun.user.waits_until(lambda: not begun.widget.offer.isHidden())
    press(begun.widget.offer.resume_button)
    begun.user.waits_until(lambda: len(proposals(begun)) == 1)
    assert proposals(begun)[0][0] == KNOWN
    begun.viewer.dims.set_current_step(0, KNOWN)
    assert outlines(begun) == 1
    assert begun.widget.finding.complete.isChecked()
    rejected = begun.annotator.session.findings.proposals.values()
    assert sum(each.rejected for each in rejected) == 1


def test_a_choice_of_slices_fits_into_the_panel(begun):
    reach = begun.widget.finding.reach
    reach.choice.setCurrentIndex(1)
    reach.choice.activated.emit(1)
    assert not reach.first.isHidden()
    # The panel is 290 wide at least, of which borders and a scroll bar take some.
    assert reach.minimumSizeHint().width() <= 250


def test_the_table_leads_to_a_proposal_and_is_sorted(begun):
    part = begun.widget.finding
    part.reach.choice.setCurrentIndex(1)
    part.reach.choice.activated.emit(1)
    assert part.reach.last.value() == 2
    part.reach.last.setValue(0)
    find(begun)
    assert {index for index, _ in proposals(begun)} == {0}
    table = part.table
    row = table.visualRect(table.model().index(2, 0)).center()
    QTest.mouseClick(table.viewport(), LEFT, pos=row)
    reviewing = begun.annotator.reviewing
    assert reviewing.current == reviewing.listed[2]
    assert begun.viewer.dims.current_step[0] == 0
    told = table.model().data(table.model().index(2, 2), Qt.ItemDataRole.DisplayRole)
    assert told == "" or told.startswith("continues Object")
    assert not reviewing.by_slice
    table.horizontalHeader().sectionClicked.emit(1)
    assert reviewing.by_slice
