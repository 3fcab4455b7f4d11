"""Random changes of a training crop that a user's image might show."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.resample import FloatArray


def turn(
    image: FloatArray, masks: BoolArray, rng: np.random.Generator
) -> tuple[FloatArray, BoolArray]:
    """Flip and rotate an (S, S, 3) image and its (K, S, S) masks by right angles."""
    quarter, flip = int(rng.integers(4)), bool(rng.integers(2))
    image, masks = np.rot90(image, quarter, (0, 1)), np.rot90(masks, quarter, (1, 2))
    if flip:
        image, masks = image[:, ::-1], masks[:, :, ::-1]
    return np.ascontiguousarray(image), np.ascontiguousarray(masks)


def change_intensity(image: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Change contrast, polarity, sharpness and noise of a 0..1 image.

    Colours become grey in half of the cases; a grey image sometimes becomes three
    contrasts, as the modalities of an MRI are.
    """
    grey = bool(np.array_equal(image[..., 0], image[..., 1]))
    if not grey and rng.random() < 0.5:
        image = np.repeat(image @ rng.dirichlet([2.0, 2.0, 2.0])[:, None], 3, 2)
        image, grey = image.astype(np.float32), True
    independent = not grey or rng.random() < 0.08
    image = image.copy()
    for c in range(3 if independent else 1):
        image[..., c] = _contrast(image[..., c], rng)
    if not independent:
        image[..., 1:] = image[..., :1]
    if rng.random() < 0.2:
        image = gaussian_filter(image, (*[rng.uniform(0.4, 1.4)] * 2, 0))
    if rng.random() < 0.35:
        noise = rng.normal(0, rng.uniform(0.01, 0.1), image.shape[:2])
        image = image + noise[..., None].astype(np.float32)
    return np.clip(image, 0, 1).astype(np.float32)


def change_brightness(image: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Change contrast and noise of a 0..1 image, but nothing that words may tell.

    What is bright stays so, what is left stays left.
    """
    gain, offset = np.exp(rng.normal(0, 0.15)), rng.normal(0, 0.05)
    image = (image - 0.5) * gain + 0.5 + offset
    noise = rng.normal(0, rng.uniform(0, 0.04), image.shape[:2])
    return np.clip(image + noise[..., None], 0, 1).astype(np.float32)


def _contrast(channel: FloatArray, rng: np.random.Generator) -> FloatArray:
    if rng.random() < 0.12:
        channel = 1 - channel
    channel = np.clip(channel, 0, 1) ** np.exp(rng.normal(0, 0.3))
    gain, offset = np.exp(rng.normal(0, 0.2)), rng.normal(0, 0.1)
    return np.asarray(np.clip((channel - 0.5) * gain + 0.5 + offset, 0, 1), np.float32)
