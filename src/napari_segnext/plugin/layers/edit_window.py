"""Which part of a large plane is edited, given the part that is in view."""

from __future__ import annotations

from napari_segnext.geometry.regions import Extent
from napari_segnext.labels.chunked import CHUNK

# The longest side of a window, in pixels.
SIDE = 4096


def around(view: Extent, plane: tuple[int, int]) -> Extent:
    """Return a window with a view in its middle, where there is room.

    It is twice as long as the view, at most `SIDE`, and begins and ends with chunks
    or with the plane.
    """
    low, high = [], []
    for start, stop, length in zip(view[:2], view[2:], plane, strict=True):
        side = -(-2 * (stop - start) // CHUNK) * CHUNK
        side = min(max(side, 2 * CHUNK), SIDE)
        first = ((start + stop - side) // 2 + CHUNK // 2) // CHUNK * CHUNK
        first = max(0, min(first, -(-(length - side) // CHUNK) * CHUNK))
        low.append(first)
        high.append(min(first + side, length))
    return Extent(low[0], low[1], high[0], high[1])


def follow(window: Extent, view: Extent, plane: tuple[int, int]) -> Extent:
    """Return the window for a view: the one there is, as long as it serves.

    It serves a view that it holds, and one that is larger than any window if their
    middles are close.
    """
    if max(view.shape) <= SIDE:
        serves = window.holds(view)
    else:
        middle = (view.top + view.bottom) // 2, (view.left + view.right) // 2
        serves = window.holds(grown(Extent.at(middle, (1, 1)), SIDE // 4))
    return window if serves else around(view, plane)


def grown(extent: Extent, reach: int) -> Extent:
    """Return an extent with a margin."""
    top, left, bottom, right = extent
    return Extent(top - reach, left - reach, bottom + reach, right + reach)
