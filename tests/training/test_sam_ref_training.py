"""A refiner in the training loop, and the base model that it starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("cv2", reason="training needs the extra `train`")
pytest.importorskip("accelerate", reason="training needs the extra `train`")

from tests.models.research.sam import ARCH
from tests.training.pictures import squares

from napari_segnext import Predictor, Prompts
from napari_segnext.models import ModelConfig, build_model
from napari_segnext.models.base import Auxiliary
from napari_segnext.models.reference import reference_config
from napari_segnext.models.research.sam_ref.sam_ref import SamRef
from napari_segnext.prompts import PromptStyle
from napari_segnext.training.clicks import Trainer
from napari_segnext.training.crops import padded_image
from napari_segnext.training.finetune import options_of as finetuning_options
from napari_segnext.training.loop import Options
from napari_segnext.training.losses import (
    auxiliary_pair,
    dice_loss,
    normalised_focal_loss,
)
from napari_segnext.training.recipes import RECIPES
from napari_segnext.training.starts import load_weights
from napari_segnext.weights import load_model, save_model

SIZE = 64
BASE_ARCH = {"widths": [8, 8, 8, 16]}


def network(seed: int = 0, **changed: Any) -> SamRef:
    torch.manual_seed(seed)
    arch = {
        "base": "tiny",
        "base_arch": BASE_ARCH,
        "levels": {"stride4": 8, "stride16": 16},
        "width": 8,
        "blocks": 1,
        **changed,
    }
    model = build_model(ModelConfig("sam-ref", SIZE, style=PromptStyle(2), arch=arch))
    assert isinstance(model, SamRef)
    return model


def test_a_refiner_learns_and_leaves_its_base_as_it_is(tmp_path: Path) -> None:
    model, rows = network(), []
    before = {k: t.clone() for k, t in model.base.state_dict().items()}
    options = Options(
        steps=90,
        size=SIZE,
        images=3,
        objects=2,
        corrections=2,
        warmup=5,
        rate=8e-3,
        workers=0,
    )
    trainer = Trainer(model, {"squares": (squares, 1.0)}, tmp_path, options)
    trained = trainer.run(lambda row: rows.append(dict(row)))
    assert rows[-1]["dice"] < 0.9 * rows[0]["dice"]
    assert rows[-1]["iou"] > rows[0]["iou"] + 0.1
    assert isinstance(trained, SamRef)
    # Buffers, the statistics of normalisation, included.
    for name, tensor in trained.base.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_an_error_map_is_taught_where_a_mask_is_wrong() -> None:
    target = torch.tensor([[[[1.0, 1.0, 0.0, 0.0]]]])
    judged = torch.tensor([[[[3.0, -3.0, 3.0, -3.0]]]])
    logits, wanted = auxiliary_pair(Auxiliary(torch.zeros_like(target), judged), target)
    assert wanted.tolist() == [[[[0.0, 1.0, 1.0, 0.0]]]]
    assert torch.equal(logits, torch.zeros_like(target))


def test_nothing_is_learned_outside_a_window() -> None:
    target = (torch.rand(2, 1, 8, 8) > 0.5).float()
    inside = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    inside[0, :, 2:5, 2:5] = True
    learned = torch.zeros_like(target, requires_grad=True)
    pair = auxiliary_pair(Auxiliary(learned, inside=inside), target)
    (normalised_focal_loss(*pair) + dice_loss(*pair)).backward()
    assert learned.grad is not None
    assert torch.equal(learned.grad != 0, inside)


@pytest.mark.parametrize("whole", [False, True])
def test_a_refiner_starts_from_its_base_or_from_a_refiner(
    tmp_path: Path, whole: bool
) -> None:
    source, model = network(seed=1), network()
    refiner = model.project.norm.weight.detach().fill_(0.5).clone()
    save_model(source if whole else source.base, tmp_path / "start.safetensors")
    load_weights(model, tmp_path / "start.safetensors")
    for name, tensor in source.base.state_dict().items():
        assert torch.equal(model.base.state_dict()[name], tensor), name
    assert torch.equal(model.project.norm.weight, refiner) != whole


def test_another_base_is_refused(tmp_path: Path) -> None:
    save_model(network().base, tmp_path / "start.safetensors")
    other = network(base_arch={"widths": [8, 8, 8, 24]}, levels={"stride4": 8})
    with pytest.raises(ValueError, match="holds another model"):
        load_weights(other, tmp_path / "start.safetensors")


def test_the_light_refiner_starts_from_the_bundled_model() -> None:
    recipe, bundled = RECIPES["tiny-ref"], load_model("tiny", device="cpu")
    model = build_model(recipe.config)
    assert isinstance(model, SamRef)
    assert recipe.start is not None
    recipe.start(model)
    # It has been measured with one look at the first click.
    bundled.config = replace(bundled.config, looks=1)
    assert model.base.config == bundled.config
    for name, tensor in bundled.state_dict().items():
        assert torch.equal(model.base.state_dict()[name], tensor), name
    # A refiner that has learned nothing changes no mask.
    image = np.full((256, 256), 40, np.uint8)
    image[60:120, 50:130] = 200
    predictors = Predictor(model.eval()), Predictor(bundled)
    for predictor in predictors:
        predictor.set_image(image)
    refined, plain = (p.predict(Prompts().click(90, 90)).mask for p in predictors)
    assert plain.sum() > 1000
    assert np.array_equal(refined, plain)


@pytest.mark.parametrize("name", ["vitb-sa2", "sam-vitb"])
def test_the_large_refiners_are_behind_published_models(name: str) -> None:
    pytest.importorskip("transformers", reason="SAM needs the extra `sam`")
    with torch.device("meta"):
        model = build_model(RECIPES[f"{name}-ref"].config)
    assert isinstance(model, SamRef)
    assert model.base.config == reference_config(name)


def test_a_refiner_behind_sam_learns_and_leaves_it_as_it_is(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="SAM needs the extra `sam`")
    model = network(base="sam", base_arch=ARCH["sam"], levels={"image": 32})
    before = {k: t.clone() for k, t in model.base.state_dict().items()}
    new = model.global_refiner.mask.weight.clone()
    options = Options(steps=2, size=SIZE, images=2, objects=1, corrections=2, workers=0)
    sources = {"squares": (squares, 1.0)}
    trainer = Trainer(model, sources, tmp_path, options, padded_image)
    trained = trainer.run(lambda row: None)
    assert isinstance(trained, SamRef)
    assert not torch.equal(trained.global_refiner.mask.weight, new)
    for name, tensor in trained.base.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_a_trained_refiner_is_loaded_and_can_be_tuned_further(tmp_path: Path) -> None:
    save_model(network(), tmp_path / "ref.safetensors")
    model = load_model(tmp_path / "ref.safetensors", device="cpu")
    assert isinstance(model, SamRef)
    assert not any(p.requires_grad for p in model.encoder.parameters())
    options = finetuning_options(model, steps=1, seed=0, workers=0)
    sources = {"squares": (squares, 1.0)}
    before = model.global_refiner.mask.weight.clone()
    Trainer(model, sources, tmp_path / "out", options).run(lambda row: None)
    assert not torch.equal(model.global_refiner.mask.weight, before)
