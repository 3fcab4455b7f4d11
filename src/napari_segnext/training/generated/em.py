"""Images like electron micrographs of tissue: cells, membranes and organelles."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_segnext.training.generated.bodies import BodyStyle, add_bodies
from napari_segnext.training.generated.canvas import (
    BoolArray,
    GeneratedSlice,
    Grid,
    LabelArray,
)
from napari_segnext.training.generated.cells import CellStyle, borders, partition
from napari_segnext.training.generated.microscope import expose, shift_sections
from napari_segnext.training.generated.noise import FloatArray, sigmoid
from napari_segnext.training.generated.organelles import (
    add_nuclei,
    add_reticulum,
    strew_vesicles,
)
from napari_segnext.training.generated.tissue import Tissue

# Cells smaller than this are no objects, in pixels.
_SMALLEST_CELL = 30


def em_slice(
    rng: np.random.Generator, shape: tuple[int, int] = (256, 256)
) -> GeneratedSlice:
    """Draw an EM-like image of cells with organelles.

    Pixel size, sizes and shapes of cells, contrast, polarity and damage are random.

    Parameters
    ----------
    shape
        (H, W) of the image.

    Returns
    -------
    GeneratedSlice
        `image` (H, W) uint8; `layers` are the cells (with all that is in them) and
        the organelles; a layer without objects is left out.
    """
    tissue = draw_tissue(rng, Grid(shape), pixel_size(rng))
    return _finish(rng, tissue)


def em_stack(
    rng: np.random.Generator, shape: tuple[int, int, int] = (24, 256, 256)
) -> GeneratedSlice:
    """Draw an EM-like stack: coherent through z, as far as sectioning lets it.

    Parameters
    ----------
    shape
        (Z, Y, X).

    Returns
    -------
    GeneratedSlice
        `image` (Z, Y, X) uint8; layers as `em_slice`. Sections are shifted against
        each other, and some jump in contrast.
    """
    depth, height, width = shape
    nm = pixel_size(rng)
    margin = 3
    grid = Grid(
        (depth, height + 2 * margin, width + 2 * margin),
        through=float(np.clip(rng.uniform(25, 50) / nm, 1, 8)),
    )
    drawn = _finish(rng, draw_tissue(rng, grid, nm))
    return shift_sections(rng, drawn, margin)


def pixel_size(rng: np.random.Generator) -> float:
    """Return a pixel size in nanometres, from ssTEM to coarse block-face imaging."""
    return float(np.exp(rng.uniform(np.log(3.5), np.log(17))))


def _finish(rng: np.random.Generator, tissue: Tissue) -> GeneratedSlice:
    image = expose(rng, tissue.grid, tissue.image)
    return GeneratedSlice.of(image, [tissue.cells, tissue.organelles], tissue.kinds)


def draw_tissue(rng: np.random.Generator, grid: Grid, nm: float) -> Tissue:
    """Draw cells, what is in them, and the membranes between them."""
    style = _cell_style(rng, nm, float(grid.extent[-2:].min()))
    regions = partition(rng, grid, style)
    border = borders(regions)
    distance = grid.distance(~border)
    half = float(np.clip(rng.uniform(5, 13) / nm, 0.5, 4))
    gap, sigma = 0.0, float(np.clip(half, 0.7, 2.5))
    if rng.random() < 0.35:
        # Room between cells, which are rounder then.
        gap = float(rng.exponential(0.1)) * min(style.size, 60)
        sigma = max(sigma, float(rng.uniform(0.02, 0.12)) * min(style.size, 60))
    rounded = grid.blur(distance, sigma)
    # A blurred distance is not 0 on a border.
    rounded = rounded - np.float32(0.8 * sigma) * np.exp(-((distance / sigma) ** 2))
    wobble = grid.noise(rng, 220 / nm, 2)
    swelling = np.float32(1) + np.float32(0.25) * wobble
    depth = np.asarray(rounded - np.float32(half + gap) * swelling, np.float32)
    cells, count = ndimage.label((depth > 0) & ~border)
    areas = np.bincount(cells.ravel(), minlength=count + 1)
    areas[0] = 0
    keep = areas >= _SMALLEST_CELL
    numbers = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    cells = numbers[cells]
    tissue = Tissue(
        grid=grid,
        nm=nm,
        image=_cytoplasm(rng, grid, nm, cells),
        depth=depth,
        cells=cells,
        organelles=np.zeros(grid.shape, np.int32),
        wobble=wobble,
        fine=grid.noise(rng, 45 / nm, 2),
        kinds=dict.fromkeys(range(1, int(keep.sum()) + 1), "cell"),
    )
    sheaths = np.zeros(grid.shape, bool)
    if rng.random() < 0.15:
        sheaths = _sheathe(rng, tissue)
    _fill(rng, tissue)
    _membranes(rng, tissue, half, gap > 0)
    _myelin(rng, tissue, sheaths)
    return tissue


def _sheathe(rng: np.random.Generator, tissue: Tissue) -> BoolArray:
    """Give some cells a sheath of myelin and return its pixels.

    The cell then is what lies within the sheath.
    """
    count = int(tissue.cells.max())
    deepest = ndimage.maximum(tissue.depth, tissue.cells, np.arange(count + 1))
    width = np.asarray(deepest) * rng.uniform(0.1, 0.45, count + 1)
    width[rng.random(count + 1) < rng.uniform(0.1, 0.7)] = 0
    width[width < 2] = 0
    width[0] = 0
    inward = width.astype(np.float32)[tissue.cells]
    sheaths = (tissue.depth < inward) & (tissue.cells > 0)
    for number in np.flatnonzero(width):
        box = (slice(None),) * tissue.cells.ndim
        tissue.name("myelin", box, sheaths & (tissue.cells == number))
    tissue.depth -= inward
    tissue.cells[sheaths] = 0
    return sheaths


def _myelin(rng: np.random.Generator, tissue: Tissue, sheaths: BoolArray) -> None:
    """Draw myelin: dark, now and then with lamellae."""
    if not sheaths.any():
        return
    grey = rng.uniform(0.02, 0.3) + np.float32(0.03) * tissue.fine
    if rng.random() < 0.5:
        period = max(float(rng.uniform(10, 40)) / tissue.nm, 2.5)
        lamellae = np.cos(np.float32(2 * np.pi / period) * tissue.depth)
        grey += np.float32(rng.uniform(0.02, 0.12)) * lamellae
    tissue.image[sheaths] = grey[sheaths]


def _cell_style(rng: np.random.Generator, nm: float, room: float) -> CellStyle:
    """Return a style whose cells leave room for others in the picture."""
    diameter = np.exp(rng.uniform(np.log(200), np.log(1100)))
    size = float(np.clip(diameter / nm, 11, 0.6 * room))
    return CellStyle(
        size=size,
        large=float(rng.choice([0.0, rng.uniform(0, 0.6)])),
        large_size=min(size * float(rng.uniform(2, 7)), 0.9 * room),
        stretch=float(rng.choice([1.0, rng.uniform(1, 2), rng.uniform(2, 6)])),
        warp=size * float(rng.uniform(0.05, 0.35)),
        warp_size=size * float(rng.uniform(0.8, 3)),
    )


def _cytoplasm(
    rng: np.random.Generator, grid: Grid, nm: float, cells: LabelArray
) -> FloatArray:
    """Return grey values of the cytoplasm and of what lies between cells."""
    count = int(cells.max()) + 1
    grey = rng.normal(0.72, rng.uniform(0.01, 0.08), count)
    grey[rng.random(count) < rng.choice([0.0, 0.1, 0.3])] -= rng.uniform(0.1, 0.45)
    grey[0] = rng.uniform(0.4, 0.95)
    image: FloatArray = grey.astype(np.float32)[cells]
    image += np.float32(rng.uniform(0.0, 0.06)) * grid.noise(rng, 40 / nm, 2, 0.7)
    image += np.float32(rng.uniform(0.0, 0.04)) * grid.noise(rng, 12 / nm)
    return image


def _fill(rng: np.random.Generator, tissue: Tissue) -> None:
    """Put organelles into the cells."""
    if rng.random() < 0.5:
        add_nuclei(rng, tissue, float(rng.uniform(0.3, 1)))
    add_bodies(rng, tissue, _mitochondria(rng))
    if rng.random() < 0.6:
        add_bodies(rng, tissue, _bodies(rng))
    if rng.random() < 0.5:
        strew_vesicles(rng, tissue)
    if rng.random() < 0.5:
        add_reticulum(rng, tissue)
    if rng.random() < 0.3:
        _glycogen(rng, tissue)


def _mitochondria(rng: np.random.Generator) -> BodyStyle:
    plain = rng.random() < 0.35
    return BodyStyle(
        kind="mitochondrion",
        radius=float(rng.uniform(90, 240)),
        spread=float(rng.uniform(0.1, 0.4)),
        length=float(rng.choice([0.5, 1.0, 2.0])),
        cover=float(rng.uniform(0.05, 0.35)),
        membrane=float(rng.uniform(0.1, 0.35)),
        matrix=(
            float(rng.choice([rng.uniform(0.15, 0.5), rng.uniform(0.3, 0.62)])),
            float(rng.uniform(0, 0.06)),
            float(rng.uniform(0.01, 0.06)),
        ),
        cristae=0.0 if plain else float(rng.choice([-1, 1]) * rng.uniform(0.05, 0.22)),
        cristae_distance=float(rng.uniform(22, 50)),
        tubular=bool(rng.random() < 0.3),
        disorder=float(rng.choice([0.0, rng.uniform(0, 2.5)])),
    )


def _bodies(rng: np.random.Generator) -> BodyStyle:
    """Return round bodies: lysosomes, endosomes, dense cores, large vesicles."""
    return BodyStyle(
        kind="vesicle",
        radius=float(np.exp(rng.uniform(np.log(30), np.log(160)))),
        spread=0.3,
        length=float(rng.choice([0.0, 0.0, 0.6])),
        cover=float(rng.uniform(0.005, 0.06)),
        membrane=float(rng.uniform(0.1, 0.4)),
        matrix=(
            float(rng.choice([rng.uniform(0.05, 0.4), rng.uniform(0.7, 1.0)])),
            0.08,
            float(rng.uniform(0.0, 0.1)),
        ),
    )


def _membranes(
    rng: np.random.Generator, tissue: Tissue, half: float, apart: bool
) -> None:
    """Draw the membranes; some are cut obliquely, some bear dense plaques."""
    grid, nm = tissue.grid, tissue.nm
    oblique = np.clip(grid.noise(rng, 300 / nm) - np.float32(1.0), 0, 1)
    width = np.float32(max(half, 0.7)) * (1 + np.float32(1.5) * oblique)
    away = tissue.depth + np.float32(half)
    if not apart:
        away = np.maximum(away, 0)
    line = np.exp(-((away / width) ** 2))
    amount = line * (1 - np.float32(0.5) * oblique) * np.float32(rng.uniform(0.7, 1))
    grey = np.float32(rng.uniform(0.02, 0.38)) + np.float32(0.04) * tissue.fine
    if rng.random() < 0.5:
        plaques = grid.noise(rng, 180 / nm)
        plaque = sigmoid((plaques - np.float32(1.5)) * 8)
        smear = np.exp(-np.maximum(away, 0) / np.float32(max(25 / nm, 1.0)))
        tissue.image -= np.float32(rng.uniform(0.15, 0.5)) * plaque * smear
    tissue.image += amount * (grey - tissue.image)


def _glycogen(rng: np.random.Generator, tissue: Tissue) -> None:
    """Strew small dark grains (glycogen, ribosomes) in patches."""
    patches = tissue.grid.noise(rng, 500 / tissue.nm)
    grains = tissue.grid.noise(rng, float(np.clip(12 / tissue.nm, 1.0, 4)))
    amount = sigmoid((grains - np.float32(1.1)) * 5) * sigmoid((patches - 0.4) * 6)
    amount *= tissue.organelles == 0
    tissue.image -= np.float32(rng.uniform(0.1, 0.35)) * amount
