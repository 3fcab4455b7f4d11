"""An engine takes over when it is ready, and PyTorch when it fails."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from napari_segnext.engines import EngineModel, Functions
from napari_segnext.models import Cancelled
from napari_segnext.models.fingerprint import model_fingerprint
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.prompts import Prompts
from tests.doubles import IntensityModel

IMAGE = np.zeros((64, 64), np.uint8)
IMAGE[20:40, 20:40] = 200


class Told(list):
    """Collects what an engine tells."""

    @property
    def messages(self):
        return [state.message for state in self if state.message]


def click(model):
    predictor = Predictor(model)
    predictor.set_image(IMAGE)
    return predictor.predict(Prompts().click(30, 30)).probability


def ready(prepare, numerics=""):
    """Return an engine that has been prepared, and what it told."""
    go, told = threading.Event(), Told()

    def after_go(model):
        go.wait(5)
        return prepare(model)

    model = EngineModel(IntensityModel().eval(), after_go, numerics)
    model.listen(told.append)
    go.set()
    assert model.wait(5)
    return model, told


def constant(value):
    """Make functions that find the same everywhere."""
    return lambda model: Functions(
        "constant",
        lambda images, check: {"image": images},
        lambda features, dense: torch.full_like(dense[:, :1], value),
    )


def test_model_itself_answers_until_the_engine_is_ready():
    go = threading.Event()

    def prepare(model):
        go.wait(5)
        return constant(9.0)(model)

    model = EngineModel(IntensityModel().eval(), prepare)
    assert "PyTorch" in model.description
    np.testing.assert_array_equal(click(model), click(model.plain))
    go.set()
    model.wait(5)
    assert model.description == "constant"
    assert (click(model) > 0.9).all()


def test_listener_is_told_when_the_engine_is_ready():
    _, told = ready(constant(9.0))
    assert [state.description for state in told] == ["constant"]
    assert not told.messages


def test_late_listener_is_told_the_last_change():
    model, _ = ready(fail_to_prepare)
    told = Told()
    model.listen(told.append)
    assert len(told.messages) == 1


def fail_to_prepare(model):
    raise ImportError("no such library")


def fail_to_encode(model):
    def image_features(images, check):
        raise NotImplementedError("no such operator")

    return Functions("broken", image_features)


def fail_to_decode(model):
    def mask_logits(features, dense):
        raise MemoryError("not enough memory")

    return Functions("broken", mask_logits=mask_logits)


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (fail_to_prepare, "no such library"),
        (fail_to_encode, "no such operator"),
        (fail_to_decode, "not enough memory"),
    ],
)
def test_click_is_answered_by_pytorch_and_the_failure_told_once(prepare, reason):
    model, told = ready(prepare)
    exact = click(IntensityModel().eval())
    for _ in range(3):
        np.testing.assert_array_equal(click(model), exact)
    (message,) = told.messages
    assert reason in message
    assert "PyTorch goes on" in message
    assert model.description == "PyTorch"


def test_cancelling_is_no_failure():
    def prepare(model):
        def image_features(images, check):
            check()
            raise AssertionError("went on")

        return Functions("polite", image_features)

    model, told = ready(prepare)
    with pytest.raises(Cancelled):
        model.encode(np.zeros((64, 64, 3), np.float32), cancelled=lambda: True)
    assert not told.messages
    assert model.description == "polite"


class OnGPU(IntensityModel):
    """Behaves as a model on a GPU that is out of memory when it decodes."""

    gpu = False

    @property
    def device(self):
        return torch.device("meta" if self.gpu else "cpu")

    def decode(self, embedding, prompts, state=None):
        if self.gpu:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().decode(embedding, prompts, state)

    def _apply(self, function, *args):
        self.gpu = False  # it is being moved
        return super()._apply(function, *args)


def test_gpu_that_fails_leaves_the_work_to_the_cpu():
    plain, told = OnGPU().eval(), Told()
    model = EngineModel(plain)
    model.listen(told.append)
    predictor = Predictor(model)
    predictor.set_image(IMAGE)
    predictor.embed()
    plain.gpu = True
    assert model.description == "PyTorch on the GPU"
    for _ in range(2):
        found = predictor.predict(Prompts().click(30, 30)).probability
        np.testing.assert_array_equal(found, click(IntensityModel().eval()))
    (message,) = told.messages
    assert "out of memory" in message
    assert "the CPU goes on" in message
    assert model.description == "PyTorch"


def test_embeddings_of_exact_engines_are_shared_and_others_are_not():
    plain = IntensityModel().eval()
    exact, _ = ready(constant(0.0))
    rounded, _ = ready(constant(0.0), "int8")
    assert model_fingerprint(exact) == model_fingerprint(plain)
    assert model_fingerprint(rounded) != model_fingerprint(plain)


@pytest.mark.parametrize("engine", ["traced", "compiled"])
def test_the_end_of_a_program_waits_for_an_engine_that_is_made(engine):
    code = (
        "import threading, time\n"
        "from napari_segnext import load_model\n"
        f"from napari_segnext.engines import EngineModel, Functions, {engine}\n"
        "begun = threading.Event()\n"
        "def make(model):\n"
        "    begun.set()\n"
        "    time.sleep(1)\n"
        "    print('made', flush=True)\n"
        "    return Functions('slow')\n"
        f"{engine}._prepare = make\n"
        f"EngineModel(load_model('tiny', 'cpu'), {engine}.prepare)\n"
        "begun.wait()\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "made\n"
