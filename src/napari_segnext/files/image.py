"""What a file holds: its pixels, and where they lie in the world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_segnext.files.axes import SPATIAL, names_of
from napari_segnext.files.pieces import LabelPieces, Sliceable
from napari_segnext.files.units import UNKNOWN


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where an array without channels lies, and what labels on it need.

    Attributes
    ----------
    shape
        Length of every axis.
    scale, translate
        Step between voxels and position of the first one, per axis, in `units`.
    units
        Per axis: ``"mm"``, ``"um"``, ``"s"``, ...; ``"pixel"`` when unknown.
    axis_labels
        Per axis, ``"t"``, ``"z"``, ``"y"``, ``"x"``.
    source
        The grid of the file itself, if that is another one: `Order`, or for NIfTI
        `napari_segnext.files.nifti.Grid`.
    direction
        (3, 3), the spatial axes as unit vectors of the world, where the file says.
    """

    shape: tuple[int, ...]
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    units: tuple[str, ...]
    axis_labels: tuple[str, ...]
    source: Any = field(default=None, compare=False, repr=False)
    direction: Any = field(default=None, compare=False, repr=False)

    @classmethod
    def plain(
        cls,
        shape: tuple[int, ...],
        axis_labels: tuple[str, ...] | None = None,
        **values: Any,
    ) -> Geometry:
        """Return a geometry of unit steps, but for the values given."""
        n = len(shape)
        defaults: dict[str, Any] = {
            "scale": (1.0,) * n,
            "translate": (0.0,) * n,
            "units": (UNKNOWN,) * n,
            "axis_labels": axis_labels or names_of([("", None)] * n),
        }
        return cls(shape, **{**defaults, **values})

    @property
    def on_grid(self) -> bool:
        """Whether labels go onto a grid of the file's own, wherever they are shown."""
        return self.source is not None and not isinstance(self.source, Order)

    def transposed(self, axes: Sequence[int]) -> Geometry:
        """Return the geometry of a transposed array; `axes` as for numpy."""
        return Geometry(
            tuple(self.shape[at] for at in axes),
            tuple(self.scale[at] for at in axes),
            tuple(self.translate[at] for at in axes),
            tuple(self.units[at] for at in axes),
            tuple(self.axis_labels[at] for at in axes),
        )

    def expanded(self, at: int, name: str) -> Geometry:
        """Return the geometry of an array with one more axis, of length 1."""

        def insert(values: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
            return (*values[:at], value, *values[at:])

        return Geometry(
            insert(self.shape, 1),
            insert(self.scale, 1.0),
            insert(self.translate, 0.0),
            insert(self.units, UNKNOWN),
            insert(self.axis_labels, name),
        )

    @property
    def others(self) -> list[int]:
        """The axes that are not space."""
        names = self.axis_labels
        return [at for at, name in enumerate(names) if name not in SPATIAL]

    @property
    def standard(self) -> list[int]:
        """The axes in the order in which NIfTI and TIFF have them: z, y, x last."""
        space = [at for at in range(len(self.shape)) if at not in self.others]
        names = self.axis_labels
        return [*self.others, *sorted(space, key=lambda at: SPATIAL.index(names[at]))]


@dataclass(frozen=True, slots=True)
class Order:
    """The order in which a file has the axes that are displayed.

    Attributes
    ----------
    axes
        For each axis of the file, which one it is when displayed.
    """

    axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image as it was read.

    Attributes
    ----------
    path
        Where from.
    data
        An array, in memory or lazy, or the levels of a pyramid as a list.
    geometry
        Of the axes that are not channels.
    channel_axis
        Axis of `data` that holds channels, or None. Colours (`rgb`) are not meant.
    rgb
        Whether the last axis of `data` is red, green, blue (and alpha).
    channel_names
        Names of the channels, where the file has them.
    labels
        Whether the file says that it holds labels.
    header
        The file's own metadata; for NIfTI ``affine`` and ``header``.
    """

    path: Path
    data: Any
    geometry: Geometry
    channel_axis: int | None = None
    rgb: bool = False
    channel_names: tuple[str, ...] = ()
    labels: bool = False
    header: dict[str, Any] = field(default_factory=dict)

    @property
    def multiscale(self) -> bool:
        """Whether `data` is the levels of a pyramid."""
        return isinstance(self.data, list)

    @property
    def channel(self) -> int | None:
        """The axis of channels or of colours, as `Volume` wants it."""
        if not self.rgb:
            return self.channel_axis
        return len(self.geometry.shape)

    @property
    def spatial(self) -> tuple[int, ...]:
        """The axes of `data` that are segmented, as `Volume` wants them.

        They are the last three (or both), as in napari: the frames of a 2-D series
        are followed as the slices of a stack are.
        """
        at, ndim = self.channel_axis, len(self.geometry.shape)
        return tuple(
            axis + (at is not None and axis >= at) for axis in range(ndim)[-3:]
        )

    @property
    def scale(self) -> tuple[float, ...]:
        """Step between voxels, per axis that is not channels."""
        return self.geometry.scale

    @property
    def translate(self) -> tuple[float, ...]:
        """Position of the first voxel, per axis that is not channels."""
        return self.geometry.translate

    @property
    def units(self) -> tuple[str, ...]:
        """Units of `scale` and `translate`."""
        return self.geometry.units

    @property
    def axis_labels(self) -> tuple[str, ...]:
        """Names of the axes that are not channels."""
        return self.geometry.axis_labels


def space_last(image: ImageFile) -> ImageFile:
    """Return an image whose spatial axes come last, as napari wants them; lazily."""
    geometry, at = image.geometry, image.channel_axis
    order = [*geometry.others]
    order += [axis for axis in range(len(geometry.shape)) if axis not in order]
    if order == sorted(order):
        return image
    axes = [axis + (at is not None and axis >= at) for axis in order]
    axes = [*([] if at is None else [at]), *axes, *([len(axes)] if image.rgb else [])]
    levels = image.data if image.multiscale else [image.data]
    turned = [_transposed(level, axes) for level in levels]
    back = Order(tuple(order.index(axis) for axis in range(len(order))))
    return replace(
        image,
        data=turned if image.multiscale else turned[0],
        geometry=replace(geometry.transposed(order), source=back),
        channel_axis=None if at is None else 0,
    )


def _transposed(array: Any, axes: Sequence[int]) -> Any:
    if isinstance(array, np.ndarray):
        return array.transpose(axes)
    import dask.array as da

    lazy: Any = da.from_array(array, chunks=array.chunks)  # type: ignore[no-untyped-call]
    return lazy.transpose(axes)


def integer_labels(labels: Any) -> Sliceable:
    """Return labels in the smallest integer type that holds them, pieces as they are.

    Raises
    ------
    ValueError
        If they are not whole numbers.
    """
    if isinstance(labels, LabelPieces):
        return labels
    array = np.asarray(labels)
    if array.dtype.kind == "f" and not np.array_equal(array, np.rint(array)):
        raise ValueError("labels are whole numbers; these have fractions or NaN")
    if array.dtype.kind not in "buif":
        raise ValueError(f"labels are whole numbers, not {array.dtype}")
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    return array.astype(smallest_type(high, low), copy=False)


def smallest_type(high: int, low: int = 0) -> np.dtype[np.integer[Any]]:
    """Return the smallest integer type for labels from `low` to `high`.

    Raises
    ------
    ValueError
        If there is none.
    """
    for name in ("uint8", "uint16", "int16", "int32", "uint32", "int64"):
        if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
            return np.dtype(name)
    raise ValueError(f"labels up to {high} do not fit into 64 bits")


def check_shape(path: Path, labels: Sliceable, geometry: Geometry) -> None:
    """Check that labels fit the image that they belong to.

    Raises
    ------
    ValueError
        Naming both shapes.
    """
    if labels.shape != geometry.shape:
        raise ValueError(
            f"{path}: labels of shape {labels.shape} do not fit the image of shape "
            f"{geometry.shape}; nothing was written"
        )
