"""Which objects of two neighbouring planes are one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from napari_segnext.geometry.frame import Region

# Of the smaller of two, the part that the other covers at least.
_COVERED = 0.25


def continued(found: Sequence[Region], before: Mapping[int, Region]) -> dict[int, int]:
    """Return which objects of the plane before are continued.

    Parameters
    ----------
    found
        What was found in a plane.
    before
        What the plane before shows of each object, by its number.

    Returns
    -------
    Numbers of objects by the place in `found`. One continues another at most, and
    together they overlap most (Kuhn, 1955).
    """
    numbers = list(before)
    shared = np.zeros((len(found), len(numbers)))
    for row, region in enumerate(found):
        for column, number in enumerate(numbers):
            shared[row, column] = _covered(region, before[number])
    rows, columns = linear_sum_assignment(-shared)
    return {
        int(row): numbers[column]
        for row, column in zip(rows, columns, strict=True)
        if shared[row, column] >= _COVERED
    }


def _covered(one: Region, other: Region) -> float:
    """Return the share of the smaller region that the other covers."""
    extent = one.extent.common(other.extent)
    if extent.empty:
        return 0.0
    both = np.count_nonzero(one.read(extent) & other.read(extent))
    return both / min(np.count_nonzero(one.pixels), np.count_nonzero(other.pixels))
