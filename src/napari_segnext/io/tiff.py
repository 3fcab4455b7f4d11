"""TIFF: OME, ImageJ and plain, with pixel sizes in both directions."""

from __future__ import annotations

import logging
import math
import weakref
import zlib
from collections.abc import Mapping
from pathlib import Path
from struct import error as StructError
from typing import Any

import numpy as np
import tifffile
import zarr

from napari_segnext.io.image import (
    SPATIAL,
    Geometry,
    ImageFile,
    explained,
)
from napari_segnext.io.pieces import PIECE, Sliceable, parts
from napari_segnext.io.units import UNKNOWN, unit_name

_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    StructError,
    zlib.error,
)
# A series larger than this is read piece by piece.
_LARGE_BYTES = 256_000_000
_CENTIMETRE = 3
# ImageJ reads no more than this, and no tiles.
_IMAGEJ_BYTES = 2**32 - 2**20
_TILE = 512
# (step, unit) per axis letter.
_Steps = dict[str, tuple[float, str]]


def read_tiff(path: Path) -> ImageFile:
    """Read the first image of a TIFF file; a large one, or a pyramid, lazily.

    Raises
    ------
    ValueError
        If the file is damaged or not TIFF.
    """
    with explained(path, "a TIFF image", *_DAMAGE), tifffile.TiffFile(path) as file:
        series = _series(file)
        axes, shape = _name_axes(series.axes), series.shape
        steps = _steps(file)
        data = _data(path, series)
    rgb = axes[-1] == "s" and shape[-1] in (3, 4)
    channel = next((i for i, a in enumerate(axes) if a in "cs"), None)
    if np.dtype(series.dtype).kind not in "buif":
        raise ValueError(f"{path} does not hold real numbers but {series.dtype}")
    kept = [i for i in range(len(axes)) if i != channel]
    labels = tuple(axes[i] for i in kept)
    found = [steps.get(label, (1.0, UNKNOWN)) for label in labels]
    geometry = Geometry.plain(
        tuple(int(shape[i]) for i in kept),
        labels,
        scale=tuple(step for step, _ in found),
        units=tuple(unit for _, unit in found),
    )
    return ImageFile(path, data, geometry, None if rgb else channel, rgb)


def write_tiff(path: Path, labels: Sliceable, geometry: Geometry) -> None:
    """Write labels as ImageJ TIFF, or as OME-TIFF where ImageJ has no such type."""
    size = math.prod(labels.shape) * labels.dtype.itemsize
    if labels.dtype not in (np.uint8, np.uint16) or size > _IMAGEJ_BYTES:
        write_ome_tiff(path, labels, geometry)
        return
    steps = _spatial_steps(geometry)
    axes = _letters(geometry)
    metadata: dict[str, Any] = {"axes": axes, "unit": steps["x"][1]}
    if "Z" in axes:
        metadata["spacing"] = steps["z"][0]
    if "T" in axes:
        metadata["finterval"] = geometry.scale[axes.index("T")]
    resolution = (1 / steps["x"][0], 1 / steps["y"][0])
    _write(path, labels, imagej=True, resolution=resolution, metadata=metadata)


def write_ome_tiff(path: Path, labels: Sliceable, geometry: Geometry) -> None:
    """Write labels as compressed OME-TIFF."""
    metadata: dict[str, Any] = {"axes": _letters(geometry)}
    for axis, (step, unit) in _spatial_steps(geometry).items():
        metadata[f"PhysicalSize{axis.upper()}"] = step
        metadata[f"PhysicalSize{axis.upper()}Unit"] = "µm" if unit == "um" else unit
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


class _LostPages(logging.Filter):
    """Notes that pages lie beyond the end of a file, of which tifffile only logs."""

    found = False

    def filter(self, record: logging.LogRecord) -> bool:
        lost = "invalid page offset" in record.getMessage()
        self.found |= lost
        return not lost


def _series(file: tifffile.TiffFile) -> tifffile.TiffPageSeries:
    """Return the first image of a file, or raise a ValueError if pages are lost."""
    logger, lost = logging.getLogger("tifffile"), _LostPages()
    logger.addFilter(lost)
    try:
        series = file.series[0]
    finally:
        logger.removeFilter(lost)
    if lost.found:
        raise ValueError("pages are missing at its end")
    return series


def _data(path: Path, series: tifffile.TiffPageSeries) -> Any:
    """Return an array in memory, a memory map, a lazy array or a pyramid."""
    if len(series.levels) > 1:
        return [_lazy(path, level) for level in range(len(series.levels))]
    if series.nbytes <= _LARGE_BYTES:
        return series.asarray()
    if series.dataoffset is not None:
        return tifffile.memmap(path, mode="r")
    return _lazy(path, 0)


def _lazy(path: Path, level: int) -> zarr.Array[Any]:
    """Return a level as an array whose file is open for as long as it lives."""
    file = tifffile.TiffFile(path)
    array = zarr.open_array(file.series[0].aszarr(level=level), mode="r")
    weakref.finalize(array, file.close)
    return array


def _name_axes(letters: str) -> list[str]:
    """Return axis names; of axes that nothing is known of, the last becomes z."""
    names = list(letters.lower())
    if "z" not in names:
        unknown = [i for i, name in enumerate(names) if name in "qi"]
        if unknown:
            names[unknown[-1]] = "z"
    return names


def _steps(file: tifffile.TiffFile) -> _Steps:
    if file.is_ome:
        return _ome_steps(file.ome_metadata or "")
    page = file.pages.first
    steps: _Steps = {}
    imagej: Mapping[str, Any] = file.imagej_metadata or {}
    unit = unit_name(str(imagej.get("unit", "")))
    per_unit = 1.0
    if not file.is_imagej and page.resolutionunit == _CENTIMETRE:
        unit, per_unit = "um", 1e4
    if unit == UNKNOWN:
        return steps
    for axis, tag in (("x", "XResolution"), ("y", "YResolution")):
        value = page.tags.valueof(tag)
        if value and value[0] and value[1]:
            steps[axis] = (round(per_unit * value[1] / value[0], 9), unit)
    if "spacing" in imagej:
        steps["z"] = (abs(float(imagej["spacing"])), unit)
    if imagej.get("finterval"):
        steps["t"] = (float(imagej["finterval"]), "s")
    return steps


def _ome_steps(xml: str) -> _Steps:
    image = tifffile.xml2dict(xml).get("OME", {}).get("Image", {})
    image = image[0] if isinstance(image, list) else image
    pixels = image.get("Pixels", {})
    steps: _Steps = {}
    for axis in SPATIAL:
        size = pixels.get(f"PhysicalSize{axis.upper()}")
        if size:
            unit = unit_name(pixels.get(f"PhysicalSize{axis.upper()}Unit", "µm"))
            steps[axis] = (float(size), unit)
    if pixels.get("TimeIncrement"):
        unit = unit_name(pixels.get("TimeIncrementUnit", "s"))
        steps["t"] = (float(pixels["TimeIncrement"]), unit)
    return steps


def _spatial_steps(geometry: Geometry) -> _Steps:
    steps = zip(geometry.scale, geometry.units, strict=True)
    return {
        axis: step
        for axis, step in zip(geometry.axis_labels, steps, strict=True)
        if axis in SPATIAL
    }


def _letters(geometry: Geometry) -> str:
    return "".join(geometry.axis_labels).upper()
