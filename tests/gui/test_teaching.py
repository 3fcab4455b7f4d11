"""The model is taught in a window: kept if it is better, undone, forgotten, resumed."""

import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.gui.driver import CTRL
from tests.gui.test_propagation import press

from napari_segnext.files.categories import Category
from napari_segnext.geometry.plane import Plane
from napari_segnext.models import ModelConfig, build_model
from napari_segnext.prompts import Prompts
from napari_segnext.training import teaching

PLANE = Plane(0, 4)


@pytest.fixture
def lesson(monkeypatch):
    """Put a lesson in the place of the real one; it ends when it is let go."""
    told = SimpleNamespace(go=threading.Event(), after=(0.7, 0.8, 0.9), known=None)

    def teach(predictor, known):
        told.known = known
        while not told.go.wait(0.01):
            yield 0.25
        yield 1.0
        model = build_model(ModelConfig("tiny", 64))
        return teaching.Taught(model, (0.5, 0.6, 0.7), told.after, 8, 2)

    monkeypatch.setattr(teaching, "teaching", teach)
    yield told
    told.go.set()


def accept_some(desk, count):
    """Segment and accept objects beside each other."""
    session = desk.annotator.session
    for _ in range(count):
        number = session.current
        left = 12 * number - 8
        request = session.set_prompts(PLANE, Prompts().click(8, left + 3))
        probability = np.zeros((60, 80), np.float32)
        probability[5:12, left : left + 7] = 1
        session.commit(request, probability)
        session.accept(number)
        desk.annotator.objects.begin()


@pytest.fixture
def taught(desk, lesson):
    """Accept objects, begin to teach them, and wait until that is under way."""
    # Nothing is asked of it: the lesson is no real one.
    desk.engine.predictor = None
    accept_some(desk, 5)
    desk.user.waits_until(lambda: desk.annotator.saving.path is not None)
    press(desk.widget.teaching.button)
    desk.user.waits_until(lambda: lesson.known is not None)
    return desk


def model(desk):
    return str(desk.widget.model_choice.currentData())


def finish(desk, lesson):
    lesson.go.set()
    desk.user.waits_until(lambda: not desk.annotator.teaching.running)


def test_a_better_model_is_used_undone_and_forgotten(taught, lesson):
    part, session = taught.widget.teaching, taught.annotator.session
    assert [each.object_id for each in lesson.known] == [1, 2, 3, 4, 5]
    assert part.bar.isVisibleTo(part)
    assert not part.forget.isVisibleTo(part)
    finish(taught, lesson)
    place = taught.annotator.saving.path.with_name(session.taught)
    assert place.name.endswith(".taught-1.safetensors")
    assert place.is_file()
    assert model(taught) == str(place)
    numbers = "IoU 0.50 → 0.70 with 1 prompt, 0.70 → 0.90 with 3"
    assert part.outcome.text() == f"Kept: {numbers} (2 objects that were kept back)"
    assert numbers in taught.status
    taught.user.key(Qt.Key.Key_Z, CTRL)
    assert (session.taught, model(taught)) == ("", "tiny")
    taught.user.key(Qt.Key.Key_Z, CTRL | Qt.KeyboardModifier.ShiftModifier)
    assert model(taught) == str(place)
    press(part.forget)
    assert part.outcome.text().startswith("Forgotten: ")
    assert (session.taught, model(taught)) == ("", "tiny")
    # It is there for undo, and as a file to load.
    assert place.is_file()


def test_a_model_that_is_no_better_is_not_used(taught, lesson):
    lesson.after = (0.9, 0.9, 0.69)
    finish(taught, lesson)
    assert taught.annotator.session.taught == ""
    assert model(taught) == "tiny"
    assert "Not kept, as it is no better: IoU 0.50 → 0.90" in taught.status
    assert not list(taught.annotator.saving.path.parent.glob("*.safetensors"))


def test_a_click_comes_first_and_it_can_be_stopped(taught, lesson):
    session = taught.annotator.session
    prompts = {PLANE: Prompts().click(30, 40)}
    taught.annotator.prompting.give(prompts)
    number = session.current
    taught.user.waits_until(lambda: bool(session.objects[number].results))
    assert taught.annotator.teaching.running
    press(taught.widget.teaching.cancel)
    taught.user.waits_until(lambda: not taught.annotator.teaching.running)
    assert "the model is as it was" in taught.status
    assert session.taught == ""


