"""A prompts file loaded in the viewer gives the masks that `segment` gives."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QTimer
from tests.doubles import WHOLE, IntensityModel

from napari_segnext.commands.segment import segment_objects
from napari_segnext.files import ObjectPrompts, write_prompts
from napari_segnext.files.categories import Category
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Patch
from napari_segnext.images.volume import Volume
from napari_segnext.plugin.work.importing import Importing
from napari_segnext.plugin.work.task import Dropped, Task
from napari_segnext.predicting.live import LiveImageModel, LivePredictor
from napari_segnext.prompts import Prompts
from napari_segnext.session import ArrayLabels, Session

SHAPE = (6, 40, 48)
OBJECTS = [
    ObjectPrompts(
        7,
        "bright",
        {
            Plane(0, 2): Prompts().click(20, 20).click(5, 5, positive=False),
            Plane(1, 20): Prompts().box((1, 12), (4, 30)),
        },
        Category(4, "lesion"),
    ),
    ObjectPrompts(3, "", {Plane(0, 2): Prompts().click(22, 34)}),
    ObjectPrompts(9, "nothing", {Plane(0, 5): Prompts().click(1, 1, positive=False)}),
]


def volume() -> np.ndarray:
    image = np.full(SHAPE, 20, np.uint8)
    image[1:5, 10:30, 12:30] = 200
    image[1:5, 15:28, 26:40] = 120
    return image


def predictor() -> LivePredictor:
    return LivePredictor(IntensityModel(WHOLE), Volume(volume()))


class Immediate:
    """Answers at once, or when it is let; can be told to fail."""

    loading = False

    def __init__(self) -> None:
        self.model = LiveImageModel(predictor(), "here")
        self.waiting, self.held, self.error = [], False, None

    def submit(self, key, priority, work, what):
        task = Task(key, priority, lambda turn: work(self.model, turn), what=what)
        self.waiting.append(task)
        if not self.held:
            QTimer.singleShot(0, self.answer)
        return task

    def drop(self, task):
        self.waiting.remove(task)
        task.drop(Dropped.UNWANTED)

    def answer(self):
        for task in self.take():
            try:
                task.end(self.error or task.run(lambda: False))
            except ValueError as error:
                task.end(error)

    def change(self, why):
        """Drop what waits, as when another model is loaded, or none."""
        for task in self.take():
            task.drop(why)

    def take(self):
        waiting, self.waiting = self.waiting, []
        return waiting


@pytest.fixture
def labels() -> np.ndarray:
    return np.zeros(SHAPE, np.uint16)


@pytest.fixture
def session(labels) -> Session:
    session = Session(ArrayLabels(labels), blank=True)
    session.new_object()
    return session


@pytest.fixture
def inference(qapp) -> Immediate:
    return Immediate()


@pytest.fixture
def importing(session, inference, qtbot) -> Importing:
    importing = Importing(session, inference)
    importing.texts = []
    importing.said.connect(importing.texts.append)
    importing.ended.connect(importing.texts.append)
    return importing


@pytest.fixture
def file(tmp_path):
    write_prompts(tmp_path / "prompts.json", OBJECTS)
    return tmp_path / "prompts.json"


def load(importing, file, qtbot, until="Loaded"):
    importing.load(file)
    qtbot.waitUntil(lambda: any(until in text for text in importing.texts))


def test_masks_are_those_of_segment(importing, session, labels, file, qtbot):
    load(importing, file, qtbot)
    np.testing.assert_array_equal(labels, segment_objects(predictor(), OBJECTS))
    assert {3, 7} <= set(np.unique(labels))
    assert list(session.objects) == [3, 7, 9]
    assert session.objects[7].category == Category(4, "lesion")
    assert session.objects[7].prompts == OBJECTS[0].planes
    assert not any(each.finished for each in session.objects.values())
    session.undo()
    assert not labels.any()
    assert list(session.objects) == [1]


def test_stopped_loading_leaves_all_as_it_was(
    importing, session, inference, file, qtbot
):
    inference.held = True
    importing.load(file)
    qtbot.waitUntil(lambda: importing.running)
    importing.stop()
    assert not importing.running and not inference.waiting
    assert list(session.objects) == [1] and not session.can_undo
    assert "Nothing was loaded" in importing.texts[-1]


def test_model_that_fails_is_told(importing, session, inference, file, qtbot):
    inference.error = OSError("no memory")
    load(importing, file, qtbot, "no memory")
    assert list(session.objects) == [1] and not importing.running


def test_loading_goes_on_with_another_model(importing, inference, labels, file, qtbot):
    inference.held = True
    importing.load(file)
    qtbot.waitUntil(lambda: importing.running)
    inference.held = False
    inference.change(Dropped.MODEL)
    qtbot.waitUntil(lambda: not importing.running)
    assert "Loaded 3 objects" in importing.texts[-1]
    assert labels.any()


def test_loading_ends_without_a_model_and_can_be_begun_again(
    importing, session, inference, file, qtbot
):
    inference.held = True
    importing.load(file)
    qtbot.waitUntil(lambda: importing.running)
    inference.held = False
    inference.change(Dropped.NO_MODEL)
    assert importing.texts[-1] == "Nothing was loaded: there is no model"
    assert not importing.running
    assert list(session.objects) == [1] and not session.can_undo
    load(importing, file, qtbot)
    assert list(session.objects) == [3, 7, 9]


def test_mask_that_cannot_be_taken_ends_the_loading(
    importing, session, inference, file, qtbot
):
    class Broken:
        patch = Patch.of(np.full(SHAPE[1:], np.nan, np.float32))

    inference.model.answer = lambda request, turn: Broken
    load(importing, file, qtbot, "Nothing was loaded: a probability map")
    assert not importing.running
    assert list(session.objects) == [1] and not session.can_undo


def test_file_of_another_image_is_refused(importing, session, tmp_path, qtbot):
    path = tmp_path / "other.json"
    write_prompts(path, [ObjectPrompts(1, "", {Plane(0, 50): Prompts().click(1, 1)})])
    load(importing, path, qtbot, "does not cut")
    assert list(session.objects) == [1]
