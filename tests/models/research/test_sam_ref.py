"""SAM-REF: the equations on hand-made cases, and both verbs behind two base models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_segnext.geometry.frame import Frame
from napari_segnext.models import (
    Cancelled,
    Embedding,
    ModelConfig,
    PromptBatch,
    build_model,
)
from napari_segnext.models.research.sam_ref.refiner import Refined, Refiner
from napari_segnext.models.research.sam_ref.sam_ref import SamRef
from napari_segnext.prompts import Prompts, PromptStyle

SIZE = 64
ARCH: dict[str, dict[str, Any]] = {
    "tiny": {
        "base_arch": {"widths": [8, 8, 16, 16]},
        "levels": {"stride4": 8, "stride16": 16},
    },
    "segnext": {
        "base_arch": {"embed_dim": 16, "depth": 1, "num_heads": 2, "fusion_depth": 1},
        "levels": {"image": 16},
    },
}
BASES = list(ARCH)


def build(base: str = "tiny", **arch: Any) -> SamRef:
    torch.manual_seed(0)
    numbers = {"base": base, **ARCH[base], "width": 8, "blocks": 1, **arch}
    config = ModelConfig("sam-ref", SIZE, style=PromptStyle(radius=2), arch=numbers)
    model = build_model(config).eval()
    assert isinstance(model, SamRef)
    for module in model.modules():
        if isinstance(module, Refiner):
            # A new one says nothing.
            nn.init.normal_(module.mask.weight)
    return model


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((SIZE, SIZE, 3), np.float32)


def given(prompts: Prompts, previous: np.ndarray | None = None) -> Any:
    frame = Frame(0, 0, SIZE, SIZE, SIZE)
    return prompts.to_model(frame, PromptStyle(radius=2), previous)


def batch(*prompts: Prompts, previous: np.ndarray | None = None) -> PromptBatch:
    device = torch.device("cpu")
    return PromptBatch.of([given(p, previous) for p in prompts], device)


def features(model: SamRef, *seeds: int) -> dict[str, Tensor]:
    tensors = [model.encode(picture(seed)).tensors for seed in seeds]
    return {name: torch.stack([t[name] for t in tensors]) for name in tensors[0]}


def logits_of(*squares: tuple[slice, slice]) -> Tensor:
    """Draw squares of logit 4 on -4: (1, 1, S, S)."""
    logits = torch.full((1, 1, SIZE, SIZE), -4.0)
    for square in squares:
        logits[0, 0][square] = 4.0
    return logits


class Says(nn.Module):
    """A refiner with a fixed opinion, of the size that is asked for."""

    stride = 2

    def __init__(self, mask: Tensor, error: Tensor) -> None:
        super().__init__()
        self.refined = mask, error

    def forward(self, pixels: Tensor, dense: Tensor, embedding: Tensor) -> Refined:
        shape = (len(pixels), 1, *pixels.shape[2:])
        return Refined(*(t.expand(shape) for t in self.refined))


CLICK = Prompts().click(48, 48)


@pytest.mark.parametrize(("error", "share"), [(-200.0, 0), (200.0, 1), (0.0, 0.5)])
def test_the_error_map_says_how_much_of_the_mask_is_replaced(
    error: float, share: float
) -> None:
    given, mask = torch.randn(2, 2, 1, 8, 8)
    blended = Refined(mask, torch.full_like(mask, error)).blend(given)
    torch.testing.assert_close(
        blended,
        share * mask + (1 - share) * given,
        atol=0 if share != 0.5 else 1e-6,
        rtol=0,
    )


@pytest.mark.parametrize("stride", [2, 4])
@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_the_embedding_joins_before_and_after_every_block(
    stride: int, blocks: int
) -> None:
    refiner = Refiner(8, blocks, stride)
    nn.init.normal_(refiner.mask.weight)
    refiner.blocks = nn.ModuleList(nn.Identity() for _ in range(blocks))
    pixels, dense = torch.rand(2, 1, 3, SIZE, SIZE)
    embedding = torch.rand(1, 8, SIZE // stride, SIZE // stride)
    fused = refiner.pixels(pixels) + refiner.prompts(dense) + (blocks + 1) * embedding
    found = refiner(pixels, dense, embedding).mask
    wanted = nn.functional.interpolate(
        refiner.mask(fused), (SIZE, SIZE), mode="bilinear"
    )
    torch.testing.assert_close(found, wanted)


def test_a_stride_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="the stride is 2 or 4, not 8"):
        Refiner(8, 1, 8)


@pytest.mark.parametrize("base", BASES)
def test_without_errors_the_base_models_mask_stays(base: str) -> None:
    model = build(base)
    assert model.local_refiner is not None
    for refiner in (model.global_refiner, model.local_refiner):
        nn.init.constant_(refiner.error.bias, -200)
    embedding = model.encode(picture())
    found = model.decode(embedding, given(CLICK)).logits
    assert torch.equal(found, model.base.decode(embedding, given(CLICK)).logits)


@torch.no_grad()
def test_where_all_is_error_the_refiners_mask_is_taken() -> None:
    model = build(local=False)
    nn.init.constant_(model.global_refiner.error.bias, 200)
    stages = model.refine(features(model, 0), batch(CLICK))
    assert torch.equal(stages.onto(stages.whole), stages.refined.mask)
    assert not torch.equal(stages.whole, stages.coarse)


@pytest.mark.parametrize("error", [200.0, -200.0])
@torch.no_grad()
def test_the_local_refiner_touches_only_its_window(error: float) -> None:
    model = build()
    square = (slice(40, 56), slice(40, 56))
    model.global_refiner = Says(logits_of(square), torch.tensor(200.0))  # type: ignore[assignment]
    model.local_refiner = Says(torch.tensor(7.0), torch.tensor(error))  # type: ignore[assignment]
    stages = model.refine(features(model, 0), batch(CLICK))
    assert stages.windows is not None
    inside = stages.windows.inside
    # 16 pixels, grown to 22 and shifted a little to the centre.
    assert inside.sum() == 22 * 22
    assert inside[0, 0, 37:59, 37:59].all()
    answer = stages.onto(stages.whole)
    assert torch.equal(answer[~inside], stages.whole[~inside])
    wanted = torch.full_like(answer, 7.0) if error > 0 else stages.whole
    torch.testing.assert_close(answer[inside], wanted[inside])


@pytest.mark.parametrize(
    ("errors_before", "threshold", "kept"),
    [
        (1.0, 1.1, False),
        (0.95, 1.1, False),
        (0.5, 1.1, True),
        (0.0, 1.1, True),
        (0.5, 2.5, False),
        (0.5, None, False),
    ],
)
def test_the_selector_leaves_what_is_finished_if_errors_grow(
    errors_before: float, threshold: float | None, kept: bool
) -> None:
    """The new mask finds what was clicked, but loses a part of what was there."""
    model = build(threshold=threshold)
    finished, hole = (slice(4, 20), slice(4, 20)), (slice(8, 14), slice(8, 14))
    asked = (slice(40, 56), slice(40, 56))
    last, new = logits_of(finished), logits_of(finished, asked)
    new[0, 0][hole] = -4
    model.global_refiner = Says(new, torch.tensor(200.0))  # type: ignore[assignment]
    model.local_refiner = Says(torch.tensor(0.0), torch.tensor(-200.0))  # type: ignore[assignment]
    before = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    before.view(-1)[: round(errors_before * SIZE**2)] = True
    state = {"error": before, "logits": last[0, 0]}
    decoded = model.decode(model.encode(picture()), given(CLICK), state)
    wanted = (logits_of(finished, asked) if kept else new)[0, 0]
    assert torch.equal(decoded.logits, wanted)
    assert decoded.state is not None
    assert decoded.state["error"].all()
    assert torch.equal(decoded.state["logits"], wanted)


def test_without_a_state_nothing_is_kept() -> None:
    model = build()
    embedding, prompts = model.encode(picture()), given(CLICK)
    first = model.decode(embedding, prompts)
    with torch.no_grad():
        plain = model.prompted_logits(features(model, 0), batch(CLICK))
    torch.testing.assert_close(first.logits, plain[0, 0])


@pytest.mark.parametrize("base", BASES)
@torch.no_grad()
def test_images_of_a_batch_do_not_see_each_other(base: str) -> None:
    model = build(base)
    for refiner in (model.global_refiner, model.local_refiner):
        nn.init.constant_(refiner.error.bias, 0.5)
    prompts = [CLICK, Prompts().click(10, 20).click(50, 8, positive=False)]
    both = model.prompted_logits(features(model, 1, 2), batch(*prompts))
    for number, seed in enumerate((1, 2)):
        alone = model.prompted_logits(features(model, seed), batch(prompts[number]))
        torch.testing.assert_close(both[number], alone[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("coarse", [-60.0, 60.0])
@pytest.mark.parametrize("previous", [0.0, 1.0])
def test_empty_and_full_masks_give_numbers(
    monkeypatch: pytest.MonkeyPatch, coarse: float, previous: float
) -> None:
    model = build()
    whole = torch.full((1, 1, SIZE, SIZE), coarse)
    monkeypatch.setattr(model.base, "prompted_logits", lambda *_: whole)
    history = np.full((SIZE, SIZE), previous, np.float32)
    prompts = batch(CLICK, previous=history)
    logits, learned = model.learned_logits(features(model, 0), prompts)
    sum((a.logits.sum() for a in learned), logits.sum()).backward()
    assert torch.isfinite(logits).all()
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("base", BASES)
def test_gradients_reach_the_refiners_and_not_the_base(base: str) -> None:
    model = build(base).train()
    images = torch.rand(1, 3, SIZE, SIZE)
    logits, learned = model.learned_logits(model.image_features(images), batch(CLICK))
    assert len(learned) == 4
    sum((a.logits.square().sum() for a in learned), logits.sum()).backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == name.startswith("base."), name


def test_an_embedding_can_be_stored() -> None:
    model = build()
    embedding = model.encode(picture())
    stored = Embedding.from_numpy(embedding.numpy(), torch.device("cpu"))
    assert {"stride1", "refiner", "stride4", "stride16"} <= stored.tensors.keys()
    found, wanted = (model.decode(e, given(CLICK)).logits for e in (stored, embedding))
    torch.testing.assert_close(found, wanted, atol=0.05, rtol=0.05)


def test_encoding_can_be_cancelled() -> None:
    with pytest.raises(Cancelled):
        build().encode(picture(), lambda: True)


def test_an_unknown_base_is_named() -> None:
    with pytest.raises(ValueError, match="unknown architecture 'large'"):
        build_model(
            ModelConfig("sam-ref", SIZE, arch={"base": "large", "levels": {"image": 8}})
        )
