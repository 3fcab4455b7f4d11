"""Pictures to learn from in a few steps."""

from __future__ import annotations

import numpy as np

from napari_segnext.training.data import LabelledImage


def squares(rng: np.random.Generator) -> LabelledImage:
    """Draw two squares of one brightness on a dark, noisy ground."""
    labels = np.zeros((96, 96), np.int32)
    for number in (1, 2):
        y, x = rng.integers(0, 60, 2)
        labels[y : y + 30, x : x + 30] = number
    image = 90 * (labels > 0) + rng.integers(0, 30, labels.shape)
    return LabelledImage.of(image.astype(np.uint8), [labels])
