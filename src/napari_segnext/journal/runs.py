"""Labels as runs of voxels, laid over each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from napari_segnext.labels.runs import Runs

__all__ = ["Runs", "fold"]

# Runs are laid over each other in pieces of so many voxels.
_PIECE = 1 << 20


def fold(layers: Sequence[Runs]) -> Iterator[Runs]:
    """Yield what is left when later runs cover earlier ones, without zeros.

    Each voxel occurs once; a part of the array at a time, in order.
    """
    for piece, runs in Runs.joined(layers).by_cell(_PIECE, _PIECE):
        values = np.zeros(_PIECE, np.int64)
        first, covered = piece * _PIECE, np.cumsum(runs.length) // _PIECE
        # Some at a time: a piece may have been covered many times over.
        for part in np.unique(covered):
            voxels, new = runs.select(covered == part).expand()
            # Of a voxel that comes twice the later value stays.
            values[voxels - first] = new
        voxels = np.flatnonzero(values)
        if len(voxels):
            yield Runs.of(voxels + first, values[voxels])
