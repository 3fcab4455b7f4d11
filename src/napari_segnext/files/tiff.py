"""TIFF: OME, ImageJ and plain, with pixel sizes in both directions."""

from __future__ import annotations

import math
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_segnext.files.axes import SPATIAL, names_of
from napari_segnext.files.checks import FileError, check_memory, explained
from napari_segnext.files.image import Geometry, ImageFile, space_last
from napari_segnext.files.pieces import PIECE, Sliceable, parts, transposed
from napari_segnext.files.tiff_series import main_series
from napari_segnext.files.tiff_steps import Steps, steps_of
from napari_segnext.files.units import UNKNOWN, is_time

if TYPE_CHECKING:
    from napari_segnext.files.checked_array import CheckedArray

# A series larger than this is read piece by piece.
_LARGE_BYTES = 256_000_000
# ImageJ reads no more than this, and no tiles: a page is written at once.
_IMAGEJ_BYTES = 2**32 - 2**20
_IMAGEJ_PAGE = 1 << 26
_TILE = 512
_KIND = "a TIFF image"
# OME's names of units, where they are not ours.
_OME_UNITS = {"um": "µm", "us": "µs", "angstrom": "Å", "inch": "in"}


def read_tiff(path: Path) -> ImageFile:
    """Read the image of a TIFF file; a large one, or a pyramid, lazily.

    Raises
    ------
    ValueError
        If the file is damaged or not TIFF, or holds several images.
    OSError
        If the system does not let it be read.
    """
    with explained(path, _KIND), tifffile.TiffFile(path) as file:
        number, series = main_series(path, file)
        axes, shape = _name_axes(series.axes), series.shape
        rgb = axes[-1] == "s" and shape[-1] in (3, 4)
        channels = [i for i, a in enumerate(axes) if a in "cs"]
        if len(channels) > 1:
            raise FileError(
                f"{path} has colours and channels, with the axes {series.axes} and the "
                f"shape {shape}: save each channel as a file of its own"
            )
        if np.dtype(series.dtype).kind not in "buif":
            raise FileError(f"{path} does not hold real numbers but {series.dtype}")
        channel = channels[0] if channels else None
        kept = [i for i in range(len(axes)) if i != channel]
        labels = names_of([(axes[i], None) for i in kept])
        steps = steps_of(file, number)
        found = [steps.get(label, (1.0, UNKNOWN)) for label in labels]
        geometry = Geometry.plain(
            tuple(int(shape[i]) for i in kept),
            labels,
            scale=tuple(step for step, _ in found),
            units=tuple(unit for _, unit in found),
        )
        data = _data(path, number, series)
    image = ImageFile(path, data, geometry, None if rgb else channel, rgb)
    return space_last(image)


def write_tiff(path: Path, labels: Sliceable, geometry: Geometry) -> None:
    """Write labels as ImageJ TIFF, or as OME-TIFF what is too much for that."""
    size = math.prod(labels.shape) * labels.dtype.itemsize
    large = size > _IMAGEJ_BYTES or math.prod(labels.shape[-2:]) > _IMAGEJ_PAGE
    if labels.dtype not in (np.uint8, np.uint16) or large:
        write_ome_tiff(path, labels, geometry)
        return
    labels, axes, geometry = _standard(labels, geometry)
    steps = _spatial_steps(geometry)
    unit = steps["x"][1]
    metadata: dict[str, Any] = {"axes": axes, "unit": unit}
    for axis in ("y", "z"):
        if steps.get(axis, (1.0, unit))[1] != unit:
            metadata[f"{axis}unit"] = steps[axis][1]
    if "Z" in axes:
        metadata["spacing"] = steps["z"][0]
    if "T" in axes:
        metadata["finterval"] = geometry.scale[axes.index("T")]
    resolution = (1 / steps["x"][0], 1 / steps["y"][0])
    _write(path, labels, imagej=True, resolution=resolution, metadata=metadata)


def write_ome_tiff(path: Path, labels: Sliceable, geometry: Geometry) -> None:
    """Write labels as compressed OME-TIFF."""
    labels, axes, geometry = _standard(labels, geometry)
    metadata: dict[str, Any] = {"axes": axes}
    for axis, (step, unit) in _spatial_steps(geometry).items():
        metadata[f"PhysicalSize{axis.upper()}"] = step
        metadata[f"PhysicalSize{axis.upper()}Unit"] = _OME_UNITS.get(unit, unit)
    if "T" in axes:
        metadata["TimeIncrement"] = geometry.scale[axes.index("T")]
        unit = geometry.units[axes.index("T")]
        metadata["TimeIncrementUnit"] = (
            _OME_UNITS.get(unit, unit) if is_time(unit) else "s"
        )
    _write(path, labels, ome=True, metadata=metadata, compression="zlib")


def _write(path: Path, labels: Sliceable, **options: Any) -> None:
    """Write page by page; a large page of a compressed file in tiles."""
    height, width = labels.shape[-2:]
    sides: tuple[int, int] = (height, width)
    if height * width > PIECE and "compression" in options:
        sides = options["tile"] = (_TILE, _TILE)
    leading = (1,) * (labels.ndim - 2)
    pages = (
        # Leading axes of one page are of length 1.
        np.ascontiguousarray(labels[part]).reshape(-1, part[-1].stop - part[-1].start)
        for part in parts(labels.shape, (*leading, *sides))
    )
    shape, dtype = labels.shape, labels.dtype
    tifffile.imwrite(path, pages, shape=shape, dtype=dtype, **options)


def _data(path: Path, number: int, series: tifffile.TiffPageSeries) -> Any:
    """Return an array in memory, a memory map, a lazy array or a pyramid."""
    if len(series.levels) > 1:
        return [_lazy(path, number, level) for level in range(len(series.levels))]
    large = series.nbytes > _LARGE_BYTES
    if large and series.dataoffset is not None:
        return tifffile.memmap(path, series=number, mode="r")
    if not large or len(series.pages) == len(series.keyframe.dataoffsets) == 1:
        # What was compressed as a whole would be so often unpacked as it is read.
        check_memory(series.nbytes)
        return series.asarray()
    return _lazy(path, number, 0)


def _lazy(path: Path, number: int, level: int) -> CheckedArray:
    """Return a level as an array whose file is open for as long as it lives."""
    # Here: importing zarr takes as long as most images do.
    import zarr

    from napari_segnext.files.checked_array import CheckedArray

    file = tifffile.TiffFile(path)
    store = file.series[number].aszarr(level=level)
    array = CheckedArray(zarr.open_array(store, mode="r"), path, _KIND)
    weakref.finalize(array, file.close)
    return array


def _name_axes(letters: str) -> list[str]:
    """Return axis letters; of axes that nothing is known of, the last becomes z."""
    names = list(letters.lower())
    if "z" not in names:
        unknown = [i for i, name in enumerate(names) if name in "qi"]
        if unknown:
            names[unknown[-1]] = "z"
    return names


def _spatial_steps(geometry: Geometry) -> Steps:
    steps = zip(geometry.scale, geometry.units, strict=True)
    return {
        axis: step
        for axis, step in zip(geometry.axis_labels, steps, strict=True)
        if axis in SPATIAL
    }


def _standard(labels: Sliceable, geometry: Geometry) -> tuple[Sliceable, str, Geometry]:
    """Return labels as TZYX or a part of it, those letters, and where they lie."""
    order = geometry.standard
    turned = geometry.transposed(order)
    letters = [name.upper() if name in SPATIAL else "T" for name in turned.axis_labels]
    return transposed(labels, order), "".join(letters), turned
