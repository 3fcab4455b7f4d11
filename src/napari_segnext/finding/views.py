"""Parts of planes as a model sees them, with what is known of each pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segnext.finding.examples import Example, halving, sizes
from napari_segnext.geometry.frame import BoolArray, Frame
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.models.config import ModelConfig
from napari_segnext.predicting.tiles import TilePyramid

# Model pixels that half of the objects are to measure, at least.
_ENOUGH = 12.0
# Model pixels: on either side of a border that count as border, up to which depth is
# told, and around a known object that are known to be in none.
_BORDER, _DEEP, _RING = 2.0, 5.0, 12.0
# What a pixel counts for: of an object or border, known to be in none, and unknown,
# which is taken for one in none.
_OBJECT, _NONE, _UNKNOWN = 4.0, 1.0, 0.004
# How far a view differs at most from its level in scale, as a factor.
_SCALED = 1.2


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A part of a plane as a model sees it.

    Attributes
    ----------
    pixels
        (S, S, 3) float32: the model's input, 0 to 1.
    targets
        (3, S, S) float32: inside, border and depth, 0 to 1.
    weights
        (S, S) float32: what each pixel counts for.
    beyond
        (S, S) bool: whether it lies beyond the line that halves the example.
    """

    pixels: FloatArray
    targets: FloatArray
    weights: FloatArray
    beyond: BoolArray


def level_for(examples: list[Example], pyramid: TilePyramid) -> int:
    """Return the coarsest level that shows objects of the usual size well enough.

    Raises
    ------
    ValueError
        If there is no object.
    """
    usual = float(np.median(sizes(examples)))
    for level in range(pyramid.levels):
        # A level that is read shrunk is for looking around.
        if pyramid.step(level) == 1 and usual * pyramid.scale(level) >= _ENOUGH:
            return level
    return pyramid.levels - 1


def frame_near(
    example: Example,
    shape: tuple[int, int],
    scale: float,
    config: ModelConfig,
    rng: np.random.Generator,
) -> Frame:
    """Choose a part of a plane in which something is known, about as large as a tile.

    Parameters
    ----------
    shape
        (H, W) of the plane.
    scale
        Model pixels per image pixel.
    """
    side = round(config.size / scale * _SCALED ** rng.uniform(-1, 1))
    height, width = min(side, shape[0]), min(side, shape[1])
    # Of what is complete each tile counts as an object does.
    tiles = [max(1, round(np.prod(p.shape) / side**2)) for p in example.complete]
    places = [r.extent for r in (*example.objects, *example.others)]
    places += [
        p for p, n in zip(example.complete, tiles, strict=True) for _ in range(n)
    ]
    place = places[rng.integers(len(places))]
    at = [
        int(
            np.clip(rng.integers(low, max(high, low + 1)) - rng.uniform(0, n), 0, m - n)
        )
        for low, high, n, m in zip(
            place[:2], place[2:], (height, width), shape, strict=True
        )
    ]
    return Frame(at[0], at[1], height, width, config.size, config.resize)


def view_of(pixels: FloatArray, example: Example, frame: Frame) -> View:
    """Return a view of a frame, (S, S, 3) pixels of which were read."""
    extent = Extent.at((frame.top, frame.left), frame.shape)
    page = _sampled(example.drawn(extent), frame)
    none = _sampled(example.excluded(extent), frame) & (page == 0)
    inside = page > 0
    depth = depths(page)
    away = ndimage.distance_transform_edt(~inside) if inside.any() else np.inf
    border = (inside & (depth <= _BORDER)) | (~inside & (away <= _BORDER))
    targets = np.stack([inside, border, np.minimum(depth / _DEEP, 1)])
    weights = np.full(page.shape, _UNKNOWN, np.float32)
    weights[none | (~inside & (away <= _RING))] = _NONE
    weights[inside | border] = _OBJECT
    rows, columns = frame.content
    weights[rows:], weights[:, columns:] = 0, 0
    beyond = np.zeros(extent.shape, bool)
    beyond[:, max(0, halving(example) - frame.left) :] = True
    return View(
        pixels, targets.astype(np.float32), weights, _sampled(beyond, frame) > 0
    )


def depths(page: NDArray[np.int32]) -> FloatArray:
    """Return how far each pixel is from the border of its object, (h, w); else 0.

    Parameters
    ----------
    page
        (h, w) numbers of objects, 0 for none; its edge is no border.
    """
    depth = np.zeros(page.shape, np.float32)
    for number, box in enumerate(ndimage.find_objects(page), 1):
        if box is None:
            continue
        # With what is beside it, where there is something.
        grown = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in box)
        mask = page[grown] == number
        if mask.all():
            depth[grown] = max(page.shape)
        else:
            depth[grown][mask] = ndimage.distance_transform_edt(mask)[mask]
    return depth


def augmented(view: View, rng: np.random.Generator) -> View:
    """Turn and mirror a view, and change its brightness and contrast at random."""
    turns, mirrored = int(rng.integers(4)), rng.random() < 0.5

    def turned(values: NDArray[Any], rows: int) -> NDArray[Any]:
        values = np.rot90(values, turns, (rows, rows + 1))
        return np.ascontiguousarray(np.flip(values, rows) if mirrored else values)

    pixels = turned(view.pixels, 0)
    if rng.random() < 0.8:
        pixels = 0.5 + (pixels - 0.5) * rng.uniform(0.75, 1.3) + rng.uniform(-0.1, 0.1)
        pixels = np.clip(pixels, 0, 1) ** np.exp(rng.uniform(-0.3, 0.3))
    if rng.random() < 0.3:
        noise = rng.normal(0, 0.03, (*pixels.shape[:2], 1))
        pixels = np.clip(pixels + noise, 0, 1)
    elif rng.random() < 0.3:
        pixels = ndimage.gaussian_filter(pixels, (0.8, 0.8, 0))
    pixels = np.asarray(pixels, np.float32)
    return View(
        pixels,
        turned(view.targets, 1),
        turned(view.weights, 0),
        turned(view.beyond, 0),
    )


def _sampled(page: NDArray[Any], frame: Frame) -> NDArray[Any]:
    """Return the nearest value for each model pixel of a frame; 0 in padding."""
    rows, columns = frame.content
    at = [
        np.minimum(((np.arange(n) + 0.5) * length / n).astype(int), length - 1)
        for n, length in zip((rows, columns), page.shape, strict=True)
    ]
    sampled = np.zeros((frame.size, frame.size), page.dtype)
    sampled[:rows, :columns] = page[np.ix_(*at)]
    return sampled
