"""Models that tests can reason about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_segnext.models import ModelConfig, SegmentationModel, Tiling
from napari_segnext.models.base import Features
from napari_segnext.models.follower import Followed, Seen
from napari_segnext.prompts import PromptStyle

WHOLE = ModelConfig(
    "intensity",
    64,
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    style=PromptStyle(radius=1),
)
TILED = replace(WHOLE, resize="pad", window="percentile", tiling=Tiling())


class IntensityModel(SegmentationModel):
    """Finds pixels as bright as those under the positive disks.

    Negative disks are cut out, and what channel 0 holds is kept. It counts how
    often it encodes and decodes.
    """

    def __init__(self, config: ModelConfig = WHOLE, **arch: Any) -> None:
        super().__init__(config)
        self.encoded = self.decoded = 0

    def image_features(
        self, images: Tensor, check: Callable[[], None] = lambda: None
    ) -> Features:
        check()
        self.encoded += 1
        return {"image": images.clone()}

    def mask_logits(self, features: Features, dense: Tensor) -> Tensor:
        self.decoded += 1
        grey = features["image"].mean(1, keepdim=True)
        positive, negative = dense[:, 1:2], dense[:, 2:3]
        level = (grey * positive).sum() / positive.sum().clamp(min=1)
        alike = 1 - 4 * (grey - level).abs() if positive.any() else 0 * grey
        # A box alone is drawn as half a mask.
        kept = torch.maximum(alike, (dense[:, :1] >= 0.5).float())
        return 20 * (torch.where(negative > 0, torch.zeros(()), kept) - 0.5)


class Watched:
    """An array that notes what is read of it."""

    def __init__(self, data: np.ndarray) -> None:
        self.data, self.shape, self.dtype = data, data.shape, data.dtype
        self.voxels = 0

    def __getitem__(self, index):
        part = self.data[index]
        self.voxels += part.size
        return part


class IntensityFollower(IntensityModel):
    """Finds pixels as bright as the object is in a plane that is known.

    Where hardly any of it is as bright, it says that the object is gone.
    """

    def follow(
        self, features: Features, expected: Tensor, seen: Sequence[Seen]
    ) -> Followed:
        """Compare with the last of the planes that are known."""
        self.decoded += 1
        known, asked = seen[-1], expected > 0.5
        grey, before = (
            each["image"].mean(1, keepdim=True) for each in (features, known.features)
        )
        like = torch.stack(
            [b[mask > 0.5].mean() for b, mask in zip(before, known.mask, strict=True)]
        )
        logits = 20 * (0.5 - 4 * (grey - like[:, None, None, None]).abs())
        found = [each[at] for each, at in zip(logits, asked, strict=True)]
        there = torch.stack([(each > 0).float().mean() for each in found])
        sure = [each[each > 0].sigmoid().mean().nan_to_num() for each in found]
        overlap = (there * torch.stack(sure)).logit(1e-3)
        return Followed(logits, 20 * (there - 0.25), overlap)
