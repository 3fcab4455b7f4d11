from __future__ import annotations

from math import exp, log

import pytest
import torch

from napari_segnext.training.losses import click_loss, dice_loss, normalised_focal_loss


def batch(value: float) -> torch.Tensor:
    return torch.full((2, 1, 8, 8), value)


@pytest.mark.parametrize("loss", [dice_loss, normalised_focal_loss])
def test_a_right_answer_costs_less_than_a_wrong_one(loss) -> None:  # type: ignore[no-untyped-def]
    target = torch.zeros(2, 1, 8, 8)
    target[:, :, 2:5, 2:5] = 1
    right = 8 * (2 * target - 1)
    assert loss(right, target) < 0.05 * loss(-right, target)


def test_dice_of_hand_made_cases() -> None:
    target = torch.zeros(1, 1, 2, 2)
    target[..., 0, :] = 1
    # Half of the truth found and nothing else: Dice (2 x 1 + 1) / (1 + 2 + 1).
    logits = torch.tensor([[[[50.0, -50.0], [-50.0, -50.0]]]])
    assert dice_loss(logits, target).item() == pytest.approx(0.25, abs=1e-5)


def test_focal_weights_add_up_to_the_number_of_pixels() -> None:
    # All pixels equally hard: the normalised weights are one, and the loss is half
    # the cross-entropy (alpha is one half).
    loss = normalised_focal_loss(batch(0.0), batch(1.0))
    assert loss.item() == pytest.approx(0.5 * log(2), rel=1e-4)


def test_easy_pixels_lose_weight_in_favour_of_hard_ones() -> None:
    target = batch(1.0)
    logits = batch(6.0).clone()
    logits[..., 0] = -2.0
    logits.requires_grad_(True)
    normalised_focal_loss(logits, target).backward()
    assert logits.grad is not None
    hard, easy = logits.grad[..., 0].abs().mean(), logits.grad[..., 1:].abs().mean()
    assert hard > 1e4 * easy


def test_a_perfect_batch_has_finite_gradients() -> None:
    logits = batch(100.0).requires_grad_(True)
    (
        normalised_focal_loss(logits, batch(1.0)) + dice_loss(logits, batch(1.0))
    ).backward()
    assert torch.isfinite(logits.grad).all()  # type: ignore[arg-type]


def test_clicked_pixels_cost_what_their_clicks_say() -> None:
    logits = batch(0.0).clone()
    logits[0, 0, 2, 3], logits[0, 0, 5, 1], logits[1, 0, 7, 7] = 2.0, -1.0, 3.0
    logits.requires_grad_(True)
    points = torch.tensor([[[2.6, 3.2], [5.0, 1.9]], [[7.0, 7.0], [0.0, 0.0]]])
    # Right, right, wrong; the last row is no click.
    signs = torch.tensor([[1, -1], [-1, 0]], dtype=torch.int8)
    loss = click_loss(logits, points, signs)
    entropies = [log(1 + exp(-2)), log(1 + exp(-1)), log(1 + exp(3))]
    assert loss.item() == pytest.approx(sum(entropies) / 3, rel=1e-5)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.count_nonzero() == 3


def test_without_clicks_nothing_is_lost() -> None:
    nothing = torch.zeros(2, 0, 2), torch.zeros(2, 0, dtype=torch.int8)
    assert click_loss(batch(1.0), *nothing).item() == 0
