"""An embedding on disk: a zarr v3 group with one array for each tensor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec
from zarr.errors import ContainsGroupError

_NAMES = "tensors"


def make_group(path: Path) -> zarr.Group:
    """Make an empty group, or open the one that there is."""
    try:
        return zarr.open_group(path, mode="a", zarr_format=3)
    except ContainsGroupError:
        # Another process has made it between zarr's look and its write.
        return zarr.open_group(path, mode="r+", zarr_format=3)


def write_entry(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays without NaN to a folder, each with a check sum.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    group = make_group(path)
    for name, array in arrays.items():
        group.create_array(
            name,
            data=array,
            chunks=array.shape,
            compressors=[Crc32cCodec()],
            fill_value=np.nan,
            config={"write_empty_chunks": True},
        )
    group.attrs[_NAMES] = sorted(arrays)


def read_entry(path: Path) -> dict[str, NDArray[Any]]:
    """Read what `write_entry` has written; a chunk that is lost is all NaN.

    Raises
    ------
    Exception
        Of whatever type zarr raises on what is damaged.
    """
    group = zarr.open_group(path, mode="r")
    names = cast("list[str]", group.attrs[_NAMES])
    return {n: np.asarray(cast("zarr.Array[Any]", group[n])[...]) for n in names}
