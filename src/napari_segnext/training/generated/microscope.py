"""From a drawn section to a micrograph: blur, charging, damage, noise, contrast."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_segnext.training.generated.canvas import GeneratedSlice, Grid
from napari_segnext.training.generated.noise import FloatArray, sigmoid

_Kind = TypeVar("_Kind", bound=np.generic)


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
    """Add a fold, knife marks or specks of stain, in a stack to few sections."""
    depth = np.float32(rng.uniform(0.2, 0.7))
    kind = rng.choice(["fold", "marks", "specks"])
    if kind == "specks":
        specks = grid.section_noise(rng, (float(rng.uniform(3, 12)),) * 2)
        change = -depth * sigmoid((specks - np.float32(2.6)) * 8)
    else:
        normal = rng.standard_normal(2).astype(np.float32)
        normal /= np.linalg.norm(normal)
        middle = rng.random(2).astype(np.float32) * grid.extent[-2:]
        offset = grid.coordinates[-2:] - middle.reshape(-1, *(1,) * len(grid.shape))
        across = np.tensordot(normal, offset, 1)
        if kind == "fold":
            across += 6 * grid.section_noise(rng, (60.0, 60.0))
            change = -depth * np.exp(-((across / np.float32(rng.uniform(1, 8))) ** 2))
        else:
            marks = np.cos(across * np.float32(2 * np.pi / rng.uniform(8, 60)))
            ridges = np.maximum(marks - np.float32(0.9), 0)
            change = np.float32(rng.choice([-1.5, 1.5])) * depth * ridges
    if len(grid.shape) == 3:
        change *= rng.random((grid.shape[0], 1, 1)) < 0.2
    return np.asarray(image + change)


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

    def cut(array: NDArray[_Kind]) -> NDArray[_Kind]:
        return np.stack(
            [
                section[top : top + height, left : left + width]
                for section, (top, left) in zip(array, starts, strict=True)
            ]
        )

    layers = [cut(layer) for layer in drawn.layers]
    return GeneratedSlice.of(cut(drawn.image), layers, drawn.kinds)
