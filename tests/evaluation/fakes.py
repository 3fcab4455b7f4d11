"""A predictor that is exact arithmetic on the image, so that scores are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_segnext.geometry.frame import Frame
from napari_segnext.prompts import Click, Prompts, PromptStyle, extent


@dataclass
class Answer:
    probability: NDArray[np.float32]
    embed_ms: float = 0.0


class BlobPredictor:
    """Adds a disk for each positive prompt and takes one away for each negative."""

    def __init__(self, radius: int = 12) -> None:
        self.radius = radius
        self.images: list[NDArray[Any]] = []
        self.calls: list[tuple[Prompts, Answer | None]] = []

    def set_image(self, image: NDArray[Any]) -> None:
        self.images.append(image)

    def predict(self, prompts: Prompts, previous: Answer | None = None) -> Answer:
        self.calls.append((prompts, previous))
        height, width = self.images[-1].shape[:2]
        prompts.check_inside((height, width))
        frame = Frame(0, 0, height, width, max(height, width), "pad")
        total = np.zeros((height, width), np.float32)
        for prompt in prompts:
            dense = Prompts((prompt,)).to_dense(frame, PromptStyle(self.radius))
            drawn = dense[:, :height, :width].any(0)
            total = np.maximum(total, drawn) if prompt.positive else total * (1 - drawn)
        return Answer(gaussian_filter(total, 1.0))


def last_points(prompts: Prompts) -> list[tuple[float, float]]:
    """Return the points of the newest prompt."""
    return list(extent(prompts.items[-1]))


def clicks_of(prompts: Prompts) -> list[Click]:
    return [p for p in prompts if isinstance(p, Click)]
