"""From a drawn section to a micrograph: blur, charging, damage, noise, contrast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_segnext.training.generated.canvas import GeneratedSlice, Grid
from napari_segnext.training.generated.noise import FloatArray, sigmoid


def expose(
    rng: np.random.Generator, grid: Grid, image: FloatArray
) -> NDArray[np.uint8]:
    """Turn grey values (about 0..1) into an 8-bit micrograph."""
    if rng.random() < 0.2:
        image = _damage(rng, grid, image)
    image = grid.blur(image, float(rng.choice([0.0, 0.5, 0.8, 1.2])))
    image = image + _illumination(rng, grid)
    image = image + _noise(rng, grid, image)
    if rng.random() < 0.3:
        image = grid.blur(image, float(rng.uniform(0.3, 0.8)))
    if rng.random() < 0.12:
        image = 1 - image
    return _quantise(rng, image)


def _illumination(rng: np.random.Generator, grid: Grid) -> FloatArray:
    """Return slow changes of brightness, charging streaks and jumps of sections."""
    height, width = grid.shape[-2:]
    light = np.float32(rng.exponential(0.035)) * grid.section_noise(
        rng, (0.7 * height, 0.7 * width)
    )
    if rng.random() < 0.15:
        streaks = grid.section_noise(rng, (float(rng.uniform(1, 6)), 2.0 * width))
        light += np.float32(rng.uniform(0.01, 0.05)) * streaks
    if len(grid.shape) == 3:
        jumps = rng.normal(0, 0.03, (grid.shape[0], 1, 1))
        jumps *= np.where(rng.random(jumps.shape) < 0.15, 3, 1)
        light += jumps.astype(np.float32)
    return light


def _damage(rng: np.random.Generator, grid: Grid, image: FloatArray) -> FloatArray:
    """Add a fold, knife marks or specks of stain."""
    kind = rng.integers(3)
    height, width = grid.shape[-2:]
    y, x = grid.coordinates[-2:]
    angle = rng.uniform(0, np.pi)
    across = np.cos(angle) * (y - height * rng.random()) + np.sin(angle) * (
        x - width * rng.random()
    )
    across = across.astype(np.float32)
    if kind == 0:
        across += 6 * grid.section_noise(rng, (60.0, 60.0))
        width_ = np.float32(rng.uniform(1, 8))
        return image - np.float32(rng.uniform(0.2, 0.7)) * np.exp(
            -((across / width_) ** 2)
        )
    if kind == 1:
        marks = np.cos(across * np.float32(2 * np.pi / rng.uniform(8, 60)))
        return image + np.float32(rng.uniform(0.03, 0.15)) * np.maximum(
            marks - np.float32(0.9), 0
        ) * np.float32(10 * rng.choice([-1, 1]))
    specks = grid.section_noise(rng, (float(rng.uniform(3, 12)),) * 2)
    return image - np.float32(rng.uniform(0.2, 0.7)) * sigmoid(
        (specks - np.float32(2.6)) * 8
    )


def _noise(rng: np.random.Generator, grid: Grid, image: FloatArray) -> FloatArray:
    """Return shot, read-out and correlated noise for an image."""
    strength = np.float32(np.exp(rng.uniform(np.log(0.01), np.log(0.15))))
    white = rng.standard_normal(grid.shape, np.float32)
    if rng.random() < 0.5:
        white *= np.sqrt(np.clip(image, np.float32(0.05), 1))
    if rng.random() < 0.4:
        # Resampling and detectors leave noise correlated between neighbours.
        white = grid.blur(white, 0.7) * np.float32(2)
    if rng.random() < 0.4:
        white += np.float32(0.5) * grid.section_noise(rng, (3.0, 3.0))
    return strength * white


def _quantise(rng: np.random.Generator, image: FloatArray) -> NDArray[np.uint8]:
    """Choose contrast and brightness; now and then compress as JPEG does."""
    thinned = image.reshape(-1)[::17]
    low, high = np.percentile(thinned, [1, 99])
    width = max(float(high - low), 0.05)
    shown = rng.uniform(0.35, 1.1)
    offset = rng.uniform(0, max(0.0, 1 - shown)) if shown < 1 else (1 - shown) / 2
    grey = (image - np.float32(low)) * np.float32(shown / width) + np.float32(offset)
    if rng.random() < 0.3:
        grey = np.clip(grey, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.3)))
    if rng.random() < 0.15:
        grey = _compress(rng, grey)
    return np.asarray(np.clip(grey * 255 + 0.5, 0, 255), np.uint8)


def _compress(rng: np.random.Generator, grey: FloatArray) -> FloatArray:
    """Quantise 8 x 8 cosine blocks, coarser for higher frequencies."""
    *sections, height, width = grey.shape
    rows, columns = height // 8 * 8, width // 8 * 8
    blocks = grey[..., :rows, :columns].reshape(*sections, rows // 8, 8, -1, 8)
    frequency = np.add.outer(np.arange(8), np.arange(8)).astype(np.float32)
    step = np.float32(rng.uniform(0.02, 0.12)) * (1 + np.float32(0.5) * frequency)
    step = step[:, None, :]
    coefficients = fft.dctn(blocks, axes=(-3, -1), norm="ortho")
    coefficients = np.rint(coefficients / step) * step
    out = grey.copy()
    out[..., :rows, :columns] = fft.idctn(
        coefficients, axes=(-3, -1), norm="ortho"
    ).reshape(*sections, rows, columns)
    return out


def shift_sections(
    rng: np.random.Generator, drawn: GeneratedSlice, margin: int
) -> GeneratedSlice:
    """Cut a margin off a stack, a little differently in each section."""
    depth, height, width = drawn.image.shape
    height, width = height - 2 * margin, width - 2 * margin
    moves = np.clip(np.rint(rng.normal(0, 0.8, (depth, 2))), -margin, margin)
    starts = moves.astype(int) + margin

    def cut(array: np.ndarray) -> np.ndarray:
        return np.stack(
            [
                section[top : top + height, left : left + width]
                for section, (top, left) in zip(array, starts, strict=True)
            ]
        )

    layers = [cut(layer) for layer in drawn.layers]
    return GeneratedSlice.of(cut(drawn.image), layers, drawn.kinds)
