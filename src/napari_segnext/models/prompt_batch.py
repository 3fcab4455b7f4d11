"""The prompts of several images, as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_segnext.prompts import ModelPrompts


@dataclass(frozen=True, slots=True, eq=False)
class PromptBatch:
    """Prompts in model pixels, with a batch axis.

    Attributes
    ----------
    dense
        (B, 3, S, S) float32: previous mask, positive, negative.
    points
        (B, N, 2) float32 clicks (y, x) in the order given; rows that an image
        lacks, the last ones, are zero.
    signs
        (B, N) int8: 1 for a positive click, -1 for a negative one, 0 for no click.
    """

    dense: Tensor
    points: Tensor
    signs: Tensor

    @classmethod
    def of(cls, prompts: Sequence[ModelPrompts], device: torch.device) -> PromptBatch:
        """Stack the prompts of B images, with as many rows as the longest needs."""
        rows = max(len(p.points) for p in prompts)
        points = np.zeros((len(prompts), rows, 2), np.float32)
        signs = np.zeros((len(prompts), rows), np.int8)
        for n, given in enumerate(prompts):
            points[n, : len(given.points)] = given.points
            signs[n, : len(given.signs)] = np.where(given.signs, 1, -1)
        dense = np.stack([p.dense for p in prompts])
        return cls(*(torch.from_numpy(a).to(device) for a in (dense, points, signs)))
