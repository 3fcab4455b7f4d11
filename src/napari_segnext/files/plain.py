"""Arrays and pictures without geometry."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_segnext.files.checks import DEFLATED, check_length, check_memory, explained
from napari_segnext.files.image import Geometry, ImageFile
from napari_segnext.files.pieces import Sliceable, row_parts

_GREY_OR_COLOUR = ("L", "I", "F", "RGB", "RGBA")


def read_npy(path: Path) -> ImageFile:
    """Read a ``.npy`` array lazily; (..., z, y, x)."""
    with explained(path, "a numpy array"):
        data = np.load(path, mmap_mode="r", allow_pickle=False)
    if data.dtype.kind not in "buif" or data.ndim < 2:
        raise ValueError(
            f"{path} is not an image: {data.dtype} values of shape {data.shape}"
        )
    return ImageFile(path, data, Geometry.plain(data.shape))


def write_npy(path: Path, labels: Sliceable, geometry: Geometry) -> None:
    """Write labels as a numpy array, which has no place for the geometry.

    Where there is nothing, nothing is written, and the file takes no room.
    """
    header = {
        "shape": labels.shape,
        "fortran_order": False,
        "descr": np.lib.format.dtype_to_descr(labels.dtype),
    }
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in row_parts(labels.shape):
            piece = np.ascontiguousarray(labels[part])
            if piece.any():
                file.write(piece.data)
            else:
                file.seek(piece.nbytes, os.SEEK_CUR)
        file.truncate()


def write_png(path: Path, labels: Sliceable, geometry: Geometry) -> None:
    """Write labels (y, x) as a grey picture of 8 or 16 bits.

    Raises
    ------
    ValueError
        If there are more axes, or larger values than 65,535.
    """
    if len(labels.shape) != 2:
        raise ValueError(f"a picture is 2-D, not of shape {tuple(labels.shape)}")
    page = np.zeros(labels.shape, np.uint16)
    for part in row_parts(labels.shape):
        piece = labels[part]
        if piece.size and piece.max() > np.iinfo(page.dtype).max:
            raise ValueError(
                f"the values of a PNG end at 65,535, and there is {piece.max()}: "
                "choose .tif or .zarr"
            )
        page[part] = piece
    small = page.max(initial=0) <= np.iinfo(np.uint8).max
    picture = Image.fromarray(page.astype(np.uint8) if small else page)
    with path.open("wb") as file:
        picture.save(file, format="PNG")


def read_picture(path: Path) -> ImageFile:
    """Read a PNG, JPEG or BMP; grey (y, x), or colours last."""
    data = load_picture(path)
    rgb = data.ndim == 3
    return ImageFile(path, data, Geometry.plain(data.shape[:2]), rgb=rgb)


def load_picture(path: Path) -> NDArray[Any]:
    """Return (H, W), (H, W, 3) or (H, W, 4)."""
    with explained(path, "a picture"):
        with _any_size(), Image.open(path) as picture:
            # 4 bytes a pixel, and once more what Pillow decodes into.
            size = 4 * picture.width * picture.height
            check_length(size // 32, path.stat().st_size * DEFLATED)
            check_memory(2 * size)
            if picture.mode in _GREY_OR_COLOUR or picture.mode.startswith("I;16"):
                return np.asarray(picture)
            return np.asarray(picture.convert("L" if picture.mode == "1" else "RGBA"))


@contextmanager
def _any_size() -> Iterator[None]:
    """Let Pillow open a section of any size; these files are the user's own."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit
