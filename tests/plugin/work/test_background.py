"""What goes on in the background ends and says so, whatever becomes of the model."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import QObject, Signal

from napari_segnext.files import ObjectPrompts, write_prompts
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Patch
from napari_segnext.plugin.work.embed_all import EmbedAll
from napari_segnext.plugin.work.importing import Importing
from napari_segnext.plugin.work.inference import Inference
from napari_segnext.plugin.work.propagating import Propagating
from napari_segnext.plugin.work.worker import Worker
from napari_segnext.prompts import Prompts
from napari_segnext.session import ArrayLabels, Session

SHAPE = (5, 20, 24)
HERE = Plane(0, 2)


def patch() -> Patch:
    page = np.zeros(SHAPE[1:], np.float32)
    page[4:9, 5:12] = 1
    return Patch.of(page)


class Model:
    """A model that is at it until it is let go on."""

    description, note, together = "model", "", 1

    def __init__(self) -> None:
        self.busy, self.free = threading.Event(), threading.Event()
        self.embedded: list[Plane] = []

    def _wait(self, turn) -> None:
        self.busy.set()
        while not self.free.wait(0.002):
            if turn():
                raise RuntimeError("cancelled")

    def embed_all(self, planes, total, turn, works_on) -> str:
        self._wait(turn)
        self.embedded += planes
        return ""

    def answer(self, request, turn):
        self._wait(turn)
        return type("Answer", (), {"patch": patch()})

    @property
    def predictor(self):
        return self


class Way:
    """Stands for a propagation by a model."""

    slices = (0, 4)

    def __init__(self, model, decided, axis, within) -> None:
        self._model, self.ended = model, False

    def advance(self, turn):
        self._model._wait(turn)
        self.ended = True
        return []


class Shown(QObject):
    turned = Signal(int)
    plane = HERE


@pytest.fixture
def inference(qtbot):
    worker = Worker()
    inference = Inference(worker)
    yield inference
    inference.close()
    worker.close()


@pytest.fixture
def session() -> Session:
    session = Session(ArrayLabels(np.zeros(SHAPE, np.uint16)), blank=True)
    session.new_object()
    request = session.set_prompts(HERE, Prompts().click(5, 6))
    session.commit(request, patch())
    return session


@pytest.fixture(params=["embed", "propagate", "import"])
def work(request, inference, session, tmp_path, monkeypatch):
    """Something that goes on in the background, and how it is begun."""
    match request.param:
        case "embed":
            work = EmbedAll(inference, lambda: [Plane(0, n) for n in range(3)])
            begin = work.start
        case "propagate":
            monkeypatch.setattr("napari_segnext.propagation.Propagation", Way)
            work = Propagating(inference, session, session.labels, Shown())
            begin = work.start
        case _:
            file = tmp_path / "prompts.json"
            planes = {HERE: Prompts().click(5, 6), Plane(0, 3): Prompts().click(5, 6)}
            write_prompts(file, [ObjectPrompts(4, "four", planes)])
            work = Importing(session, inference)

            def begin():
                work.load(file)

    work.begin, work.why = begin, []
    work.ended.connect(work.why.append)
    return work


def use(inference, model, qtbot):
    inference.load("model", lambda: model)
    qtbot.waitUntil(lambda: inference.model is model)


def begun(work, model, qtbot):
    work.begin()
    qtbot.waitUntil(lambda: work.running and model.busy.is_set())
    assert not work.why


def ends_well(work, model, qtbot):
    model.free.set()
    qtbot.waitUntil(lambda: not work.running)
    (why,) = work.why
    work.why.clear()
    assert why.startswith(("All 3 slices", "Found in 0 more", "Loaded 1 objects")), why


def test_work_ends_and_says_so(work, inference, qtbot):
    model = Model()
    use(inference, model, qtbot)
    begun(work, model, qtbot)
    ends_well(work, model, qtbot)


def test_another_model_goes_on_or_the_work_ends_and_can_be_begun_again(
    work, inference, qtbot
):
    first, second = Model(), Model()
    use(inference, first, qtbot)
    begun(work, first, qtbot)
    use(inference, second, qtbot)
    if not work.running:
        # What was found by one model is not gone on with by another.
        assert work.why == ["Propagation cancelled by the change of the model"]
        work.why.clear()
        begun(work, second, qtbot)
    ends_well(work, second, qtbot)
    first.free.set()
    qtbot.wait(20)
    assert not work.running and not work.why
    if isinstance(work, EmbedAll):
        assert second.embedded == [Plane(0, n) for n in range(3)]


def test_all_is_embedded_anew_by_a_model_that_comes_in_between(inference, qtbot):
    first, second = Model(), Model()
    use(inference, first, qtbot)
    work = EmbedAll(inference, lambda: [Plane(0, n) for n in range(3)])
    first.free.set()
    work.progressed.connect(lambda done, _: first.free.clear() if done == 1 else None)
    work.start()
    qtbot.waitUntil(lambda: first.embedded == [Plane(0, 0)] and not first.free.is_set())
    second.free.set()
    use(inference, second, qtbot)
    qtbot.waitUntil(lambda: not work.running)
    assert second.embedded == [Plane(0, n) for n in range(3)]


def test_stopped_work_can_be_begun_again(work, inference, qtbot):
    model = Model()
    use(inference, model, qtbot)
    begun(work, model, qtbot)
    work.stop()
    assert not work.running
    (why,) = work.why
    assert why.startswith(("Stopped: 0 of 3", "Propagation cancelled", "Nothing was"))
    work.why.clear()
    model.busy.clear()
    begun(work, model, qtbot)
    ends_well(work, model, qtbot)


def test_work_without_a_model_ends_and_can_be_begun_again(work, inference, qtbot):
    hold = threading.Event()

    def broken():
        hold.wait(5)
        raise OSError("no such file")

    inference.load("broken", broken)
    told: list[str] = []
    work.said.connect(told.append)
    work.begin()
    qtbot.waitUntil(lambda: work.running or "not loaded yet" in "".join(told))
    hold.set()
    qtbot.waitUntil(lambda: not inference.loading and not work.running)
    if work.why:
        assert "model" in work.why[0]
        work.why.clear()
    model = Model()
    use(inference, model, qtbot)
    begun(work, model, qtbot)
    ends_well(work, model, qtbot)


def test_the_end_of_the_session_ends_it(work, inference, qtbot):
    model = Model()
    use(inference, model, qtbot)
    begun(work, model, qtbot)
    inference.close()
    assert not work.running and len(work.why) == 1


def test_a_model_that_fails_ends_it_and_it_can_be_begun_again(work, inference, qtbot):
    class Failing(Model):
        def _wait(self, turn):
            if not self.busy.is_set():
                self.busy.set()
                raise OSError("no memory")
            super()._wait(turn)

    model = Failing()
    use(inference, model, qtbot)
    work.begin()
    qtbot.waitUntil(lambda: bool(work.why))
    assert "no memory" in work.why[0] and not work.running
    work.why.clear()
    begun(work, model, qtbot)
    ends_well(work, model, qtbot)


def test_where_embeddings_are_kept_is_told_to_the_model_that_comes(inference, qtbot):
    class Keeper(Model):
        def keep(self, policy, turn):
            self.kept = policy
            return "Embeddings stay in memory"

    work, said = EmbedAll(inference, list), []
    work.said.connect(said.append)
    model, another = Keeper(), Keeper()
    use(inference, model, qtbot)
    assert said == [""]
    work.keep("here")
    qtbot.waitUntil(lambda: said[-1] == "Embeddings stay in memory")
    use(inference, another, qtbot)
    qtbot.waitUntil(lambda: len(said) == 3)
    assert model.kept == another.kept == "here"
