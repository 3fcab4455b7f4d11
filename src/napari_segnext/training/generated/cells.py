"""Tissue as cells between membranes: a warped Voronoi partition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from napari_segnext.training.generated.canvas import BoolArray, Grid, LabelArray
from napari_segnext.training.generated.noise import FloatArray

# Candidates for the nearest seed are looked up once for a block of pixels.
_BLOCK = 4
_CANDIDATES = 6


@dataclass(frozen=True, slots=True)
class CellStyle:
    """How a tissue is parted into cells; lengths in pixels.

    Attributes
    ----------
    size
        Typical diameter.
    large, large_size
        Share of the area taken by large cells, and their diameter.
    stretch
        Length of a cell across its width.
    warp, warp_size
        Displacement of the borders (standard deviation) and its scale.
    """

    size: float
    large: float
    large_size: float
    stretch: float
    warp: float
    warp_size: float


def random_rotation(rng: np.random.Generator, ndim: int) -> FloatArray:
    """Return a random (ndim, ndim) rotation or reflection."""
    rotation, _ = np.linalg.qr(rng.standard_normal((ndim, ndim)))
    return np.asarray(rotation, np.float32)


def partition(rng: np.random.Generator, grid: Grid, style: CellStyle) -> LabelArray:
    """Part the grid into cells.

    Seeds are strewn at random over a rotated, stretched and warped copy of the grid;
    those around the centre of a large cell are joined into one.

    Returns
    -------
    grid.shape, int32
        From 1, without gaps between the cells.
    """
    ndim = len(grid.shape)
    stretch = np.ones(ndim, np.float32)
    stretch[-1] = 1 / style.stretch
    transform = random_rotation(rng, ndim) * stretch[:, None]
    warped = np.stack(
        [
            axis + np.float32(style.warp) * grid.noise(rng, style.warp_size, 3)
            for axis in grid.coordinates
        ]
    )
    position = np.tensordot(transform, warped, 1)
    low = position.reshape(ndim, -1).min(1) - style.size
    high = position.reshape(ndim, -1).max(1) + style.size
    volume = float(np.prod(high - low))
    count = int(np.clip(volume / style.size**ndim, 2, 20_000))
    seeds = rng.uniform(low, high, (count, ndim)).astype(np.float32)
    names = np.arange(1, count + 1, dtype=np.int32)
    centres = rng.poisson(style.large * volume / style.large_size**ndim)
    for centre in rng.uniform(low, high, (centres, ndim)):
        radius = style.large_size / 2 * rng.uniform(0.5, 1.3)
        near = np.sum((seeds - centre) ** 2, axis=1) < radius**2
        names[near] = names[near].min(initial=count)
    return names[_nearest(position, seeds)]


def _nearest(position: FloatArray, seeds: FloatArray) -> LabelArray:
    """Return the index of the seed nearest to each position (ndim, *shape)."""
    blocks = (slice(None), *(slice(_BLOCK // 2, None, _BLOCK),) * (len(position)))
    shape = position.shape[1:]
    if min(shape) < 2 * _BLOCK:
        blocks = (slice(None),)
    corners = np.moveaxis(position[blocks], 0, -1)
    wanted = min(_CANDIDATES, len(seeds))
    candidates = cKDTree(seeds).query(corners, wanted)[1]
    candidates = candidates.reshape(*corners.shape[:-1], wanted).astype(np.int32)
    best = np.zeros(shape, np.int32)
    smallest = np.full(shape, np.inf, np.float32)
    for rank in range(wanted):
        index = _spread(candidates[..., rank], shape)
        distance = np.zeros(shape, np.float32)
        for axis, seed in zip(position, seeds.T, strict=True):
            distance += (axis - seed[index]) ** 2
        closer = distance < smallest
        np.copyto(best, index, where=closer)
        np.minimum(smallest, distance, out=smallest)
    return best


def _spread(blocks: LabelArray, shape: tuple[int, ...]) -> LabelArray:
    """Repeat one value per block over the pixels of the block."""
    if blocks.shape == shape:
        return blocks
    for axis, size in enumerate(shape):
        which = np.minimum(np.arange(size) // _BLOCK, blocks.shape[axis] - 1)
        blocks = blocks.take(which, axis)
    return blocks


def borders(cells: LabelArray) -> BoolArray:
    """Mark the pixels that differ from the next pixel along some axis."""
    border = np.zeros(cells.shape, bool)
    for axis in range(cells.ndim):
        ahead = [slice(None)] * cells.ndim
        behind = [slice(None)] * cells.ndim
        behind[axis], ahead[axis] = slice(None, -1), slice(1, None)
        border[tuple(behind)] |= cells[tuple(behind)] != cells[tuple(ahead)]
    return border
