"""MRC volumes of electron microscopy, through the package mrcfile."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from napari_segnext.files.checks import explained
from napari_segnext.files.image import Geometry, ImageFile


def read_mrc(path: Path) -> ImageFile:
    """Read an MRC volume lazily; voxel size and origin in nanometres.

    Raises
    ------
    OSError
        If mrcfile is not installed.
    ValueError
        If the file is damaged or not MRC.
    """
    try:
        import mrcfile
    except ImportError as error:
        raise OSError(
            f"{path} needs the package mrcfile: pip install 'napari-segnext[mrc]'"
        ) from error
    with (
        explained(path, "an MRC volume"),
        warnings.catch_warnings(),
    ):
        # mrcfile warns of a truncated or odd file, which then reads wrong.
        warnings.simplefilter("error", RuntimeWarning)
        with mrcfile.mmap(path, mode="r") as file:
            if file.data is None or file.data.dtype.kind not in "buif":
                raise ValueError("it holds no real image")
            size, header = file.voxel_size.copy(), file.header.copy()
            dtype, shape = file.data.dtype, file.data.shape
    # mrcfile's own map is gone once it closes the file.
    start = 1024 + int(header.nsymbt)
    data = np.memmap(path, dtype, "r", start, shape)
    n = min(data.ndim, 3)
    names = ("z", "y", "x")[-n:]
    scale = [float(size[name]) / 10 or 1.0 for name in names]
    origin = [float(header.origin[name]) / 10 for name in names]
    more = data.ndim - n
    geometry = Geometry.plain(
        data.shape,
        scale=(1.0,) * more + tuple(round(s, 6) for s in scale),
        translate=(0.0,) * more + tuple(round(o, 6) for o in origin),
        units=("pixel",) * more + ("nm",) * n,
    )
    return ImageFile(path, data, geometry)