def test_another_choice_of_a_model_takes_its_place(taught, lesson):
    finish(taught, lesson)
    choice = taught.widget.model_choice
    choice.show_model("tiny")
    choice.chosen.emit()
    assert taught.annotator.session.taught == ""
    assert model(taught) == "tiny"


def test_resume_goes_on_with_it(taught, lesson):
    finish(taught, lesson)
    place = model(taught)
    taught.widget.stop()
    taught.widget.model_choice.show_model("tiny")
    taught.widget.start()
    taught.user.waits_until(lambda: not taught.widget.offer.isHidden())
    press(taught.widget.offer.resume_button)
    taught.user.waits_until(lambda: model(taught) == place)


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "later"])
def test_a_taught_model_that_is_gone_leaves_the_one_before(
    taught, lesson, monkeypatch, at_once
):
    finish(taught, lesson)
    part, place = taught.widget.teaching, Path(model(taught))
    place.rename(place.with_suffix(".away"))
    taught.widget.stop()
    taught.widget.model_choice.show_model("tiny")

    def load(name, *_):
        if name != "tiny" and not Path(name).is_file():
            raise ValueError(f"{name} is no file")
        return taught.engine

    monkeypatch.setattr("napari_segnext.predicting.live.load_live_model", load)
    taught.widget.start(resume=at_once)
    if not at_once:
        taught.user.waits_until(lambda: "Ready" in taught.status)
        press(taught.widget.offer.resume_button)
    taught.user.waits_until(lambda: "cannot be loaded" in part.outcome.text())
    taught.user.waits_until(lambda: "Ready" in taught.status)
    assert model(taught) == "tiny"
    assert place.name in part.outcome.text()
    assert part.forget.isEnabled()
    # It is there for undo, and to resume with once it is back.
    assert taught.annotator.session.taught == place.name
    press(part.forget)
    assert (part.outcome.text(), model(taught)) == ("", "tiny")
    taught.user.key(Qt.Key.Key_Z, CTRL)
    taught.user.waits_until(lambda: "cannot be loaded" in part.outcome.text())
    taught.user.waits_until(lambda: model(taught) == "tiny")
    taught.widget.model_choice.chosen.emit()
    assert part.outcome.text() == ""


def test_it_says_at_once_what_is_missing(desk, lesson):
    accept_some(desk, 4)
    desk.user.waits_until(lambda: desk.annotator.saving.path is not None)
    press(desk.widget.teaching.button)
    assert "accept 5 objects that were segmented with prompts" in desk.status
    assert "so far there are 4" in desk.status
    accept_some(desk, 1)
    session = desk.annotator.session
    session.categorise([session.current], Category(3, "vesicle"))
    press(desk.widget.teaching.button)
    assert "not taught class vesicle: accept 5" in desk.status
    assert "so far there are 0" in desk.status
    assert not desk.annotator.teaching.running


def test_another_model_on_the_way_ends_it(taught, lesson):
    taught.widget.model_choice.chosen.emit()
    taught.user.waits_until(lambda: not taught.annotator.teaching.running)
    lesson.go.set()
    taught.user.waits_until(lambda: taught.widget.worker.idle)
    assert taught.annotator.session.taught == ""
    assert not list(taught.annotator.saving.path.parent.glob("*.safetensors"))


def test_the_image_closed_on_the_way_ends_it_and_all_is_resumed(taught, lesson):
    place = taught.annotator.saving.path
    volume = taught.image.data
    taught.viewer.layers.remove(taught.image)
    taught.user.waits_until(lambda: taught.annotator is None)
    lesson.go.set()
    taught.user.waits_until(lambda: taught.widget.worker.idle)
    assert "The image was removed" in taught.status
    assert not list(place.parent.glob("*.safetensors"))
    taught.viewer.add_image(volume, name="volume")
    taught.widget.start(resume=True)
    finished = taught.annotator.session.objects
    taught.user.waits_until(lambda: sum(e.finished for e in finished.values()) == 5)
