"""Order-aware and object-aware attention, by their equations."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from napari_segnext.models.research.ois.attention import (
    Block,
    CrossAttention,
    object_mask,
)

NOTHING = -math.inf
SIGNS = torch.tensor([[1, -1, 0]])
# A previous mask on the left half of an image, of which a grid of 2 x 2 sees cells
# 0 and 2 as object.
LEFT = torch.zeros(1, 1, 4, 4)
LEFT[..., :2] = 0.9


@pytest.fixture(scope="module")
def block() -> Block:
    torch.manual_seed(0)
    return Block(8, 2).eval()


@pytest.fixture(scope="module")
def tokens() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randn(1, 3, 8), torch.randn(1, 4, 8)


def test_positive_prompts_see_the_object_and_negative_ones_the_background() -> None:
    mask = object_mask(LEFT, SIGNS, grid=2)
    assert mask.tolist() == [
        [[0, NOTHING, 0, NOTHING], [NOTHING, 0, NOTHING, 0], [0, 0, 0, 0]]
    ]


def test_a_cell_on_the_outline_is_seen_from_both_sides() -> None:
    previous = torch.zeros(1, 1, 4, 4)
    previous[..., 0, 0] = 0.9
    mask = object_mask(previous, SIGNS, grid=2)
    assert mask[0, 0].tolist() == [0, NOTHING, NOTHING, NOTHING]
    assert mask[0, 1].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("value", "blind", "seeing"), [(0.0, 0, 1), (1.0, 1, 0)], ids=["empty", "full"]
)
def test_a_row_that_would_see_nothing_sees_everything(
    value: float, blind: int, seeing: int
) -> None:
    mask = object_mask(torch.full((1, 1, 4, 4), value), SIGNS, grid=2)
    assert (mask[0, [blind, seeing]] == 0).all()


def test_attention_vanishes_where_the_object_mask_forbids(
    tokens: tuple[Tensor, Tensor],
) -> None:
    attention = CrossAttention(8, 2)
    weights = attention.weights(*tokens, object_mask(LEFT, SIGNS, grid=2))
    torch.testing.assert_close(weights.sum(3), torch.ones(1, 2, 3))
    assert (weights[:, :, 0, [1, 3]] == 0).all()
    assert (weights[:, :, 1, [0, 2]] == 0).all()
    assert (weights[:, :, 2] > 0).all()


def test_attention_vanishes_far_from_a_prompts_order(
    tokens: tuple[Tensor, Tensor],
) -> None:
    attention = CrossAttention(8, 2)
    plain = attention.weights(*tokens)
    order = torch.zeros(1, 3, 4)
    order[0, 0] = torch.tensor([0.0, 1.0, 0.0, 1.0])
    near = attention.weights(*tokens, -50 * order)
    assert near[0, :, 0, [1, 3]].max() < 1e-12
    torch.testing.assert_close(near[0, :, 1:], plain[0, :, 1:])
    kept = plain[0, :, 0, [0, 2]]
    expected = kept / kept.sum(1, keepdim=True)
    torch.testing.assert_close(near[0, :, 0, [0, 2]], expected)


def test_weights_are_those_of_equation_3_worked_out_by_hand() -> None:
    attention = CrossAttention(2, 1)
    with torch.no_grad():
        for linear in (attention.query, attention.key):
            linear.weight.copy_(torch.eye(2))
            linear.bias.zero_()
    prompt = torch.tensor([[[math.sqrt(2), 0.0]]])
    image = torch.tensor([[[0.0, 3.0], [1.0, 0.0]]])
    # Q K^T / sqrt(2) is (0, 1); order 0 and 0.5 with sigma 2 takes 1 from the second.
    weights = attention.weights(prompt, image, -2 * torch.tensor([[[0.0, 0.5]]]))
    torch.testing.assert_close(weights, torch.full((1, 1, 1, 2), 0.5))


def test_sigma_is_learned_and_stays_positive(block: Block) -> None:
    prompts, image = torch.randn(1, 2, 8), torch.randn(1, 4, 8)
    absent = torch.zeros(1, 2, dtype=torch.bool)
    out, _ = block(prompts, image, torch.rand(1, 2, 4), None, absent)
    out.square().sum().backward()
    assert block.log_sigma.grad.abs() > 0
    with torch.no_grad():
        other = Block(8, 2)
        other.log_sigma.fill_(-20)
        assert other.sigma > 0


def test_without_masks_a_block_is_plain_attention(
    block: Block, tokens: tuple[Tensor, Tensor]
) -> None:
    prompts, image = tokens
    absent = torch.zeros(1, 3, dtype=torch.bool)
    nothing_yet = object_mask(torch.zeros(1, 1, 4, 4), SIGNS, grid=2)
    flat = torch.zeros(1, 3, 4)
    plain = block(prompts, image, None, None, absent)
    first = block(prompts, image, flat, nothing_yet, absent)
    for ours, expected in zip(first, plain, strict=True):
        torch.testing.assert_close(ours, expected)


def test_the_image_does_not_attend_to_absent_rows(
    block: Block, tokens: tuple[Tensor, Tensor]
) -> None:
    prompts, image = tokens
    absent = torch.tensor([[False, False, True]])
    _, expected = block(prompts[:, :2], image, None, None, absent[:, :2])
    _, found = block(prompts, image, None, None, absent)
    torch.testing.assert_close(found, expected)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="3 heads do not divide 8 channels"):
        CrossAttention(8, 3)
