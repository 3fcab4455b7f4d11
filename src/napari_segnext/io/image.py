"""What a file holds: its pixels, and where they lie in the world."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_segnext.io.pieces import LabelPieces, Sliceable
from napari_segnext.io.units import UNKNOWN

SPATIAL = ("z", "y", "x")


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
        The grid of the file itself, if that is another one (NIfTI); see
        `napari_segnext.io.nifti.Grid`.
    """

    shape: tuple[int, ...]
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    units: tuple[str, ...]
    axis_labels: tuple[str, ...]
    source: Any = field(default=None, compare=False, repr=False)

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
            "axis_labels": axis_labels or ("t",) * (n - 3) + SPATIAL[max(3 - n, 0) :],
        }
        return cls(shape, **{**defaults, **values})


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
        """The axes of `data` that are segmented, as `Volume` wants them."""
        axes = range(len(self.geometry.shape))
        at = self.channel_axis
        return tuple(
            axis + (at is not None and axis >= at)
            for axis in axes
            if self.geometry.axis_labels[axis] in SPATIAL
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


@contextmanager
def explained(path: Path, kind: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn what a library raises on a damaged file into one sentence.

    Raises
    ------
    ValueError
        Naming the file and what it was taken for.
    """
    try:
        yield
    except errors as error:
        if isinstance(error, PermissionError) or not path.exists():
            raise
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"{path} is damaged, incomplete or not {kind} ({reason[0]})"
        ) from error
