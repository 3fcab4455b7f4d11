from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from napari_segnext import load_model
from napari_segnext.models import ModelConfig, SegmentationModel, build_model
from napari_segnext.prompts import PromptStyle
from napari_segnext.training.average import average
from napari_segnext.weights import save_model

CONFIG = ModelConfig("tiny", 64, resize="pad", arch={"widths": [8, 8, 8, 16]})


def saved(path: Path, seed: int, config: ModelConfig = CONFIG) -> SegmentationModel:
    torch.manual_seed(seed)
    model = build_model(config)
    save_model(model, path)
    return model


def test_every_weight_is_the_mean(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.safetensors" for n in range(3)]
    models = [saved(path, seed) for seed, path in enumerate(paths)]
    models[0].get_buffer("refine.0.1.1.num_batches_tracked").fill_(7)
    save_model(models[0], paths[0])
    average(paths, tmp_path / "mean.safetensors")
    found = load_model(tmp_path / "mean.safetensors", device="cpu")
    assert found.config == CONFIG
    assert found.get_buffer("refine.0.1.1.num_batches_tracked") == 7
    for name, tensor in found.named_parameters():
        expected = sum(model.get_parameter(name) for model in models) / 3
        torch.testing.assert_close(tensor, expected, msg=name)


def test_only_models_of_one_kind_have_a_mean(tmp_path: Path) -> None:
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    saved(first, 0)
    with pytest.raises(ValueError, match="at least two"):
        average([first], tmp_path / "mean.safetensors")
    saved(second, 0, replace(CONFIG, style=PromptStyle(7)))
    with pytest.raises(ValueError, match=r"b\.safetensors is another kind"):
        average([first, second], tmp_path / "mean.safetensors")
    assert not (tmp_path / "mean.safetensors").exists()


@pytest.mark.parametrize("taught_first", [True, False])
def test_a_taught_model_has_a_mean_with_an_encoder_of_its_own(
    tmp_path: Path, taught_first: bool
) -> None:
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    saved(first, 0)
    saved(second, 1, replace(CONFIG, arch={**CONFIG.arch, "base": "of another"}))
    paths = [second, first] if taught_first else [first, second]
    average(paths, tmp_path / "mean.safetensors")
    assert load_model(tmp_path / "mean.safetensors", device="cpu").config == CONFIG
