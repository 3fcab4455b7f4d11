"""Zarr: OME-Zarr 0.4 and 0.5, and plain arrays; read lazily."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_segnext.files.atomic import ZARR_FILES
from napari_segnext.files.axes import SPATIAL, TIME, names_of, positive
from napari_segnext.files.categories import Category, Legend, Named
from napari_segnext.files.checked_array import CheckedArray
from napari_segnext.files.checks import FileError, check_special, explained
from napari_segnext.files.image import Geometry, ImageFile, Order, space_last
from napari_segnext.files.pieces import Sliceable, parts, transposed
from napari_segnext.files.units import unit_name

_KIND = "a zarr image"
_CHANNEL = ("c", "channel")
_CHUNK = {"z": 16, "y": 256, "x": 256}
_TOGETHER = 16
_TYPES = {**dict.fromkeys(SPATIAL, "space"), TIME: "time"}
_LONG_NAMES = {
    "m": "meter",
    "cm": "centimeter",
    "mm": "millimeter",
    "um": "micrometer",
    "nm": "nanometer",
    "angstrom": "angstrom",
    "s": "second",
    "ms": "millisecond",
    "us": "microsecond",
    "inch": "inch",
}


def read_zarr(path: Path) -> ImageFile:
    """Read a zarr array, or the image of an OME-Zarr group with all its levels.

    Raises
    ------
    ValueError
        If the folder is damaged or not zarr, or has several arrays and no OME
        metadata to say which is the image.
    """
    for name in ZARR_FILES:
        if (path / name).exists():
            check_special(path / name)
    with explained(path, _KIND):
        node = zarr.open(path, mode="r")
        if isinstance(node, zarr.Array):
            return _plain(path, node)
        ome = ome_of(node)
        if "multiscales" not in ome and "0" in node:
            first = node["0"]
            if isinstance(first, zarr.Group):
                node, ome = first, ome_of(first)
        if "multiscales" in ome:
            return _multiscale(path, node, ome)
        arrays = dict(node.arrays())
        if len(arrays) == 1:
            return _plain(path, *arrays.values())
        raise FileError(
            f"{path} holds the arrays {sorted(arrays)}, and does not say which is the "
            "image: open one of them"
        )


def write_zarr(
    path: Path, labels: Sliceable, geometry: Geometry, legend: Legend | None = None
) -> None:
    """Write labels as OME-Zarr 0.5 with one level; empty chunks take no room.

    Parameters
    ----------
    legend
        Names and classes by value.
    """
    labels, geometry = in_file_order(labels, geometry)
    transforms = [
        {"type": "scale", "scale": list(geometry.scale)},
        {"type": "translation", "translation": list(geometry.translate)},
    ]
    level: dict[str, Any] = {"path": "0", "coordinateTransformations": transforms}
    group = zarr.open_group(path, mode="w", zarr_format=3)
    write_level(group, "0", labels, geometry.axis_labels)
    group.attrs["ome"] = {
        "version": "0.5",
        "image-label": label_properties(legend or {}),
        "multiscales": [
            {"name": path.stem, "axes": ome_axes(geometry), "datasets": [level]}
        ],
    }


def in_file_order(labels: Sliceable, geometry: Geometry) -> tuple[Sliceable, Geometry]:
    """Return labels and where they lie, with the axes in the order of the file."""
    if not isinstance(geometry.source, Order):
        return labels, geometry
    order = geometry.source.axes
    return transposed(labels, order), geometry.transposed(order)


def write_level(
    group: zarr.Group, name: str, labels: Sliceable, axes: Sequence[str]
) -> zarr.Array[Any]:
    """Write labels as an array of a group, by chunks; empty ones take no room.

    Parameters
    ----------
    axes
        What they are called.
    """
    chunks = tuple(
        min(n, _CHUNK.get(axis, 1)) for axis, n in zip(axes, labels.shape, strict=True)
    )
    old = group.metadata.zarr_format == 2
    array = group.create_array(
        name,
        shape=labels.shape,
        chunks=chunks,
        dtype=labels.dtype,
        fill_value=0,
        # What OME-Zarr wants of either format.
        dimension_names=None if old else list(axes),
        chunk_key_encoding={"name": "v2", "separator": "/"} if old else None,
    )
    # Pieces of whole chunks, some of them together.
    *sides, last = chunks
    for part in parts(labels.shape, (*sides, last * _TOGETHER)):
        piece = labels[part]
        if piece.any():
            array[part] = piece
    return array


def ome_axes(geometry: Geometry) -> list[Any]:
    """Return axes as OME-Zarr describes them: name, type, and unit where known."""
    return [
        {"name": name}
        | ({"type": _TYPES[name]} if name in _TYPES else {})
        | ({"unit": _LONG_NAMES[unit]} if unit in _LONG_NAMES else {})
        for name, unit in zip(geometry.axis_labels, geometry.units, strict=True)
    ]


def label_properties(legend: Legend) -> dict[str, Any]:
    """Return names and classes as OME-Zarr says them of labels."""
    properties = [
        {"label-value": value, "name": named.name}
        | (
            {"class": named.category.name, "class-value": named.category.value}
            if named.category
            else {}
        )
        for value, named in sorted(legend.items())
    ]
    return {"properties": properties} if properties else {}


def read_legend(path: Path) -> dict[int, Named]:
    """Return what the labels of an OME-Zarr are called, if it says so.

    Raises
    ------
    ValueError
        If what it says cannot be read.
    """
    with explained(path, "labels in OME-Zarr"):
        node = zarr.open(path, mode="r")
        told = ome_of(node).get("image-label") if isinstance(node, zarr.Group) else None
        names: dict[int, Named] = {}
        values: dict[str, int] = {}
        for each in (told or {}).get("properties") or []:
            number = int(each["label-value"])
            category, known = None, each.get("class")
            if known:
                # Other programs name classes, and give them no value.
                value = each.get("class-value", len(values) + 1)
                category = Category(values.setdefault(known, value), str(known))
            names[number] = Named(str(each.get("name") or f"Object {number}"), category)
    return names


def labels_of(path: Path) -> Path:
    """Return where the labels of an OME-Zarr are, which may lie beside its image.

    Raises
    ------
    ValueError
        If there are several beside it.
    """
    with explained(path, _KIND):
        # A catalogue that an image may have need not know of labels in it.
        node = zarr.open(path, mode="r", use_consolidated=False)
        if not isinstance(node, zarr.Group) or "image-label" in ome_of(node):
            return path
        place, names = path, ome_of(node).get("labels")
        if names is None and isinstance(beside := node.get("labels"), zarr.Group):
            place, names = path / "labels", ome_of(beside).get("labels")
        if not names:
            return path
        if len(names) > 1:
            raise FileError(
                f"{place} holds the labels {', '.join(map(str, names))}: open one of "
                "them"
            )
        return place / str(names[0])


def ome_of(group: zarr.Group) -> Mapping[str, Any]:
    """Return what a group says as OME-Zarr does, in either format of zarr."""
    attributes: Mapping[str, Any] = group.attrs.asdict()
    ome: Mapping[str, Any] = attributes.get("ome", attributes)
    return ome


def _plain(path: Path, array: zarr.Array[Any]) -> ImageFile:
    """Return an array by itself, whose axes have names or none."""
    if array.ndim < 2 or array.dtype.kind not in "buif":
        raise FileError(
            f"{path} is not an image: {array.dtype} values of shape {array.shape}"
        )
    names: Any = getattr(array.metadata, "dimension_names", None)
    names = names or array.attrs.asdict().get("_ARRAY_DIMENSIONS")
    names = names if names and len(names) == array.ndim else [None] * array.ndim
    return _image(path, [array], [{"name": name or ""} for name in names])


def _multiscale(path: Path, group: zarr.Group, ome: Mapping[str, Any]) -> ImageFile:
    image = ome["multiscales"][0]
    nodes = [group[str(dataset["path"])] for dataset in image["datasets"]]
    levels = [node for node in nodes if isinstance(node, zarr.Array)]
    if len(levels) < len(nodes):
        raise ValueError("a level is not an array")
    ndim = levels[0].ndim
    # Versions before 0.3 have no axes, or bare names.
    names = image.get("axes") or list("tczyx")[-ndim:]
    axes = [a if isinstance(a, dict) else {"name": a} for a in names]
    known = ome.get("omero", {}).get("channels", [])
    names_of_channels = tuple(str(c.get("label", n)) for n, c in enumerate(known))
    with np.errstate(invalid="ignore", over="ignore"):
        scale, offset = transform_of(image, 0, ndim)
    return replace(
        _image(path, levels, axes, scale, offset),
        channel_names=names_of_channels,
        labels="image-label" in ome,
    )


def _image(
    path: Path,
    levels: Sequence[Any],
    axes: Sequence[Mapping[str, Any]],
    scale: Any = None,
    offset: Any = None,
) -> ImageFile:
    """Return the levels of an image; an axis has a name, perhaps type and unit."""
    checked = [CheckedArray(level, path, _KIND) for level in levels]
    first = checked[0]
    if len(axes) != first.ndim or len({level.ndim for level in checked}) > 1:
        raise ValueError(f"it names {len(axes)} axes of an array of {first.ndim}")
    kinds = [_kind(axis) for axis in axes]
    channel = channel_of(axes)
    kept = [at for at in range(first.ndim) if at != channel]
    steps = np.ones(first.ndim) if scale is None else scale
    starts = np.zeros(first.ndim) if offset is None else offset
    geometry = Geometry.plain(
        tuple(first.shape[at] for at in kept),
        names_of([kinds[at] for at in kept]),
        scale=tuple(positive(steps[at]) or 1.0 for at in kept),
        translate=tuple(float(np.nan_to_num(starts[at])) for at in kept),
        units=tuple(unit_name(axes[at].get("unit")) for at in kept),
    )
    data = checked if len(checked) > 1 else first
    return space_last(ImageFile(path, data, geometry, channel))


def channel_of(axes: Sequence[Mapping[str, Any]]) -> int | None:
    """Return which axis is that of channels, given name and perhaps type of each."""
    for at, (name, kind) in enumerate(map(_kind, axes)):
        if kind == "channel" or (kind is None and name in _CHANNEL):
            return at
    return None


def _kind(axis: Mapping[str, Any]) -> tuple[str, str | None]:
    return str(axis["name"]).lower(), str(axis.get("type") or "").lower() or None


def transform_of(
    image: Mapping[str, Any], level: int, ndim: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return scale and offset of a level; common transforms come last."""
    scale, offset = np.ones(ndim), np.zeros(ndim)
    own = image["datasets"][level].get("coordinateTransformations", [])
    for step in [*own, *image.get("coordinateTransformations", [])]:
        if step["type"] == "scale":
            scale, offset = scale * step["scale"], offset * step["scale"]
        elif step["type"] == "translation":
            offset = offset + step["translation"]
    return scale, offset
