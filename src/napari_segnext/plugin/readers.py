"""Opening images and saving labels from napari's File menu."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.files import (
    Geometry,
    ImageFile,
    LabelPieces,
    is_readable,
    read_image,
    write_labels,
)
from napari_segnext.files.axes import names_of
from napari_segnext.files.units import unit_name

if TYPE_CHECKING:
    import zarr

LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """Return the reader for a file or folder, or None if it is not for us."""
    if isinstance(path, list) or not is_readable(path):
        return None
    return read_layers


def read_layers(path: str) -> list[LayerData]:
    """Read a file as layers: one per channel, of which the first is shown.

    Raises
    ------
    ValueError, OSError
        See `napari_segnext.files.read_image`.
    """
    image = read_image(path)
    name = image.path.name.split(".")[0]
    options: dict[str, Any] = {
        "scale": image.scale,
        "translate": image.translate,
        "units": image.units,
        "axis_labels": image.axis_labels,
        "metadata": {"geometry": image.geometry, **image.header},
    }
    options |= {"multiscale": image.multiscale}
    kind = "labels" if image.labels else "image"
    if image.channel_axis is None:
        options |= {} if image.labels else {"rgb": image.rgb}
        return [(image.data, {"name": name, **options}, kind)]
    known = options.pop("metadata")
    return [
        (
            data,
            {
                "name": f"{name} {channel}",
                "visible": not n,
                "metadata": {**known, "channel": n},
                **options,
            },
            kind,
        )
        for n, (channel, data) in enumerate(_channels(image))
    ]


def write_labels_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save a Labels layer so that it lies on the image it was made for.

    Parameters
    ----------
    data
        An array, or the levels of a pyramid.
    meta
        The layer's state. Its scale, offset and units say where the labels lie, and
        ``metadata["geometry"]``, if it fits the data, how they lie in the file that
        the image came from; labels of a NIfTI always go back onto its grid.

    Raises
    ------
    ValueError, OSError
        See `napari_segnext.files.write_labels`.
    """
    full = data[0] if isinstance(data, Sequence) else data
    lazy = not isinstance(full, np.ndarray) and np.dtype(full.dtype).kind in "ui"
    labels = _LayerPieces(full) if lazy else np.asarray(full)
    write_labels(path, labels, label_geometry(tuple(labels.shape), meta))
    return [path]


class _LayerPieces(LabelPieces):
    """What a layer shows, read as it is written."""

    def __init__(self, data: Any) -> None:
        self._data = data
        self.shape, self.dtype = tuple(data.shape), np.dtype(data.dtype)

    def __getitem__(self, part: tuple[slice, ...]) -> NDArray[np.integer[Any]]:
        return np.asarray(self._data[part])


def label_geometry(shape: tuple[int, ...], meta: dict[str, Any]) -> Geometry:
    """Return where labels of a shape lie, from the state of their or the image layer.

    Parameters
    ----------
    meta
        As for `write_labels_layer`.
    """
    known: dict[str, Any] = {
        key: tuple(map(float, meta[key]))
        for key in ("scale", "translate")
        if key in meta
    }
    units = tuple(unit_name(str(unit)) for unit in meta.get("units") or ())
    if len(units) == len(shape):
        known["units"] = units
    geometry = meta.get("metadata", {}).get("geometry")
    if isinstance(geometry, Geometry) and geometry.shape == shape:
        return geometry if geometry.on_grid else replace(geometry, **known)
    names = [str(name) for name in meta.get("axis_labels") or ()]
    # napari numbers axes that have no names: -3, -2, -1.
    if len(names) == len(shape) and not any(name.startswith("-") for name in names):
        known["axis_labels"] = names_of([(name, None) for name in names])
    return Geometry.plain(shape, **known)


def _channels(image: ImageFile) -> list[tuple[str, Any]]:
    """Return names and data of the channels; what is lazy stays so."""
    assert image.channel_axis is not None
    before = (slice(None),) * image.channel_axis
    levels = [sliceable(a) for a in (image.data if image.multiscale else [image.data])]
    count = levels[0].shape[image.channel_axis]
    names = image.channel_names
    if len(names) != count:
        names = tuple(str(n + 1) for n in range(count))
    cut = [[level[(*before, n)] for level in levels] for n in range(count)]
    data = cut if image.multiscale else [levels[0] for levels in cut]
    return list(zip(names, data, strict=True))


def sliceable(array: zarr.Array[Any] | Any) -> Any:
    """Wrap what reads at once when it is sliced."""
    if isinstance(array, np.ndarray):
        return array
    import dask.array as da

    return da.asarray(array)  # type: ignore[no-untyped-call]
