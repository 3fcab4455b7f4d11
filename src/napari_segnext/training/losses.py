"""Losses of a (B, 1, S, S) batch of mask logits."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from napari_segnext.models.base import Auxiliary

_EPSILON = 1e-6
# A logit that no loss can tell from certainty.
_CERTAIN = 20.0


def normalised_focal_loss(
    logits: Tensor, target: Tensor, alpha: float = 0.5, gamma: float = 2.0
) -> Tensor:
    """Focal loss whose weights are scaled to sum to the number of pixels.

    As in RITM (Sofiiuk et al., 2021) and SegNext: easy pixels lose weight as in the
    focal loss, but the gradient of an object does not fade as it is learned.

    Parameters
    ----------
    logits, target
        (B, 1, S, S) float32; the target is 0 or 1.

    Returns
    -------
    () float32
    """
    entropy = binary_cross_entropy_with_logits(logits, target, reduction="none")
    with torch.no_grad():
        focus = (1 - torch.exp(-entropy)) ** gamma
        scale = focus[0].numel() / (focus.sum((1, 2, 3), keepdim=True) + _EPSILON)
        weight = torch.where(target > 0.5, alpha, 1 - alpha) * focus * scale
    return (weight * entropy).mean()


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """One minus the soft Dice coefficient, averaged over the batch."""
    probability = logits.sigmoid()
    overlap = (probability * target).sum((1, 2, 3))
    total = probability.sum((1, 2, 3)) + target.sum((1, 2, 3))
    return (1 - (2 * overlap + 1) / (total + 1)).mean()


def click_loss(logits: Tensor, points: Tensor, signs: Tensor) -> Tensor:
    """How much what is found at clicked pixels differs from what the clicks say.

    The mean cross entropy over all clicks: few pixels, which the other losses hardly
    notice, but those that the user looks at.

    Parameters
    ----------
    logits
        (B, 1, S, S) float32.
    points, signs
        Of a `napari_segnext.models.PromptBatch`.

    Returns
    -------
    () float32, 0 without clicks
    """
    row, column = points.long().unbind(-1)
    batch = torch.arange(len(logits), device=logits.device)[:, None]
    entropy = softplus(-signs * logits[batch, 0, row, column])
    clicks = signs != 0
    return (entropy * clicks).sum() / clicks.sum().clamp(min=1)


def auxiliary_pair(learned: Auxiliary, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits of what is learned beside the mask, and their own target.

    Parameters
    ----------
    learned
        Where it does not count, its logits are replaced by what is right, so that
        nothing is learned there.
    target
        (B, 1, S, S) float32, 0 or 1: the object.
    """
    logits = learned.logits.float()
    if learned.judged is not None:
        target = ((learned.judged > 0) != (target > 0.5)).float()
    if learned.inside is not None:
        logits = torch.where(learned.inside, logits, _CERTAIN * (2 * target - 1))
    return logits, target
