"""A picture of segmented slices: image, clicks and mask side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage.segmentation import find_boundaries

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.prompts import Click, Prompts

_SIDE = 360
_GAP = 12
_TITLE = 44
_MASK = np.array([64, 160, 255], np.float32)
_GREEN, _RED = (53, 208, 127), (229, 56, 59)


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One slice, and what was done in it.

    Attributes
    ----------
    title, caption
        Two lines above the row.
    image
        (H, W, 3) float32 in 0..1.
    mask
        (H, W) bool.
    """

    title: str
    caption: str
    image: FloatArray
    prompts: Prompts
    mask: BoolArray


def draw(rows: Sequence[Row]) -> Image.Image:
    """Draw one row for each slice: the image, with its clicks, with its mask."""
    height = len(rows) * (_TITLE + _SIDE + _GAP) + _GAP
    picture = Image.new("RGB", (3 * (_SIDE + _GAP) + _GAP, height), (24, 24, 28))
    pen = ImageDraw.Draw(picture)
    large, small = ImageFont.load_default(16), ImageFont.load_default(13)
    for number, row in enumerate(rows):
        top = _GAP + number * (_TITLE + _SIDE + _GAP)
        pen.text((_GAP, top), row.title, (240, 240, 240), large)
        pen.text((_GAP, top + 22), row.caption, (170, 170, 178), small)
        panels = (_plain(row), _with_clicks(row), _with_mask(row))
        for column, panel in enumerate(panels):
            # A slice that is not square is centred in its place.
            left = _GAP + column * (_SIDE + _GAP) + (_SIDE - panel.width) // 2
            picture.paste(panel, (left, top + _TITLE + (_SIDE - panel.height) // 2))
    return picture


def save(rows: Sequence[Row], path: Path) -> None:
    """Write the picture as PNG.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    draw(rows).save(path, format="PNG")


def _scale(row: Row) -> float:
    return float(_SIDE / max(row.mask.shape))


def _enlarge(pixels: NDArray[np.uint8], row: Row) -> Image.Image:
    height, width = (max(1, round(n * _scale(row))) for n in row.mask.shape)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)


def _plain(row: Row) -> Image.Image:
    return _enlarge((255 * row.image).round().astype(np.uint8), row)


def _with_clicks(row: Row) -> Image.Image:
    panel, scale = _plain(row), _scale(row)
    pen = ImageDraw.Draw(panel)
    for prompt in row.prompts:
        if isinstance(prompt, Click):
            y, x = ((c + 0.5) * scale for c in prompt.at)
            colour = _GREEN if prompt.positive else _RED
            pen.ellipse((x - 6, y - 6, x + 6, y + 6), colour, (255, 255, 255), 2)
    return panel


def _with_mask(row: Row) -> Image.Image:
    panel = np.asarray(_plain(row)).astype(np.float32)
    size = panel.shape[1::-1]
    mask = np.asarray(Image.fromarray(row.mask).resize(size, Image.Resampling.NEAREST))
    panel[mask] = 0.6 * panel[mask] + 0.4 * _MASK
    panel[find_boundaries(mask, mode="inner")] = _MASK
    return Image.fromarray(panel.round().astype(np.uint8))
