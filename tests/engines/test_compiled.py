"""torch.compile and CUDA graphs; what needs a GPU is skipped without one."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from napari_segnext.engines import (
    EngineModel,
    Functions,
    accelerate,
    choose_engine,
    compiled,
)
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.prompts import Prompts
from napari_segnext.weights import load_model
from tests.doubles import IntensityModel

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


def probability(model):
    image = np.random.default_rng(0).integers(0, 255, (96, 96)).astype(np.uint8)
    predictor = Predictor(model)
    predictor.set_image(image)
    return predictor.predict(Prompts().click(20, 30)).probability


@pytest.mark.parametrize(("libraries", "safe"), [("libLLVM-15.so", False), ("", True)])
def test_triton_is_not_loaded_beside_the_llvm_of_mesa(
    tmp_path, monkeypatch, libraries, safe
):
    monkeypatch.setattr(compiled, "find_spec", lambda name: object())
    maps = tmp_path / "maps"
    maps.write_text(f"7f00-7f01 r-xp 0 0:0 /usr/lib/libc.so\n7f02 {libraries}\n")
    assert compiled.may_load_triton(maps) is safe


def test_compiled_decoder_gives_the_same_masks_on_a_cpu(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SEGNEXT_CACHE", str(tmp_path))
    # All but the generation of code, for which the machine would need a compiler.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    monkeypatch.setattr(compiled, "may_load_triton", lambda: True)
    plain = load_model("tiny", "cpu")
    engine = accelerate(plain, "compiled")
    assert engine.wait(120)
    assert engine.description == "torch.compile"
    np.testing.assert_allclose(probability(engine), probability(plain), atol=1e-5)


def test_engine_that_answers_wrongly_is_not_used(monkeypatch):
    wrong = Functions("wrong", mask_logits=lambda features, dense: dense[:, :1] + 9)
    monkeypatch.setattr(compiled, "_on_cpu", lambda model, features: wrong)
    plain = IntensityModel().eval()
    engine = EngineModel(plain, compiled.prepare)
    assert engine.wait(30)
    assert engine.description == "PyTorch"
    np.testing.assert_array_equal(probability(engine), probability(plain))


def test_device_decides_what_auto_means():
    assert choose_engine("cuda") == "compiled"
    assert choose_engine("mps") == "torch"


@cuda
def test_recorded_function_answers_new_inputs_and_keeps_old_answers():
    weight = torch.randn(8, 8, device="cuda")
    recorded = compiled.Recorded(lambda x: (x @ weight,), (weight,))
    inputs = torch.randn(2, 8, 8, device="cuda")
    first, second = (recorded(each)[0] for each in inputs)
    torch.testing.assert_close(first, inputs[0] @ weight)
    torch.testing.assert_close(second, inputs[1] @ weight)


@cuda
def test_recorded_model_gives_nearly_the_same_masks():
    plain = load_model("tiny", "cuda")
    engine = accelerate(plain, "auto")
    assert engine.wait(240)
    assert engine.description == "CUDA graphs, bf16"
    np.testing.assert_allclose(probability(engine), probability(plain), atol=0.1)
