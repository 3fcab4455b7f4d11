"""Learning to follow objects from plane to plane.

As in training for video (Oh et al., ICCV 2019): a way of a few planes, of which the
first is known. What is found in each is what the next one is looked for from, so that
the model learns to go on from its own mistakes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, grid_sample

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.geometry.shapes import guide
from napari_segnext.models.follower import Followed, Follower, Seen
from napari_segnext.training.loop import Options, TrainingLoop
from napari_segnext.training.losses import dice_loss, normalised_focal_loss
from napari_segnext.training.walks import Walk, Walks, Ways

# Weights of the losses of presence and of the overlap that is judged.
_PRESENCE, _OVERLAP = 0.3, 0.3
# Chance that the first plane, which is known, is read all along; that the last plane
# is known too, as between two slices with prompts.
_REMEMBERED, _BETWEEN = 0.7, 0.4


class _Pass(nn.Module):
    """A way of planes, as a module, so that gradients meet across processes."""

    def __init__(self, model: Follower) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        images: Tensor,
        first: Tensor,
        last: Tensor | None,
        moved: Tensor,
        remembered: bool,
    ) -> list[Followed]:
        """Follow `objects` of each image from the first plane on.

        Parameters
        ----------
        images
            (B, T, 3, S, S).
        first, last
            (B, K, S, S): the objects in the first plane; in the last one, which is
            looked at if they are not known there.
        moved
            (B, T - 1, 2, S, S): where pixels were in the plane before.
        remembered
            Whether the first plane is read all along.
        """
        length, objects = images.shape[1], first.shape[1]
        planes = []
        for image in images.unbind(1):
            with torch.no_grad():
                embedded = self.model.image_features(self.model.normalised(image))
            planes.append(
                {n: t.repeat_interleave(objects, 0) for n, t in embedded.items()}
            )
        start = before = Seen(planes[0], first.flatten(0, 1)[:, None])
        end = None if last is None else Seen(planes[-1], last.flatten(0, 1)[:, None])
        goal = torch.zeros_like(start.mask) if end is None else end.mask
        found = []
        for n in range(1, length if end is None else length - 1):
            flow = moved[:, n - 1].repeat_interleave(objects, 0)
            expected = _expected(before.mask, flow, goal, 1 / (length - n))
            seen = [before]
            if before is not start and (remembered or end is not None):
                seen.append(start)
            if end is not None:
                seen.append(end)
            followed = self.model.follow(planes[n], expected, seen)
            found.append(followed)
            before = Seen(planes[n], followed.logits.detach().float().sigmoid())
        return found


def _expected(mask: Tensor, flow: Tensor, goal: Tensor, weight: float) -> Tensor:
    """Move (B, 1, S, S) masks as pixels have moved, and soften their borders.

    On the way to a goal that is not empty they become it: they are `weight` of the rest
    of the way to it.
    """
    size = mask.shape[-1]
    place = torch.stack(
        torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    ).to(mask.device)
    at = (place + flow).flip(1).permute(0, 2, 3, 1) * 2 / (size - 1) - 1
    moved = grid_sample(mask, at, align_corners=True)
    moved, mask, goal = (m[:, 0].gt(0.5).cpu() for m in (moved, mask, goal))
    guides = [
        _guide(now.numpy(), before.numpy(), wanted.numpy(), weight)
        for now, before, wanted in zip(moved, mask, goal, strict=True)
    ]
    return torch.from_numpy(np.stack(guides)).to(flow.device)[:, None]


def _guide(
    moved: BoolArray, before: BoolArray, goal: BoolArray, weight: float
) -> FloatArray:
    """Return the guide of what is left of a mask that has moved, (S, S)."""
    shape = moved if moved.any() else before
    if not goal.any():
        return guide(shape) if shape.any() else np.zeros(shape.shape, np.float32)
    return guide(shape, goal, weight) if shape.any() else guide(goal)


class FollowTrainer(TrainingLoop[Follower, Walk]):
    """Train a model to follow objects; what embeds images must be frozen.

    Parameters
    ----------
    model
        With the weights of its base.
    sources
        Name -> (ways, weight).
    folder, options
        See `TrainingLoop`.
    """

    def __init__(
        self,
        model: Follower,
        sources: Mapping[str, tuple[Ways, float]],
        folder: Path,
        options: Options,
    ) -> None:
        super().__init__(model, _Pass(model), folder, options)
        self.sources = sources

    def samples(self, start: int, share: tuple[int, int]) -> Walks:
        """Return a process's share of the ways, from the `start`-th on."""
        options = self.options
        return Walks(
            self.sources, options.size, options.objects, options.seed, start, share
        )

    def learn(self, samples: Sequence[Walk]) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch of ways, and what is reported of it."""
        device = self.accelerator.device
        rng = np.random.default_rng([self.options.seed, 1, self.step])
        images = torch.from_numpy(np.stack([s.images for s in samples]))
        masks = torch.from_numpy(np.stack([s.masks for s in samples])).float()
        moved = torch.from_numpy(np.stack([s.motion for s in samples]))
        masks = masks.to(device)
        remembered, between = rng.random(2) < (_REMEMBERED, _BETWEEN)
        found = self.network(
            images.permute(0, 1, 4, 2, 3).to(device),
            masks[:, :, 0],
            masks[:, :, -1] if between else None,
            moved.to(device),
            bool(remembered),
        )
        loss, row = torch.zeros((), device=device), dict[str, float]()
        for n, each in enumerate(found, 1):
            goal = masks[:, :, n].flatten(0, 1)[:, None]
            part, told = _compare(each, goal)
            loss = loss + part / len(found)
            if n < masks.shape[2] - 1:
                row |= {f"{name}_{n}": value for name, value in told.items()}
        return loss, row


def _compare(found: Followed, goal: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Return the loss in one plane, and what is reported of it."""
    logits = found.logits.float()
    there = goal.flatten(1).any(1)
    mask = logits.detach() > 0
    both = (mask & (goal > 0.5)).sum((1, 2, 3))
    either = (mask | (goal > 0.5)).sum((1, 2, 3)).clamp(min=1)
    iou = both / either
    focal, dice = normalised_focal_loss(logits, goal), dice_loss(logits, goal)
    present = binary_cross_entropy_with_logits(found.present.float(), there.float())
    judged = binary_cross_entropy_with_logits(
        found.overlap.float(), iou, weight=there.float()
    )
    loss = focal + dice + _PRESENCE * present + _OVERLAP * judged
    return loss, {
        "focal": focal.item(),
        "dice": dice.item(),
        "present": present.item(),
        "judged": (found.overlap.float().sigmoid() - iou)[there].abs().mean().item(),
        "iou": iou[there].mean().item(),
    }
