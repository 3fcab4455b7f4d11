"""Labels as runs of voxels with one value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segnext.session.grid import Voxels

Integers = NDArray[np.int64]

# Runs are laid over each other in pieces of so many voxels.
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Values of voxels that follow each other.

    Attributes
    ----------
    start, length, value
        (N,) int64 each. Where two overlap the later one holds.
    """

    start: Integers
    length: Integers
    value: Integers

    @classmethod
    def of(cls, voxels: Voxels, values: NDArray[np.generic]) -> Runs:
        """Gather sorted voxels, none twice."""
        numbers = values.astype(np.int64)
        breaks = (np.diff(voxels) != 1) | (np.diff(numbers) != 0)
        opening = np.ones(min(len(voxels), 1), bool)
        first = np.flatnonzero(np.concatenate([opening, breaks]))
        length = np.diff(first, append=len(voxels))
        return cls(voxels[first], length, numbers[first])

    def __len__(self) -> int:
        return len(self.start)

    def expand(self) -> tuple[Voxels, Integers]:
        """Return the voxels and their values, (M,) each."""
        offset = np.arange(self.length.sum()) - np.repeat(
            np.cumsum(self.length) - self.length, self.length
        )
        voxels = np.repeat(self.start, self.length) + offset
        return voxels, np.repeat(self.value, self.length)


def fold(layers: Sequence[Runs]) -> Iterator[Runs]:
    """Yield what is left when later runs cover earlier ones, without zeros.

    Each voxel occurs once; a part of the array at a time, in order.
    """
    if not layers:
        return
    start = np.concatenate([runs.start for runs in layers])
    end = start + np.concatenate([runs.length for runs in layers])
    value = np.concatenate([runs.value for runs in layers])
    for piece in np.unique(np.concatenate([start, end - 1]) // _PIECE).tolist():
        yield from _fold_piece(piece, start, end, value)


def _fold_piece(
    piece: int, start: Integers, end: Integers, value: Integers
) -> Iterator[Runs]:
    first = piece * _PIECE
    here = np.flatnonzero((start < first + _PIECE) & (end > first))
    values = np.zeros(_PIECE, np.int64)
    low, high = np.maximum(start[here] - first, 0), end[here] - first
    for a, b, v in zip(low.tolist(), high.tolist(), value[here].tolist(), strict=True):
        values[a:b] = v
    voxels = np.flatnonzero(values)
    if len(voxels):
        yield Runs.of(voxels + first, values[voxels])
