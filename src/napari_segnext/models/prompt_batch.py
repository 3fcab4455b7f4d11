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
    boxes
        (B, M, 4) float32: y0, x0, y1, x1 of the positive boxes; rows that an image
        lacks, the last ones, are NaN.
    text
        The phrase of each image, or None; empty if there is none at all.
    """

    dense: Tensor
    points: Tensor
    signs: Tensor
    boxes: Tensor
    text: tuple[str | None, ...] = ()

    @classmethod
    def of(cls, prompts: Sequence[ModelPrompts], device: torch.device) -> PromptBatch:
        """Stack the prompts of B images, with as many rows as the longest needs."""
        rows = max(len(p.points) for p in prompts)
        points = np.zeros((len(prompts), rows, 2), np.float32)
        signs = np.zeros((len(prompts), rows), np.int8)
        for n, given in enumerate(prompts):
            points[n, : len(given.points)] = given.points
            signs[n, : len(given.signs)] = np.where(given.signs, 1, -1)
        most = max(len(p.boxes) for p in prompts)
        boxes = np.full((len(prompts), most, 4), np.nan, np.float32)
        for n, given in enumerate(prompts):
            boxes[n, : len(given.boxes)] = given.boxes
        text = tuple(p.text for p in prompts)
        return cls(
            dense=torch.from_numpy(np.stack([p.dense for p in prompts])).to(device),
            points=torch.from_numpy(points).to(device),
            signs=torch.from_numpy(signs).to(device),
            boxes=torch.from_numpy(boxes).to(device),
            text=text if any(text) else (),
        )

    def of_image(self, number: int) -> ModelPrompts:
        """Return the prompts of one image as they were before `of`."""
        dense, points, signs, boxes = (
            tensor[number].cpu().numpy()
            for tensor in (self.dense, self.points, self.signs, self.boxes)
        )
        clicked, given = signs != 0, np.isfinite(boxes).all(1)
        text = self.text[number] if self.text else None
        return ModelPrompts(
            dense, points[clicked], signs[clicked] > 0, boxes[given], text
        )
