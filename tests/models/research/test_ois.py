"""OIS as a model: both verbs, its switches, and which prompts reach the mask."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_segnext.geometry.frame import Frame
from napari_segnext.models import (
    Cancelled,
    Embedding,
    ModelConfig,
    PromptBatch,
    SegmentationModel,
    build_model,
)
from napari_segnext.models.research.ois.fusion import (
    FusionOptions,
    Positions,
    PromptFusion,
)
from napari_segnext.prompts import Prompts, PromptStyle

ARCH: dict[str, dict[str, Any]] = {
    "ois": {
        "embed_dim": 32,
        "depth": 4,
        "num_heads": 2,
        "layers": [0, 1, 2, 3],
        "channels": [8, 8, 16, 16],
        "width": 16,
    },
    "ois-tiny": {"widths": [8, 8, 16, 16]},
}
FUSION = {"channels": 16, "heads": 2, "blocks": 2}
SIZE = {"ois": 84, "ois-tiny": 64}
NAMES = list(ARCH)


def build(name: str, **fusion: Any) -> SegmentationModel:
    torch.manual_seed(0)
    arch = {**ARCH[name], "fusion": {**FUSION, **fusion}}
    style = PromptStyle(radius=2)
    return build_model(ModelConfig(name, SIZE[name], style=style, arch=arch)).eval()


@pytest.fixture(scope="module")
def models() -> dict[str, SegmentationModel]:
    return {name: build(name) for name in NAMES}


def picture(model: SegmentationModel) -> np.ndarray:
    size = model.config.size
    image = np.random.default_rng(0).random((size, size, 3), np.float32)
    image[: size // 2] *= 0.4
    return image


def batch(model: SegmentationModel, *prompts: Prompts, previous=None) -> PromptBatch:
    size = model.config.size
    frame = Frame(0, 0, size, size, size)
    given = [p.to_model(frame, model.config.style, previous) for p in prompts]
    return PromptBatch.of(given, torch.device("cpu"))


def logits(
    model: SegmentationModel, prompts: Prompts, previous: np.ndarray | None = None
) -> Tensor:
    size = model.config.size
    frame = Frame(0, 0, size, size, size)
    given = prompts.to_model(frame, model.config.style, previous)
    return model.decode(model.encode(picture(model)), given).logits


def padded(prompts: PromptBatch, rows: int) -> PromptBatch:
    more = rows - prompts.signs.shape[1]
    return replace(
        prompts,
        points=torch.nn.functional.pad(prompts.points, (0, 0, 0, more)),
        signs=torch.nn.functional.pad(prompts.signs, (0, more)),
    )


CLICKS = Prompts().click(20, 30).click(40, 50, positive=False)


@pytest.mark.parametrize("name", NAMES)
def test_both_verbs_give_a_mask_of_the_input_size(
    models: dict[str, SegmentationModel], name: str
) -> None:
    found = logits(models[name], CLICKS)
    assert found.shape == (SIZE[name], SIZE[name])
    assert found.dtype == torch.float32
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("previous", [None, 0.0, 1.0, "left"])
def test_the_same_clicks_give_the_same_mask_however_they_are_padded(
    models: dict[str, SegmentationModel], name: str, previous: float | str | None
) -> None:
    model = models[name]
    mask = None
    if previous is not None:
        mask = np.zeros((SIZE[name],) * 2, np.float32)
        mask[:, : SIZE[name] // 2 if previous == "left" else None] = (
            1 if previous == "left" else previous
        )
    prompts = batch(model, CLICKS, previous=mask)
    with torch.inference_mode():
        pixels = torch.from_numpy(picture(model)).permute(2, 0, 1)[None]
        features = model.image_features((pixels - model.mean) / model.std)
        two, many, more = (
            model.prompted_logits(features, padded(prompts, rows))
            for rows in (2, 48, 60)
        )
    assert torch.isfinite(two).all()
    torch.testing.assert_close(many, two, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(more, two, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_gives_what_each_image_gives_alone(
    models: dict[str, SegmentationModel], name: str
) -> None:
    model = models[name]
    prompts = (CLICKS, Prompts().click(10, 10), CLICKS.click(3, 4))
    with torch.inference_mode():
        images = torch.rand(3, 3, SIZE[name], SIZE[name])
        together = model.prompted_logits(
            model.image_features(images), batch(model, *prompts)
        )
        for i, one in enumerate(prompts):
            features = model.image_features(images[i : i + 1])
            alone = model.prompted_logits(features, batch(model, one))
            torch.testing.assert_close(together[i], alone[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "prompts",
    [
        Prompts().click(20, 30),
        Prompts().click(20, 30).click(40, 50, positive=False),
        Prompts().scribble([(10, 10), (30, 30)]),
        Prompts().box((10, 10), (40, 40)),
        Prompts().polygon([(10, 10), (10, 40), (40, 10)]),
        Prompts().click(20, 30).scribble([(50, 10), (50, 30)], positive=False),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_prompt_reaches_the_mask(
    models: dict[str, SegmentationModel], name: str, prompts: Prompts
) -> None:
    other = logits(models[name], Prompts().click(60, 60))
    change = logits(models[name], prompts) - other
    assert change.abs().max() > 1e-3 * other.std()


@pytest.mark.parametrize("name", NAMES)
def test_the_previous_mask_guides_the_second_round(
    models: dict[str, SegmentationModel], name: str
) -> None:
    left = np.zeros((SIZE[name],) * 2, np.float32)
    left[:, : SIZE[name] // 2] = 0.9
    first, second = logits(models[name], CLICKS), logits(models[name], CLICKS, left)
    assert (first - second).abs().max() > 1e-3 * first.std()


@pytest.mark.parametrize("changed", [{"order": None}, {"objects": False}])
def test_the_first_round_does_not_know_the_object(changed: dict[str, Any]) -> None:
    model = build("ois", order="intensity")
    other = build("ois", **{"order": "intensity", **changed})
    other.load_state_dict(model.state_dict(), strict=False)
    same = torch.allclose(logits(model, CLICKS), logits(other, CLICKS), atol=1e-5)
    assert same == ("objects" in changed)


@pytest.mark.parametrize(
    ("name", "changed", "gone", "features"),
    [
        ("ois", {"order": None}, "depth_head", 4),
        ("ois", {"order": "intensity"}, "depth_head", 5),
        ("ois", {"order": "geodesic"}, "depth_head", 5),
        ("ois", {"sparse": False}, "fusion.blocks", 4),
        ("ois", {"dense": False}, "fusion.dense", 5),
        ("ois", {"objects": False}, None, 5),
        ("ois-tiny", {"order": None}, None, 4),
        ("ois-tiny", {"order": "intensity"}, None, 5),
        ("ois-tiny", {"sparse": False}, "fusion.kinds", 4),
        ("ois-tiny", {"dense": False}, "fusion.dense", 5),
    ],
)
def test_each_part_can_be_left_out(
    name: str, changed: dict[str, Any], gone: str | None, features: int
) -> None:
    model = build(name, **changed)
    if gone is not None:
        assert not any(n.startswith(gone) for n, _ in model.named_parameters())
    assert len(model.encode(picture(model)).tensors) == features
    found = logits(model, CLICKS)
    assert torch.isfinite(found).all()
    assert (found - logits(model, Prompts().click(50, 10))).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("ois", {"fusion": {"order": "colour"}}, "depth, intensity, geodesic"),
        ("ois", {"fusion": {"sparse": False, "dense": False}}, "sparse, dense or both"),
        ("ois", {"fusion": {"attention": 3}}, "attention"),
        ("ois", {"layers": [1, 2, 3]}, "four blocks"),
        ("ois", {"layers": [1, 2, 3, 4]}, "below 4"),
        ("ois", {"channels": [8, 8]}, "four numbers"),
        ("ois-tiny", {"fusion": {"order": "depth"}}, "intensity or geodesic"),
    ],
)
def test_numbers_that_fit_no_model_are_named(
    name: str, changed: dict[str, Any], said: str
) -> None:
    config = ModelConfig(name, SIZE[name], arch={**ARCH[name], **changed})
    with pytest.raises(ValueError, match=said):
        build_model(config)


def test_the_input_is_a_multiple_of_the_patch() -> None:
    with pytest.raises(ValueError, match="multiple of 14, not 1024"):
        build_model(ModelConfig("ois", 1024, arch=ARCH["ois"]))


def test_only_the_newest_clicks_of_each_sign_become_tokens() -> None:
    model = build("ois", clicks=4, dense=False)
    newest = Prompts().click(9, 9).click(60, 20, False).click(30, 9)
    older = Prompts().click(70, 70).click(20, 70)
    embedding = model.encode(picture(model))

    def decoded(prompts: Prompts) -> Tensor:
        frame = Frame(0, 0, 84, 84, 84)
        given = prompts.to_model(frame, model.config.style)
        return model.decode(embedding, given).logits

    all_ = decoded(Prompts((*older.items, *newest.items)))
    torch.testing.assert_close(all_, decoded(newest))
    assert (all_ - decoded(Prompts(newest.items[:2]))).abs().max() > 1e-5


def test_what_is_frozen_gets_no_gradient_and_what_is_trained_does() -> None:
    model = build("ois").train()
    features = model.image_features(torch.rand(1, 3, 84, 84))
    model.prompted_logits(features, batch(model, CLICKS)).sum().backward()
    frozen = ("encoder.", "depth_head.")
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == name.startswith(frozen), name


@pytest.mark.parametrize("name", NAMES)
def test_the_embedding_survives_the_store(
    models: dict[str, SegmentationModel], name: str
) -> None:
    model = models[name]
    embedding = model.encode(picture(model))
    stored = Embedding.from_numpy(embedding.numpy(), model.device)
    frame = Frame(0, 0, SIZE[name], SIZE[name], SIZE[name])
    given = CLICKS.to_model(frame, model.config.style)
    before = model.decode(embedding, given).logits
    after = model.decode(stored, given).logits
    assert (before - after).abs().max() < 0.02 * before.abs().max()


@pytest.mark.parametrize("name", NAMES)
def test_embedding_can_be_cancelled(
    models: dict[str, SegmentationModel], name: str
) -> None:
    with pytest.raises(Cancelled):
        models[name].encode(picture(models[name]), lambda: True)


def test_fusion_adds_to_the_features_what_it_found() -> None:
    torch.manual_seed(0)
    options = build("ois").fusion.options
    fusion = PromptFusion(8, 7, options)
    with torch.no_grad():
        fusion.leave.weight.zero_()
        fusion.leave.bias.zero_()
        features = torch.rand(1, 8, 12, 12)
        prompts = batch(build("ois"), CLICKS)
        out = fusion(features, prompts, torch.rand(1, 1, 48, 48))
    torch.testing.assert_close(out, features)


def test_the_grid_of_positions_is_where_clicks_on_its_cells_are() -> None:
    positions = Positions(8)
    grid = positions.grid(4).view(4, 4, 8)
    torch.testing.assert_close(grid[1, 3], positions(torch.tensor([1.5, 3.5]) / 4))


def test_prompts_are_heard_beside_features_of_any_scale() -> None:
    torch.manual_seed(0)
    fusion = PromptFusion(8, 4, FusionOptions(16, heads=4, order=None))
    features = torch.randn(1, 8, 16, 16)
    here, there = (
        batch(build("ois-tiny"), Prompts().click(*at)) for at in ((9, 9), (40, 50))
    )
    for scale in (0.01, 1, 100):
        change = fusion(scale * features, here, None)
        change = change - fusion(scale * features, there, None)
        assert change.abs().max() > 0.1 * scale
