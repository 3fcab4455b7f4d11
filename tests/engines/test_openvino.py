"""OpenVINO: made once in a process of its own, exact, interruptible, kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_segnext.engines import EngineModel, accelerate, choose_engine, openvino
from napari_segnext.engines.cache import folder_of
from napari_segnext.engines.functions import sample_of
from napari_segnext.models import Cancelled, ModelConfig, build_model
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.prompts import Prompts

ARCH = {
    "embed_dim": 32,
    "depth": 2,
    "num_heads": 2,
    "fusion_depth": 1,
    "neck_channels": (8, 16, 32, 64),
    "head_channels": 16,
}
installed = pytest.mark.skipif(
    not openvino.is_installed(), reason="needs the extra openvino"
)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_model(ModelConfig("segnext", 64, arch=ARCH)).eval()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SEGNEXT_CACHE", str(tmp_path / "cache"))


def click(model):
    image = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    predictor = Predictor(model)
    predictor.set_image(image)
    return predictor.predict(Prompts().click(20, 30)).probability


def told(model: EngineModel):
    messages = []
    model.listen(lambda state: messages.append(state.message))
    assert model.wait(240)
    return [message for message in messages if message]


def write_report(folder, seconds, difference):
    """Stand in for an engine that was made: its functions are never called."""
    functions = {"image_features": (9.0, 0.0), "mask_logits": (seconds, difference)}
    folder.mkdir(parents=True)
    found = {
        verb: {"seconds": s, "torch_seconds": 1.0, "difference": d}
        for verb, (s, d) in functions.items()
    }
    report = {"features": ["image"], "functions": found}
    (folder / "report.json").write_text(openvino.json.dumps(report))


@pytest.mark.parametrize(
    ("engine", "seconds", "difference", "used"),
    [
        ("openvino", 0.5, 1e-6, True),
        ("openvino", 0.95, 1e-6, False),
        ("openvino", 0.5, 0.1, False),
        ("openvino-int8", 0.5, 0.1, True),
    ],
)
def test_function_is_used_if_it_is_faster_and_as_exact_as_promised(
    model, monkeypatch, engine, seconds, difference, used
):
    networks = []

    class Network:
        def __init__(self, path, threads):
            networks.append(path.stem)

    monkeypatch.setattr(openvino, "Network", Network)
    folder = folder_of(model, engine)
    write_report(folder, seconds, difference)
    description = openvino.load(folder, engine).description
    assert networks == (["mask_logits"] if used else [])
    assert description.startswith("OpenVINO" if used else "PyTorch")


def test_engine_that_is_not_installed_leaves_the_work_to_pytorch(model, monkeypatch):
    monkeypatch.setattr(openvino, "is_installed", lambda: False)
    assert choose_engine("cpu") == "traced"
    engine = accelerate(model, "openvino")
    (message,) = told(engine)
    assert "pip install 'napari-segnext[openvino]'" in message
    np.testing.assert_array_equal(click(engine), click(model))


def test_int8_asks_to_be_calibrated(model):
    (message,) = told(accelerate(model, "openvino-int8"))
    assert "models verify" in message


def test_process_that_fails_says_why(model, monkeypatch):
    monkeypatch.setattr(openvino, "is_installed", lambda: True)
    # A model that the other process cannot read.
    monkeypatch.setattr(openvino, "save_model", lambda model, path: path.touch())
    with pytest.raises(RuntimeError, match=r"model\.safetensors"):
        openvino.make(model)
    assert not folder_of(model, "openvino", "openvino", "nncf").exists()


@installed
def test_masks_are_those_of_pytorch_and_the_engine_is_made_once(model):
    folder = openvino.make(model)
    made = (folder / "report.json").stat().st_mtime_ns
    # At this size either may be faster: it is the numbers that are compared.
    report = openvino.report_of(folder)
    for found in report["functions"].values():
        assert found["difference"] < 1e-3
        found["torch_seconds"] = 10 * found["seconds"]
    (folder / "report.json").write_text(openvino.json.dumps(report))
    written = (folder / "report.json").stat().st_mtime_ns
    engine = accelerate(model, "openvino")
    assert not told(engine)
    assert engine.description == "OpenVINO"
    np.testing.assert_allclose(click(engine), click(model), atol=1e-4)
    assert (folder / "report.json").stat().st_mtime_ns == written >= made
    network = openvino.Network(folder / "image_features.xml")

    def cancel():
        raise Cancelled

    sample = sample_of(model)
    with pytest.raises(Cancelled):
        network(sample.images, check=cancel)
    assert len(network(sample.images)) == 1
