"""What other programs make of outlines: pixels whose centres lie inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


def filled(
    rings: Iterable[Sequence[Sequence[float]]], shape: tuple[int, int]
) -> np.ndarray:
    """Fill rings of x and y, from the corner of the first pixel on, by even and odd.

    A pixel is inside where a ray from its centre crosses an odd number of edges.
    """
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    inside = np.zeros(shape, bool)
    for ring in rings:
        corners = np.asarray(ring, float)
        for (x, y), (to_x, to_y) in zip(corners, np.roll(corners, -1, 0), strict=True):
            if y == to_y:
                continue
            crossed = (y > rows) != (to_y > rows)
            inside ^= crossed & (columns < x + (rows - y) * (to_x - x) / (to_y - y))
    return inside
