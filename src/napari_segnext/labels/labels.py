"""Labels of a volume: what reads and writes them, and the simplest kind, an array."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.space import Index, Space
from napari_segnext.labels.runs import Runs

Values = NDArray[np.integer[Any]]


class ReadableLabels(Protocol):
    """Instance ids of all voxels, seen as planes; 0 is nothing.

    The last three axes (two for a 2-D image) are spatial, those before are what
    `Plane.fixed` counts.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole array."""

    def read(self, plane: Plane, extent: Extent | None = None) -> Values:
        """Return a plane, (H, W), or part of it, in its own type; copy or view."""


class Labels(ReadableLabels, Protocol):
    """Instance ids that can be written, perhaps by others than the session too."""

    def settle(self) -> None:
        """Tell the session now what others have written and it has not heard of yet.

        The session calls it first in whatever reads or changes; `write` is never
        called while there is something to tell.
        """

    def write(self, plane: Plane, rows: Index, columns: Index, values: Values) -> None:
        """Write the given pixels of a plane and no others."""

    def fill(
        self, plane: Plane, extent: Extent, values: Values, where: NDArray[np.bool_]
    ) -> None:
        """Write many pixels in a part of a plane along axis 0.

        Parameters
        ----------
        values, where
            (h, w) each, of the part: ids, and whether they are written.
        """

    def lay(self, runs: Runs) -> bool:
        """Take many sorted runs, which whoever reads finds from now on.

        Returns
        -------
        False where nothing was taken, and `fill` is to write them
        """


class ArrayLabels:
    """Labels in an array (numpy, memory-mapped), written in place."""

    def __init__(self, array: NDArray[Any]) -> None:
        if not np.issubdtype(array.dtype, np.integer):
            raise TypeError(f"labels are integers, not {array.dtype}")
        self.array = array
        self._space = Space(array.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.array.shape

    def settle(self) -> None:
        """Tell nothing: only the session writes here."""

    def read(self, plane: Plane, extent: Extent | None = None) -> Values:
        """Return a view of a plane, or of part of it."""
        page: Values = self.array[self._space.index(plane)]
        return page if extent is None else page[extent.slices]

    def write(self, plane: Plane, rows: Index, columns: Index, values: Values) -> None:
        """Write pixels of a plane."""
        self.read(plane)[rows, columns] = values

    def fill(
        self, plane: Plane, extent: Extent, values: Values, where: NDArray[np.bool_]
    ) -> None:
        """Write many pixels in a part of a plane."""
        np.copyto(self.read(plane, extent), values, casting="unsafe", where=where)

    def lay(self, runs: Runs) -> bool:
        """Take nothing: an array is written at once."""
        return False
