"""Linear resampling of 2-D maps, as sparse matrices applied to rows and columns.

One definition serves the image, the previous probability and the mask, so that
what goes into a model and what comes out of it are aligned to the same grid:
pixel centres at half-integers (``align_corners=False``).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FloatArray = NDArray[np.float32]

# A map of more pixels is resized row by row.
_LARGE = 1 << 24


class Parts(Protocol):
    """A 2-D map of which parts are read: an array, or what computes them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width."""

    def __getitem__(self, at: tuple[slice, slice], /) -> NDArray[Any]:
        """Return rows and columns."""


@lru_cache(maxsize=64)
def _weights(source: int, target: int, antialias: bool) -> csr_matrix:
    """Return the (target, source) interpolation matrix of one axis."""
    ratio = source / target
    centre = (np.arange(target) + 0.5) * ratio - 0.5
    if antialias and ratio > 1:
        # A triangle as wide as the source pixels that one target pixel covers.
        first = np.floor(centre - ratio).astype(int)
        column = first[:, None] + np.arange(int(2 * np.ceil(ratio)) + 2)
        weight = np.clip(1 - np.abs(column - centre[:, None]) / ratio, 0, None)
        weight[(column < 0) | (column >= source)] = 0
        weight /= weight.sum(1, keepdims=True)
    else:
        # In single precision, as torch does it: the published models' numbers.
        index = np.arange(target, dtype=np.float32) + np.float32(0.5)
        centre = np.clip(index * np.float32(ratio) - np.float32(0.5), 0, source - 1)
        low = np.minimum(np.floor(centre).astype(int), max(source - 2, 0))
        column = low[:, None] + np.arange(2)
        weight = np.stack([1 - (centre - low), centre - low], 1)
    row = np.broadcast_to(np.arange(target)[:, None], column.shape)
    keep = weight > 0
    entries = (weight[keep].astype(np.float32), (row[keep], column[keep]))
    # Here: it takes a quarter of the time in which the panel opens.
    from scipy.sparse import csr_matrix

    return csr_matrix(entries, shape=(target, source))


def resize(
    image: NDArray[np.generic], shape: tuple[int, int], antialias: bool = False
) -> FloatArray:
    """Resize an image bilinearly.

    Parameters
    ----------
    image
        (H, W) or (H, W, C), any real dtype.
    shape
        Height and width wanted.
    antialias
        Widen the kernel when shrinking, so that no source pixel is skipped.
        Without it the result equals ``torch.nn.functional.interpolate(...,
        mode="bilinear", align_corners=False)``.

    Returns
    -------
    (height, width) or (height, width, C) float32
    """
    array = np.asarray(image, np.float32)
    height, width = array.shape[:2]
    if (height, width) == tuple(shape):
        return array
    channels = array.reshape(height, width, -1)
    planes = []
    for c in range(channels.shape[2]):
        plane = np.ascontiguousarray(channels[..., c])
        if height != shape[0]:
            plane = _weights(height, shape[0], antialias) @ plane
        if width != shape[1]:
            plane = (_weights(width, shape[1], antialias) @ plane.T.copy()).T
        planes.append(plane)
    return np.stack(planes, -1).reshape(*shape, *array.shape[2:])


def resize_part(
    part: Parts,
    offset: tuple[int, int],
    source: tuple[int, int],
    target: tuple[int, int],
    antialias: bool = False,
) -> FloatArray:
    """Resize an image that is zero outside of a part, without holding the whole.

    Parameters
    ----------
    part
        (h, w), any real dtype; of a large one a few rows are read at a time.
    offset
        (row, column) of the part's first pixel in the image; the part may reach out
        of it.
    source, target
        (H, W) of the image, and of what it becomes.

    Returns
    -------
    (height, width) float32, what `resize` makes of the whole image
    """
    (top, bottom), (left, right) = (
        (max(0, -first), max(0, -first, min(length, whole - first)))
        for first, length, whole in zip(offset, part.shape, source, strict=True)
    )
    rows = _weights(source[0], target[0], antialias)
    columns = _weights(source[1], target[1], antialias)
    if bottom - top != source[0]:
        rows = rows[:, offset[0] + top : offset[0] + bottom]
    if right - left != source[1]:
        columns = columns[:, offset[1] + left : offset[1] + right]
    if (bottom - top) * (right - left) <= _LARGE:
        cut = part[top:bottom, left:right]
        narrow = rows @ np.ascontiguousarray(cut, np.float32)
    else:
        narrow = np.zeros((target[0], right - left), np.float32)
        for at, row in enumerate(rows):
            if row.nnz:
                low, high = row.indices.min(), row.indices.max() + 1
                cut = part[top + low : top + high, left:right]
                narrow[at] = row[:, low:high] @ np.ascontiguousarray(cut, np.float32)
    return np.ascontiguousarray((columns @ narrow.T.copy()).T)


def resized_part(
    image: FloatArray, target: tuple[int, int], rows: slice, columns: slice
) -> FloatArray:
    """Return rows and columns of an (H, W) image that is resized, and no others.

    Returns
    -------
    (h, w) float32, what these slices cut from `resize` of the image
    """
    down = _weights(image.shape[0], target[0], False)[rows]
    across = _weights(image.shape[1], target[1], False)[columns]
    return np.ascontiguousarray((across @ (down @ image).T.copy()).T)
