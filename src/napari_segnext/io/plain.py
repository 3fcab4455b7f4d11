"""Arrays and pictures without geometry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_segnext.io.image import (
    Geometry,
    ImageFile,
    check_shape,
    explained,
    integer_labels,
    replacing,
)

_GREY_OR_COLOUR = ("L", "I", "F", "RGB", "RGBA")


def read_npy(path: Path) -> ImageFile:
    """Read a ``.npy`` array lazily; (..., z, y, x)."""
    with explained(path, "a numpy array", OSError, EOFError, ValueError):
        data = np.load(path, mmap_mode="r", allow_pickle=False)
    if data.dtype.kind not in "buif" or data.ndim < 2:
        raise ValueError(
            f"{path} is not an image: {data.dtype} values of shape {data.shape}"
        )
    return ImageFile(path, data, Geometry.plain(data.shape))


def write_npy(path: Path, labels: Any, geometry: Geometry) -> None:
    """Write labels as a numpy array, which has no place for the geometry."""
    array = integer_labels(labels)
    check_shape(path, array, geometry)
    with replacing(path) as part:
        np.save(part, array)


def read_picture(path: Path) -> ImageFile:
    """Read a PNG, JPEG or BMP; grey (y, x), or colours last."""
    data = load_picture(path)
    rgb = data.ndim == 3
    return ImageFile(path, data, Geometry.plain(data.shape[:2]), rgb=rgb)


def load_picture(path: Path) -> NDArray[Any]:
    """Return (H, W), (H, W, 3) or (H, W, 4)."""
    with explained(path, "a picture", OSError, SyntaxError, ValueError):
        with _any_size(), Image.open(path) as picture:
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
