"""Labels that are read piece by piece, so that nobody has to hold all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

# Pixels that are in memory at once, unless the format wants more.
PIECE = 1 << 22

Part: TypeAlias = tuple[slice, ...]


class LabelPieces(ABC):
    """Whole numbers that can be sliced, as an array can.

    Attributes
    ----------
    shape
        Of the whole.
    dtype
        Integer type of every piece.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.integer[Any]]

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self.shape)

    @abstractmethod
    def __getitem__(self, part: Part) -> NDArray[np.integer[Any]]:
        """Return a part, given by a slice of step 1 along each axis."""


# What a writer gets.
Sliceable: TypeAlias = NDArray[Any] | LabelPieces


def parts(shape: Sequence[int], sides: Sequence[int]) -> Iterator[Part]:
    """Yield the blocks of an array in C order; `sides` is their shape."""
    starts = [range(0, n, side) for n, side in zip(shape, sides, strict=True)]
    for corner in product(*starts):
        yield tuple(
            slice(at, min(at + side, n))
            for at, side, n in zip(corner, sides, shape, strict=True)
        )


def row_parts(shape: Sequence[int]) -> Iterator[Part]:
    """Yield whole rows of one page, the last two axes, at a time, in C order."""
    *leading, height, width = shape
    rows = max(1, min(height, PIECE // max(width, 1)))
    return parts(shape, (*(1 for _ in leading), rows, max(width, 1)))


class _Transposed(LabelPieces):
    def __init__(self, labels: LabelPieces, axes: Sequence[int]) -> None:
        self._labels, self._axes = labels, axes
        self.shape = tuple(labels.shape[at] for at in axes)
        self.dtype = labels.dtype

    def __getitem__(self, part: Part) -> NDArray[np.integer[Any]]:
        whole = [part[self._axes.index(at)] for at in range(self.ndim)]
        return self._labels[tuple(whole)].transpose(self._axes)


def transposed(labels: Sliceable, axes: Sequence[int]) -> Sliceable:
    """Return labels with their axes in another order; nothing is read or copied."""
    if list(axes) == sorted(axes):
        return labels
    if isinstance(labels, LabelPieces):
        return _Transposed(labels, axes)
    return labels.transpose(axes)


class _Expanded(LabelPieces):
    def __init__(self, labels: Any, at: int) -> None:
        self._labels, self._at = labels, at
        self.shape = (*labels.shape[:at], 1, *labels.shape[at:])
        self.dtype = labels.dtype

    def __getitem__(self, part: Part) -> NDArray[np.integer[Any]]:
        kept = (*part[: self._at], *part[self._at + 1 :])
        return np.expand_dims(self._labels[kept], self._at)


def expanded(labels: Sliceable, at: int) -> Sliceable:
    """Return labels with one more axis, of length 1; nothing is read or copied."""
    if isinstance(labels, np.ndarray):
        return np.expand_dims(labels, at)
    return _Expanded(labels, at)


class _Dropped(LabelPieces):
    def __init__(self, labels: Any, at: int) -> None:
        self._labels, self._at = labels, at
        self.shape = (*labels.shape[:at], *labels.shape[at + 1 :])
        self.dtype = np.dtype(labels.dtype)

    def __getitem__(self, part: Part) -> NDArray[np.integer[Any]]:
        whole = (*part[: self._at], slice(0, 1), *part[self._at :])
        return np.asarray(self._labels[whole]).squeeze(self._at)


def dropped(labels: Any, at: int) -> Sliceable:
    """Return labels without an axis of length 1; nothing is read or copied."""
    if isinstance(labels, np.ndarray):
        return labels.squeeze(at)
    return _Dropped(labels, at)
