"""How far apart the pixels of a TIFF file are, as OME, ImageJ or the tags say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import tifffile

from napari_segnext.files.axes import SPATIAL, positive
from napari_segnext.files.units import UNKNOWN, is_time, unit_name

_INCH, _CENTIMETRE = 2, 3
# (step, unit) per axis.
Steps: TypeAlias = dict[str, tuple[float, str]]


def steps_of(file: tifffile.TiffFile, number: int) -> Steps:
    """Return the steps that a file tells of its image of a number."""
    if file.is_ome:
        return _ome(file.ome_metadata or "", number)
    page = file.pages.first
    if file.is_imagej:
        return _imagej(page, file.imagej_metadata or {})
    # Inches are those of a printer, which nobody has set.
    return _tags(page, 1e4, "um") if page.resolutionunit == _CENTIMETRE else {}


def _tags(page: Any, factor: float, *units: str) -> Steps:
    """Return the steps of x and y from pixels per unit; units of x and, else, of y."""
    steps: Steps = {}
    for axis, unit in (("x", units[0]), ("y", units[-1])):
        count, per = page.tags.valueof(f"{axis.upper()}Resolution") or (0, 0)
        step = positive(factor * per / count) if count else None
        if step:
            steps[axis] = (round(step, 9) or step, unit)
    return steps


def _imagej(page: Any, told: Mapping[str, Any]) -> Steps:
    """Return what ImageJ wrote; steps keep their ratio where the unit is unknown."""
    unit = unit_name(str(told.get("unit", "")))
    x, y, z = (
        unit_name(str(told[key])) if key in told else unit
        for key in ("xunit", "yunit", "zunit")
    )
    steps: Steps = {}
    if "unit" in told or page.resolutionunit != _INCH:
        centimetres = "unit" not in told and page.resolutionunit == _CENTIMETRE
        steps |= _tags(page, 1.0, *(("cm",) if centimetres else (x, y)))
    spacing = positive(abs(float(told.get("spacing", 0))))
    if spacing:
        steps["z"] = (spacing, z)
    interval = positive(told.get("finterval"))
    if interval:
        steps["t"] = (interval, _time(told.get("tunit")))
    return steps


def _ome(xml: str, number: int) -> Steps:
    images = tifffile.xml2dict(xml).get("OME", {}).get("Image", {})
    images = images if isinstance(images, list) else [images]
    pixels = images[min(number, len(images) - 1)].get("Pixels", {})
    steps: Steps = {}
    for axis in SPATIAL:
        step = positive(pixels.get(f"PhysicalSize{axis.upper()}"))
        if step:
            unit = unit_name(pixels.get(f"PhysicalSize{axis.upper()}Unit", "µm"))
            steps[axis] = (step, unit)
    interval = positive(pixels.get("TimeIncrement"))
    if interval:
        steps["t"] = (interval, _time(pixels.get("TimeIncrementUnit")))
    return steps


def _time(unit: Any) -> str:
    name = unit_name(str(unit or "s"))
    return name if is_time(name) else UNKNOWN
