"""Zarr: OME-Zarr 0.4 and 0.5, and plain arrays; read lazily."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_segnext.categories import Legend
from napari_segnext.io.image import (
    SPATIAL,
    Geometry,
    ImageFile,
    explained,
)
from napari_segnext.io.pieces import Sliceable, parts
from napari_segnext.io.units import UNKNOWN, unit_name

_CHUNK = {"z": 16, "y": 256, "x": 256}
_TOGETHER = 16
_LONG_NAMES = {
    "m": "meter",
    "cm": "centimeter",
    "mm": "millimeter",
    "um": "micrometer",
    "nm": "nanometer",
    "angstrom": "angstrom",
    "s": "second",
    "ms": "millisecond",
}


def read_zarr(path: Path) -> ImageFile:
    """Read a zarr array, or the image of an OME-Zarr group with all its levels.

    Raises
    ------
    ValueError
        If the folder is damaged or not zarr, or has several arrays and no OME
        metadata to say which is the image.
    """
    with explained(path, "a zarr image", Exception):
        node = zarr.open(path, mode="r")
        if isinstance(node, zarr.Array):
            return _plain(path, node)
        ome = _ome(node)
        if "multiscales" not in ome and "0" in node:
            first = node["0"]
            if isinstance(first, zarr.Group):
                node, ome = first, _ome(first)
        if "multiscales" in ome:
            return _multiscale(path, node, ome)
        arrays = dict(node.arrays())
        if len(arrays) == 1:
            return _plain(path, *arrays.values())
        raise ValueError(f"its arrays are {sorted(arrays)}: open one of them")


def write_zarr(
    path: Path, labels: Sliceable, geometry: Geometry, legend: Legend | None = None
) -> None:
    """Write labels as OME-Zarr 0.5 with one level; empty chunks take no room.

    Parameters
    ----------
    legend
        Names and classes by value.
    """
    axes: list[Any] = [
        {"name": name, "type": "space" if name in SPATIAL else "time"}
        | ({"unit": _LONG_NAMES[unit]} if unit in _LONG_NAMES else {})
        for name, unit in zip(geometry.axis_labels, geometry.units, strict=True)
    ]
    transforms = [
        {"type": "scale", "scale": list(geometry.scale)},
        {"type": "translation", "translation": list(geometry.translate)},
    ]
    level: dict[str, Any] = {"path": "0", "coordinateTransformations": transforms}
    chunks = tuple(
        min(n, _CHUNK.get(name, 1))
        for name, n in zip(geometry.axis_labels, labels.shape, strict=True)
    )
    group = zarr.open_group(path, mode="w", zarr_format=3)
    array = group.create_array(
        "0", shape=labels.shape, chunks=chunks, dtype=labels.dtype
    )
    # Pieces of whole chunks, some of them together.
    *sides, last = chunks
    for part in parts(labels.shape, (*sides, last * _TOGETHER)):
        piece = labels[part]
        if piece.any():
            array[part] = piece
    group.attrs["ome"] = {
        "version": "0.5",
        "image-label": _properties(legend or {}),
        "multiscales": [{"name": path.stem, "axes": axes, "datasets": [level]}],
    }


def _properties(legend: Legend) -> dict[str, Any]:
    properties = [
        {"label-value": value, "name": named.name}
        | ({"class": named.category.name} if named.category else {})
        for value, named in sorted(legend.items())
    ]
    return {"properties": properties} if properties else {}


def _ome(group: zarr.Group) -> Mapping[str, Any]:
    attributes: Mapping[str, Any] = group.attrs.asdict()
    ome: Mapping[str, Any] = attributes.get("ome", attributes)
    return ome


def _plain(path: Path, array: zarr.Array[Any]) -> ImageFile:
    if array.ndim < 2 or array.dtype.kind not in "buif":
        raise ValueError(f"it holds {array.dtype} values of shape {array.shape}")
    return ImageFile(path, array, Geometry.plain(array.shape))


def _multiscale(path: Path, group: zarr.Group, ome: Mapping[str, Any]) -> ImageFile:
    image = ome["multiscales"][0]
    levels = [group[str(dataset["path"])] for dataset in image["datasets"]]
    first = levels[0]
    assert isinstance(first, zarr.Array)
    # Versions before 0.3 have no axes, or bare names.
    names = image.get("axes") or list("tczyx")[-first.ndim :]
    axes = [a if isinstance(a, dict) else {"name": a} for a in names]
    channel = next(
        (i for i, a in enumerate(axes) if a.get("type", a["name"]) in ("channel", "c")),
        None,
    )
    scale, offset = _transform(image, first.ndim)
    kept = [i for i in range(first.ndim) if i != channel]
    geometry = Geometry.plain(
        tuple(first.shape[i] for i in kept),
        tuple(str(axes[i]["name"]) for i in kept),
        scale=tuple(scale[i] for i in kept),
        translate=tuple(offset[i] for i in kept),
        units=tuple(unit_name(axes[i].get("unit", UNKNOWN)) for i in kept),
    )
    known = ome.get("omero", {}).get("channels", [])
    names_of_channels = tuple(str(c.get("label", n)) for n, c in enumerate(known))
    data = levels if len(levels) > 1 else first
    return ImageFile(
        path,
        data,
        geometry,
        channel,
        channel_names=names_of_channels,
        labels="image-label" in ome,
    )


def _transform(
    image: Mapping[str, Any], ndim: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return scale and offset of the first level; common transforms come last."""
    scale, offset = np.ones(ndim), np.zeros(ndim)
    common = image.get("coordinateTransformations", [])
    for step in [*image["datasets"][0].get("coordinateTransformations", []), *common]:
        if step["type"] == "scale":
            scale, offset = scale * step["scale"], offset * step["scale"]
        elif step["type"] == "translation":
            offset = offset + step["translation"]
    return scale, offset
