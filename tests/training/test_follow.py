from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("accelerate", reason="training needs the extra `train`")

from napari_segnext.models import build_model
from napari_segnext.models.base import Features
from napari_segnext.models.follower import Follower, Seen
from napari_segnext.training.follow import FollowTrainer
from napari_segnext.training.loop import Options
from napari_segnext.training.recipes import RECIPES
from napari_segnext.training.starts import load_base_of_follower, load_weights
from napari_segnext.training.walks import LENGTH, Walk
from napari_segnext.weights import save_model

OPTIONS = Options(steps=1, size=64, images=1, objects=2, warmup=1, workers=0)


def follower() -> Follower:
    torch.manual_seed(0)
    recipe = RECIPES["follower"]
    model = build_model(recipe.config)
    assert isinstance(model, Follower)
    load_base_of_follower(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad &= not name.startswith(recipe.frozen)
    return model


def walk() -> Walk:
    """Draw a bright square that moves on, and one that ends after the first plane."""
    masks = np.zeros((2, LENGTH, 64, 64), bool)
    for n in range(LENGTH):
        masks[0, n, 8:28, 8 + 4 * n : 28 + 4 * n] = True
    masks[1, 0, 40:56, 40:56] = True
    image = np.where(masks.any(0), 0.8, 0.2)[..., None].repeat(3, -1)
    moved = np.zeros((LENGTH - 1, 2, 64, 64), np.float32)
    return Walk(image.astype(np.float32), masks, moved)


def test_a_start_from_a_follower_keeps_whose_embeddings_it_shares(
    tmp_path: Path,
) -> None:
    first = follower()
    save_model(first, tmp_path / "first.safetensors", {})
    second = build_model(RECIPES["follower"].config)
    load_weights(second, tmp_path / "first.safetensors")
    assert second.embeds_as == first.embeds_as != ""
    assert second.config == first.config


def test_what_embeds_images_is_not_changed_and_the_rest_learns(tmp_path: Path) -> None:
    model = follower()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    trainer = FollowTrainer(model, {}, tmp_path, replace(OPTIONS, warmup=1))
    for _ in range(2):
        row = trainer._train([walk()])
    changed = {
        k.split(".")[0] for k, v in model.state_dict().items() if (v != before[k]).any()
    }
    assert not changed & {"encoder", "lateral"}
    assert {"prompts", "fusion", "refine", "head", "memory", "judge"} <= changed
    assert set(row) >= {"iou_1", "iou_2", "present_1", "judged_2"}


def test_between_two_known_planes_an_object_is_expected_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[torch.Tensor] = []
    model = follower()
    real = model.follow

    def follow(features: Features, expected: torch.Tensor, seen: list[Seen]) -> Any:
        asked.append(expected)
        assert torch.equal(seen[-1].mask[0, 0] > 0.5, last[0])
        return real(features, expected, seen)

    monkeypatch.setattr(model, "follow", follow)
    monkeypatch.setattr("napari_segnext.training.follow._BETWEEN", 1.0)
    shown = walk()
    last = torch.from_numpy(shown.masks[:, -1])
    FollowTrainer(model, {}, tmp_path, OPTIONS)._train([shown])
    # A third of the way of twelve columns in the first plane that is looked at.
    assert len(asked) == LENGTH - 2
    columns = np.flatnonzero((asked[0][0, 0] > 0.5).any(0))
    assert abs(columns[0] - 12) <= 1
    assert abs(columns[-1] - 31) <= 1


def test_the_follower_learns_where_a_square_goes_and_that_another_ends(
    tmp_path: Path,
) -> None:
    trainer = FollowTrainer(follower(), {}, tmp_path, OPTIONS)
    for trainer.step in range(25):
        row = trainer._train([walk()])
    assert row["iou_1"] > 0.85
    assert row["present_1"] < 0.5
