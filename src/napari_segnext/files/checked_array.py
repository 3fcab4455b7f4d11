"""An array of a file that is read piece by piece, and tells what is wrong with that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from napari_segnext.files.checks import check_memory, explained

if TYPE_CHECKING:
    _Array = zarr.Array[Any]
else:
    # Older versions of zarr know no parameter.
    _Array = zarr.Array

# More voxels than in any image that was ever taken.
_MOST_VOXELS = 2**52


class CheckedArray(_Array):
    """An array of a file: what goes wrong when it is read names the file.

    Parameters
    ----------
    array
        To be read lazily.
    path, kind
        As for `explained`, within which it is made.

    Raises
    ------
    ValueError, MemoryError
        If the array cannot be read piece by piece.
    """

    def __init__(self, array: zarr.Array[Any], path: Path, kind: str) -> None:
        super().__init__(array.async_array)
        self._path, self._kind = path, kind
        if np.prod(self.shape, dtype=object) > _MOST_VOXELS:
            raise ValueError(f"its shape {self.shape} is larger than any image")
        if 0 in self.chunks:
            raise ValueError(f"its chunks have the shape {self.chunks}")
        check_memory(int(np.prod(self.chunks, dtype=object)) * self.dtype.itemsize)

    def __getitem__(self, selection: Any) -> Any:
        """Read a part.

        Raises
        ------
        ValueError, OSError
            As `explained`.
        """
        with explained(self._path, self._kind):
            return super().__getitem__(selection)
