"""A decode traced by PyTorch gives the same masks, and asks for Python's lock once."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from napari_segnext.engines import accelerate, traced
from napari_segnext.engines.functions import sample_of
from napari_segnext.models.config import ModelConfig
from napari_segnext.models.segnext import SegNext
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.prompts import Prompts
from napari_segnext.weights import load_model
from tests.doubles import IntensityModel


@pytest.fixture(scope="module")
def tiny():
    return load_model("tiny", "cpu")


def probabilities(model):
    image = np.random.default_rng(0).integers(0, 255, (96, 96)).astype(np.uint8)
    predictor = Predictor(model)
    predictor.set_image(image)
    first = predictor.predict(Prompts().click(20, 30))
    second = predictor.predict(Prompts().click(20, 30).click(70, 60, False), first)
    return np.stack([first.probability, second.probability])


def test_masks_are_those_of_the_model(tiny):
    engine = accelerate(tiny, "traced")
    assert engine.wait(60)
    assert engine.description == "PyTorch, traced"
    np.testing.assert_allclose(probabilities(engine), probabilities(tiny), atol=1e-5)


def test_nothing_is_told_of_what_pytorch_plans(tiny):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        traced.prepare(tiny)


class Calls(TorchFunctionMode):
    """Counts what Python asks of PyTorch; after each it waits for Python's lock."""

    count = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.count += 1
        return function(*args, **(kwargs or {}))


def test_python_asks_once(tiny):
    sample = sample_of(tiny)
    functions = traced.prepare(tiny)

    def calls(mask_logits):
        with torch.inference_mode():
            features = tiny.image_features(sample.images)
            with Calls() as seen:
                mask_logits(features, sample.dense[0])
        return seen.count

    assert calls(functions.mask_logits) <= 1
    assert calls(tiny.mask_logits) > 50


def test_decode_that_answers_wrongly_is_not_used(monkeypatch):
    monkeypatch.setattr(
        traced, "trace", lambda *_: lambda *tensors: tensors[-1][:, :1] + 9
    )
    plain = IntensityModel().eval()
    engine = accelerate(plain, "traced")
    told = []
    engine.listen(told.append)
    assert engine.wait(30)
    assert engine.description == "PyTorch"
    assert "differs" in told[-1].message
    np.testing.assert_array_equal(probabilities(engine), probabilities(plain))


def test_decode_that_remembers_stays_as_it_is():
    arch = {"patch_size": 16, "embed_dim": 48, "depth": 1, "num_heads": 2}
    model = SegNext(ModelConfig("segnext", 64), **arch)
    assert traced.prepare(model.eval()).mask_logits is None
