"""Files of weights that ask for more than any model needs, and imports that fail."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from napari_segnext.models import ModelConfig, architecture_of
from napari_segnext.weights import CATALOGUE, WeightsError, load_model, path_of
from napari_segnext.weights.checkpoint import read_checkpoint


def refused(path: Path) -> str:
    started = time.process_time()
    with pytest.raises(WeightsError) as told:
        read_checkpoint(path)
    assert time.process_time() - started < 5
    message = str(told.value)
    assert "\n" not in message and str(path) in message and len(message) < 800
    return message


@pytest.fixture(scope="module")
def tiny() -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    # What a refusal takes is not what importing the architecture takes.
    architecture_of(ModelConfig("tiny", 256))
    with safe_open(path_of(CATALOGUE["tiny"]), "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        return tensors, json.loads(file.metadata()["config"])


TILING = {"overlap": 0.5, "finest": 0.75, "first": 0.75, "margin": 1.4}
NAN, HUGE = float("nan"), 10**9


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("size", v) for v in (HUGE, 60000, 0, -64, "x", 64.5, True, None, 250)),
        *(("looks", v) for v in (HUGE, 0, -1, 1.5, "2")),
        *(("mean", v) for v in ([NAN] * 3, [float("inf")] * 3, [0.5], [1e30] * 3, 3)),
        *(("std", v) for v in ([0.0] * 3, [NAN] * 3, [-1.0] * 3, ["a"] * 3)),
        *(("fill", v) for v in ([NAN] * 3, [1e9] * 3, [])),
        *(("tiling", {**TILING, "overlap": v}) for v in (1.0, 0.999999, -1, NAN)),
        *(("tiling", {**TILING, "finest": v}) for v in (1e9, 0, NAN, "x")),
        *(("tiling", {**TILING, "first": v}) for v in (0, -1, float("inf"))),
        *(("tiling", {**TILING, "margin": v}) for v in (1e9, 0, NAN)),
        ("tiling", {"unknown": 1}),
        *(("style", {"radius": v, "region": "previous"}) for v in (HUGE, -1, NAN, "r")),
        ("style", {"radius": 3, "region": "sideways"}),
        *(("resize", v) for v in ("stretch", 1, ["pad"])),
        ("window", "none"),
        ("antialias", "yes"),
        ("architecture", ["tiny"]),
        *(("arch", v) for v in ([], "x", {"encoder": "x" * 10**5}, {"detail": HUGE})),
        ("arch", {"widths": [16] * 10**5}),
        ("arch", {"fusion_depth": 60000}),
        ("arch", {"fusion_heads": NAN}),
        ("unheard", 1),
    ],
)
def test_a_configuration_that_no_model_has_is_refused(name, value, tiny, tmp_path):
    tensors, config = tiny
    path = tmp_path / "x.safetensors"
    save_file(tensors, path, {"config": json.dumps({**config, name: value})})
    refused(path)


@pytest.mark.parametrize("depth", [HUGE, 10**5, 60000, 5000])
@pytest.mark.parametrize("architecture", ["segnext", "ois"])
def test_depth_without_end_is_not_built(architecture, depth, tiny, tmp_path):
    path = tmp_path / "x.safetensors"
    config = {**tiny[1], "architecture": architecture, "arch": {"depth": depth}}
    if architecture == "ois":
        config["size"] = 154
    save_file({"a": torch.zeros(1)}, path, {"config": json.dumps(config)})
    refused(path)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"arch":' + "[" * 50_000, "1" * 99_999, '"' + "x" * 10**6]
)
def test_a_text_that_is_no_configuration_is_refused(text, tiny, tmp_path):
    path = tmp_path / "x.safetensors"
    save_file(tiny[0], path, {"config": text})
    assert "not a model configuration" in refused(path)


@pytest.mark.parametrize("name", ["depth", "embed_dim"])
@pytest.mark.parametrize("value", [HUGE, float("inf"), NAN, [1] * 1000, "x" * 10**6])
def test_a_published_file_with_absurd_numbers_is_refused(
    content, tmp_path, name, value
):
    content["config"]["params"]["backbone_params"]["value"][name] = value
    torch.save(content, tmp_path / "x.pth")
    refused(tmp_path / "x.pth")


def test_tensors_that_are_larger_than_their_file_are_refused(content, tmp_path):
    one = torch.zeros(1)
    content["state_dict"] = {
        name: one.as_strided(t.shape, [0] * t.ndim)
        for name, t in content["state_dict"].items()
    }
    torch.save(content, tmp_path / "x.pth")
    assert "announces" in refused(tmp_path / "x.pth")


def test_tensors_without_values_are_refused(content, tmp_path):
    content["state_dict"]["backbone.pos_embed"] = torch.zeros(
        content["state_dict"]["backbone.pos_embed"].shape, device="meta"
    )
    torch.save(content, tmp_path / "x.pth")
    refused(tmp_path / "x.pth")


def test_a_file_without_a_configuration_and_with_a_number_is_refused(tmp_path):
    name = "vision_encoder.patch_embed.projection.weight"
    save_file({name: torch.tensor(1.0)}, tmp_path / "x.safetensors")
    refused(tmp_path / "x.safetensors")


BROKEN = "raise RuntimeError('operator torchvision::nms does not exist\\nmore')"
LACKING = "from torch import no_such_name"


@pytest.mark.parametrize(
    ("content", "package", "said"),
    [
        (BROKEN, "misfit", "torchvision::nms"),
        (LACKING, "torch", "no_such_name"),
        ("import not_there.at_all", "not_there", "No module named"),
    ],
)
def test_an_import_that_fails_is_not_the_fault_of_the_weights(
    content, package, said, tmp_path, monkeypatch
):
    (tmp_path / "misfit.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(
        sys.modules["napari_segnext.models"].ARCHITECTURES, "tiny", ("misfit", "Tiny")
    )
    with pytest.raises(ImportError, match=rf"package {package} .*{said}") as told:
        load_model("tiny", "cpu")
    message = str(told.value)
    assert "\n" not in message and "pip install" in message
    assert "safetensors" not in message and "update the package" not in message


def test_sane_configurations_are_taken():
    for size in (8, 250, 1022, 2048):
        assert ModelConfig("tiny", size).size == size
