"""A small image that prompts are drawn on."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.geometry.frame import Frame
from napari_segnext.prompts import Prompts, PromptStyle

SQUARE = Frame(0, 0, 64, 64, 64)
STYLE = PromptStyle(radius=2)
PREVIOUS, POSITIVE, NEGATIVE = 0, 1, 2
SIGNS = pytest.mark.parametrize("positive", [True, False])


def drawn(prompts: Prompts, frame: Frame = SQUARE, region: str = "previous", **kwargs):
    return prompts.to_dense(frame, PromptStyle(2, region), **kwargs)


def bounds(channel: np.ndarray) -> tuple[int, int, int, int]:
    """First and last row, first and last column of what is set."""
    rows, columns = np.nonzero(channel)
    return rows.min(), rows.max(), columns.min(), columns.max()


def square(value: float = 1.0) -> np.ndarray:
    """An image-sized map with a square, rows 10 to 29, columns 20 to 39."""
    image = np.zeros((64, 64), np.float32)
    image[10:30, 20:40] = value
    return image


def corners(first, last):
    """The four corners of a box, in order."""
    return [first, (first[0], last[1]), last, (last[0], first[1])]
