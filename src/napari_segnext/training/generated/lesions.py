"""Lesions for MRI-like images: swelling with fingers, cores, necrosis, small foci."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_segnext.training.generated.anatomy import Anatomy
from napari_segnext.training.generated.canvas import BoolArray
from napari_segnext.training.generated.cells import random_rotation
from napari_segnext.training.generated.noise import FloatArray, sigmoid


@dataclass(frozen=True, slots=True)
class Lesion:
    """A lesion with nested parts.

    Attributes
    ----------
    parts
        (name of the tissue, weight 0..1 of it in each pixel), outermost first.
    masks
        (kind, pixels) of the objects, outermost first: the whole lesion, its core,
        the necrosis in that.
    """

    parts: list[tuple[str, FloatArray]]
    masks: list[tuple[str, BoolArray]]


def draw_lesions(rng: np.random.Generator, anatomy: Anatomy) -> list[Lesion]:
    """Draw one large lesion, a few, many small foci, or none."""
    if np.count_nonzero(anatomy.open_to_lesions) < 200 or rng.random() < 0.15:
        return []
    if rng.random() < 0.15:
        sizes = anatomy.radius * rng.uniform(0.02, 0.08, rng.integers(2, 10))
    else:
        sizes = anatomy.radius * rng.uniform(0.08, 0.45, rng.choice([1, 1, 1, 2]))
    drawn = []
    free = anatomy.open_to_lesions.copy()
    if rng.random() < 0.7:
        # Swelling closes the sulci.
        free = ndimage.binary_closing(free, iterations=3) & anatomy.whole
    for size in sizes:
        lesion = _draw(rng, anatomy, free, float(size))
        if lesion is not None:
            free &= ~lesion.masks[0][1]
            drawn.append(lesion)
    return drawn


def _draw(
    rng: np.random.Generator, anatomy: Anatomy, free: BoolArray, size: float
) -> Lesion | None:
    grid = anatomy.grid
    if not free.any():
        return None
    index = np.unravel_index(rng.choice(np.flatnonzero(free)), grid.shape)
    offset = grid.offset(grid.coordinates[(slice(None), *index)])
    axes = rng.uniform(0.5, 1.2, len(grid.shape)).astype(np.float32) * size
    turned = np.tensordot(random_rotation(rng, len(axes)), offset, 1)
    turned /= axes.reshape(-1, *(1,) * len(axes))
    inside = 1 - np.sqrt(np.sum(turned**2, axis=0))
    coarse = grid.noise(rng, max(0.8 * size, 3), 3, 0.6)
    field = inside + np.float32(rng.uniform(0.05, 0.4)) * coarse
    # Swelling runs along white matter and leaves fingers around the cortex.
    field += np.float32(rng.uniform(0, 0.5)) * (anatomy.preferred - np.float32(0.5))
    soft = np.float32(rng.uniform(0.5, 3.0) / size)
    weight = sigmoid(field / soft) * free
    whole = _main_parts((field > 0) & free)
    if np.count_nonzero(whole) < 12:
        return None
    weight *= ndimage.binary_dilation(whole, iterations=3)
    lesion = Lesion([("oedema", weight)], [("lesion", whole)])
    if rng.random() < 0.75:
        _add_core(rng, lesion, inside + np.float32(0.2) * coarse, size)
    return lesion


def _main_parts(mask: BoolArray) -> BoolArray:
    """Keep the largest component and those of a tenth of its size."""
    parts, count = ndimage.label(mask)
    if count < 2:
        return mask
    areas = np.bincount(parts.ravel())
    areas[0] = 0
    return np.asarray((areas > 0.1 * areas.max())[parts])


def _add_core(
    rng: np.random.Generator, lesion: Lesion, field: FloatArray, size: float
) -> None:
    whole, outer = lesion.masks[0][1], lesion.parts[0][1]
    field = field - np.float32(rng.uniform(0.15, 0.5))
    core = whole & (field > 0)
    if np.count_nonzero(core) < 12:
        return
    soft = np.float32(rng.uniform(0.4, 1.5) / size)
    rim = rng.random() < 0.5
    lesion.parts.append(("enhancing" if rim else "core", sigmoid(field / soft) * outer))
    lesion.masks.append(("lesion core", core))
    if not rim and rng.random() < 0.5:
        return
    field = field - np.float32(rng.uniform(0.08, 0.35))
    necrosis = core & (field > 0)
    if np.count_nonzero(necrosis) < 12:
        return
    lesion.parts.append(("necrosis", sigmoid(field / soft) * outer))
    lesion.masks.append(("necrosis", necrosis))
