"""How many voxels of which id lie in which block of planes along axis 0."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.space import Space
from napari_segnext.labels.blocks import BLOCK, Blocks
from napari_segnext.labels.runs import Runs


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Voxels counted by id and block, (N,) each; blocks are numbered as planes are.

    Attributes
    ----------
    ids
        In rising order, none 0.
    """

    ids: NDArray[Any]
    blocks: NDArray[np.int64]
    found: NDArray[np.int64]

    @classmethod
    def of(cls, runs: Runs, space: Space) -> Tally:
        """Count the voxels of sorted runs; 0 is no id."""
        runs = runs.select(runs.value != 0)
        height, width = space.spatial[-2:]
        pieces, _ = runs.cut(width, BLOCK)
        rows, columns = np.divmod(pieces.start, width)
        blocks = Blocks(space).number(*np.divmod(rows, height), columns)
        order = np.lexsort((blocks, pieces.value))
        ids, blocks = pieces.value[order], blocks[order]
        opens = np.ones(len(ids), bool)
        opens[1:] = (ids[1:] != ids[:-1]) | (blocks[1:] != blocks[:-1])
        first = np.flatnonzero(opens)
        found = pieces.length[order]
        if len(first):
            found = np.add.reduceat(found, first)
        return cls(ids[first], blocks[first], found)

    def renumbered(self, ids: NDArray[Any]) -> Tally:
        """Return the same with other ids, (N,)."""
        return Tally(ids, self.blocks, self.found)

    def add_to(
        self, counts: dict[int, Counter[int]], totals: Counter[int], sign: int
    ) -> None:
        """Add it to the counts of each id, by block and in all, or take it away."""
        each = self.ids.tolist(), self.blocks.tolist(), self.found.tolist()
        for number, at, count in zip(*each, strict=True):
            counts.setdefault(number, Counter())[at] += sign * count
            totals[number] += sign * count
