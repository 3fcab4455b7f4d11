"""What GPUs ask of a model, found out without one.

Apple's have no numbers in double precision, and none of them computes with a tensor
that lies elsewhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from napari_segnext.finding.head import Head, statistics
from napari_segnext.geometry.frame import Frame
from napari_segnext.models import ModelConfig, SegmentationModel, build_model
from napari_segnext.models.follower import Follower, Seen
from napari_segnext.models.prompt_batch import PromptBatch
from napari_segnext.prompts import ModelPrompts, Prompts
from napari_segnext.training.recipes import RECIPES
from napari_segnext.weights import load_follower

from .research.sam import small_config

# Whose answer asks for no value in between, so that tensors without values will do.
WITHOUT_VALUES = ("tiny", "small")
CONFIGS: dict[str, ModelConfig] = {
    **{
        name: RECIPES[name].config for name in (*WITHOUT_VALUES, "tiny-ref", "ois-tiny")
    },
    "sam": small_config("sam"),
    "sam2": small_config("sam2"),
}


class AsOnApplesGPU(TorchDispatchMode):
    """Refuses double precision, as the device "mps" does."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, found)):
            if isinstance(leaf, torch.Tensor) and leaf.dtype == torch.float64:
                raise TypeError(f"{func} computes in float64")
        return found


def prompts_for(config: ModelConfig) -> ModelPrompts:
    size = config.size
    clicks = Prompts().click(size // 2, size // 2).click(3, 5, positive=False)
    previous = np.full((size, size), 0.3, np.float32)
    return clicks.to_model(Frame(0, 0, size, size, size), config.style, previous)


@pytest.fixture
def on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have clicks answered as they are on GPUs, not by the decode for CPUs."""
    for module in ("segnext", "vit"):
        monkeypatch.setattr(
            f"napari_segnext.models.{module}.answers_at_once", lambda tokens: False
        )


@pytest.mark.usefixtures("on_a_gpu")
@pytest.mark.parametrize("name", CONFIGS)
def test_nothing_is_computed_in_double_precision(name: str) -> None:
    config = CONFIGS[name]
    model = build_model(config).eval()
    pixels = np.random.default_rng(0).random((config.size, config.size, 3), np.float32)
    with AsOnApplesGPU():
        embedding = model.encode(pixels)
        logits = model.decode(embedding, prompts_for(config)).logits
    assert logits.dtype == torch.float32


def test_double_precision_is_noticed() -> None:
    with AsOnApplesGPU(), pytest.raises(TypeError, match="float64"):
        torch.ones(2).double()


@pytest.mark.parametrize("name", WITHOUT_VALUES)
def test_everything_is_computed_where_the_model_is(name: str) -> None:
    model = build_model(CONFIGS[name]).eval().to("meta")
    features = features_of(model)
    prompts = PromptBatch.of([prompts_for(model.config)], model.device)
    with torch.inference_mode():
        assert model.prompted_logits(features, prompts).device.type == "meta"


def features_of(model: SegmentationModel) -> dict[str, torch.Tensor]:
    size = model.config.size
    images = torch.rand(1, 3, size, size, device=model.device)
    with torch.inference_mode():
        return model.image_features(model.normalised(images))


def followed(model: Follower) -> torch.Tensor:
    features = features_of(model)
    size = model.config.size
    mask = torch.rand(1, 1, size, size, device=model.device)
    with torch.inference_mode():
        return model.follow(features, mask, [Seen(features, mask)]).overlap


def test_an_object_is_followed_where_the_model_is_in_single_precision() -> None:
    with AsOnApplesGPU():
        assert followed(load_follower("cpu")).dtype == torch.float32
    there = build_model(load_follower("cpu").config).to("meta")
    assert isinstance(there, Follower)
    assert followed(there).device.type == "meta"


def test_more_of_a_kind_is_found_in_single_precision() -> None:
    maps = {"stride4": torch.rand(8, 16, 16), "stride8": torch.rand(16, 8, 8)}
    with AsOnApplesGPU():
        sides = {name: each.shape[-1] for name, each in maps.items()}
        head = Head(statistics([maps]), sides)
        told = head({name: each[None] for name, each in maps.items()})
        told.mean().backward()
    assert told.dtype == torch.float32
