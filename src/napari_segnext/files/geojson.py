"""GeoJSON (RFC 7946) as QuPath reads it: an annotation for each object in each plane.

Coordinates are x and y in pixels of the full image, from the corner of the first pixel
on, and run along the edges of pixels. To the format QuPath adds what an object is, its
class, and the plane of its geometry.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from napari_segnext.files.categories import Legend, Named
from napari_segnext.files.image import Geometry
from napari_segnext.files.outlined import Outlined, outlined
from napari_segnext.files.pieces import Sliceable

Entry = dict[str, Any]
# Of all channels.
_EVERY = -1
_SPACE = uuid.UUID("6f0e7b6c-0a6f-4d0b-9a0e-3b9f2f1f5f0c")


def write_geojson(
    path: Path, labels: Sliceable, geometry: Geometry, legend: Legend | None = None
) -> None:
    """Write labels as a collection of annotations.

    Parameters
    ----------
    legend
        Names and classes by value.
    """
    known = legend or {}
    with path.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        between = "\n"
        for each in outlined(labels, geometry):
            named = known.get(each.value, Named(f"Object {each.value}"))
            file.write(between + json.dumps(_feature(each, named)))
            between = ",\n"
        file.write("\n]}\n")


def _feature(each: Outlined, named: Named) -> Entry:
    properties: Entry = {
        "objectType": "annotation",
        "name": named.name,
        "metadata": {"value": str(each.value)},
    }
    if named.category is not None:
        properties["classification"] = {"name": named.category.name}
    # The same in every file of the same labels, and another in every plane.
    name = f"{each.value} {each.place}"
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(_SPACE, name)),
        "geometry": _geometry(each),
        "properties": properties,
    }


def _geometry(each: Outlined) -> Entry:
    polygons = [
        [[*ring[:, ::-1].tolist(), ring[0, ::-1].tolist()] for ring in polygon]
        for polygon in each.polygons
    ]
    several = len(polygons) > 1
    return {
        "type": "MultiPolygon" if several else "Polygon",
        "coordinates": polygons if several else polygons[0],
        "plane": {"c": _EVERY, "z": each.depth or 0, "t": each.time or 0},
    }
