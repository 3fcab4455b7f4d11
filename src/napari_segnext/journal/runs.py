"""Labels as runs of voxels, laid over each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from napari_segnext.labels.runs import Integers, Runs

__all__ = ["Runs", "fold"]

# Runs are laid over each other in pieces of so many voxels.
_PIECE = 1 << 20


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
