"""A folder of 2-D sections as one stack, read section by section."""

# dask annotates only some of its functions.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.files.image import Geometry, ImageFile
from napari_segnext.files.plain import load_picture

_TIFF = (".tif", ".tiff")
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
SECTIONS = _TIFF + _PICTURES


def read_sections(path: Path) -> ImageFile:
    """Read a folder of sections of one kind and size, lazily, in natural order.

    Raises
    ------
    ValueError
        If the folder has no sections. A section that is damaged or of another size
        is a ValueError naming it, when it is read.
    """
    import dask.array as da
    from dask.delayed import delayed

    files = _sections(path)
    if not files:
        raise ValueError(f"{path} is a folder without sections ({', '.join(SECTIONS)})")
    first, geometry = _first(files[0])

    def load(file: Path) -> NDArray[Any]:
        section = _load(file)
        if section.shape != first.shape:
            raise ValueError(
                f"section {file} has the shape {section.shape}, the first one "
                f"{first.shape}; a stack needs sections of one size"
            )
        return section.astype(first.dtype, copy=False)

    lazy = delayed(load, pure=True)
    stack = da.stack(
        [da.from_delayed(lazy(f), first.shape, first.dtype) for f in files]
    )
    n = len(files)
    placed = Geometry.plain(
        (n, *geometry.shape),
        scale=(1.0, *geometry.scale),
        units=(geometry.units[0], *geometry.units),
    )
    return ImageFile(path, stack, placed, rgb=first.ndim == 3)


def holds_volumes(folder: Path) -> bool:
    """Tell whether the first picture in a folder is no section but a volume."""
    files = _sections(folder)
    if not files or files[0].suffix.lower() not in _TIFF:
        return False
    from napari_segnext.files.tiff import read_tiff

    try:
        return len(read_tiff(files[0]).geometry.shape) > 2
    except (ValueError, OSError):
        # Whoever reads it tells why it cannot be read.
        return False


def _sections(folder: Path) -> list[Path]:
    """Return the files of the most frequent kind, sec2 before sec10."""
    files = [p for p in folder.iterdir() if p.is_file() and p.name[0] != "."]
    files = [p for p in files if p.suffix.lower() in SECTIONS]
    if not files:
        return []
    kind, _ = Counter(p.suffix for p in files).most_common(1)[0]
    return natural(p for p in files if p.suffix == kind)


def natural(paths: Iterable[Path]) -> list[Path]:
    """Return paths by their names, with sec2 before sec10."""

    def order(path: Path) -> list[Any]:
        parts = re.split(r"(\d+)", path.name)
        return [int(part) if part.isdigit() else part for part in parts]

    return sorted(paths, key=order)


def _first(file: Path) -> tuple[NDArray[Any], Geometry]:
    data = _load(file)
    if file.suffix.lower() in _TIFF:
        from napari_segnext.files.tiff import read_tiff

        return data, read_tiff(file).geometry
    return data, Geometry.plain(data.shape[:2])


def _load(file: Path) -> NDArray[Any]:
    if file.suffix.lower() not in _TIFF:
        return load_picture(file)
    from napari_segnext.files.tiff import read_tiff

    image = read_tiff(file)
    level = image.data[0] if image.multiscale else image.data
    if len(image.geometry.shape) != 2 or image.channel_axis is not None:
        raise ValueError(
            f"section {file} is not 2-D: its shape is {level.shape}; a folder that is "
            "one stack has 2-D sections, and volumes are named each for itself"
        )
    return np.asarray(level)
