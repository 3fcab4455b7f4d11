"""ImageJ's ROIs in a ZIP file, as its ROI Manager saves them.

There is one for each object in each plane. Coordinates are x and y in pixels, from the
corner of the first pixel on, and run along the edges of pixels. An object of one piece
is a traced outline, as of ImageJ's wand; one of several, or with holes, is a composite.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.files.categories import Legend, Named
from napari_segnext.files.image import Geometry
from napari_segnext.files.outlined import Outlined, outlined
from napari_segnext.files.pieces import Sliceable
from napari_segnext.geometry.outlines import Ring

# Of the format: since then ROIs have groups.
_VERSION = 228
_GROUPS = 255
# Steps of a path.
_MOVE, _LINE, _CLOSE = 0, 1, 4
# What is no part of a name in a ZIP file.
_SLASH = re.compile(r"[/\\]")


def write_rois(
    path: Path, labels: Sliceable, geometry: Geometry, legend: Legend | None = None
) -> None:
    """Write labels as a ZIP file of ROIs.

    Parameters
    ----------
    legend
        Names and classes by value; the value of a class is the group of its ROIs.
    """
    from roifile import roiwrite

    roiwrite(path, _rois(labels, geometry, legend or {}), mode="w")


def _rois(labels: Sliceable, geometry: Geometry, legend: Legend) -> Iterator[Any]:
    used = set[str]()
    for each in outlined(labels, geometry):
        named = legend.get(each.value, Named(f"Object {each.value}"))
        place = "".join(f"_{axis}{at:04}" for axis, at in each.place.items())
        name = base = _SLASH.sub("_", named.name) + place
        # Names need not differ, and the ROI Manager goes by them.
        number = 1
        while name in used:
            number += 1
            name = f"{base}-{number}"
        used.add(name)
        group = named.category.value if named.category else 0
        yield _roi(each, name, group if group <= _GROUPS else 0)


def _roi(each: Outlined, name: str, group: int) -> Any:
    from roifile import ROI_TYPE, ImagejRoi

    rings = [ring[:, ::-1] for polygon in each.polygons for ring in polygon]
    corners = np.concatenate(rings)
    (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
    told: dict[str, Any] = {
        **{"name": name, "version": _VERSION, "group": group},
        **{"left": left, "top": top, "right": right, "bottom": bottom},
        **_position(each),
    }
    if len(rings) == 1:
        outline = (corners - (left, top)).astype(np.int32)
        told |= {"n_coordinates": len(outline), "integer_coordinates": outline}
        return ImagejRoi(roitype=ROI_TYPE.TRACED, **told)
    path = np.concatenate([_path(ring) for ring in rings])
    told |= {"shape_roi_size": len(path), "multi_coordinates": path}
    return ImagejRoi(roitype=ROI_TYPE.RECT, **told)


def _position(each: Outlined) -> dict[str, int]:
    """Return where a plane is in a stack, or in one that has time besides."""
    places = {"z_position": each.depth, "t_position": each.time}
    found = {axis: at + 1 for axis, at in places.items() if at is not None}
    return found if len(found) > 1 else {"position": sum(found.values())}


def _path(ring: Ring) -> NDArray[np.float32]:
    """Return a closed path: kind and end of each step."""
    steps = np.column_stack([np.full(len(ring), _LINE), ring])
    steps[0, 0] = _MOVE
    return np.append(steps.ravel(), _CLOSE).astype(np.float32)
