"""NIfTI: brought to the nearest of LPS for display, labels back on the source grid.

Only flips and transposes are applied, so that no voxel is ever resampled. The array
is (z, y, x) with z to the head, y to the back and x to the patient's left: an axial
slice has anterior up and the patient's right on the left. An oblique image keeps its
own axes, the nearest of those; its rotation is in the affine alone.
"""

# nibabel annotates only some of its functions.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.openers import ImageOpener
from nibabel.orientations import (
    apply_orientation,
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)
from numpy.typing import NDArray

from napari_segnext.files.axes import SPATIAL, positive
from napari_segnext.files.checks import (
    DEFLATED,
    FileError,
    check_length,
    check_memory,
    explained,
)
from napari_segnext.files.image import Geometry, ImageFile
from napari_segnext.files.pieces import Sliceable, expanded, row_parts, transposed
from napari_segnext.files.units import UNKNOWN, millimetres, unit_name

_LPS = axcodes2ornt(("L", "P", "S"))
# nibabel's world is right, anterior, superior.
_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# A fourth axis no longer than this, without a time step, holds modalities.
_MOST_MODALITIES = 4
# NIfTI's names of units.
_TIMES = {"s": "sec", "ms": "msec", "us": "usec"}
# Longer axes need NIfTI-2.
_NIFTI_1 = 32767


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The grid of a NIfTI file.

    Attributes
    ----------
    shape
        The three spatial axes as stored.
    affine
        (4, 4) stored voxel to right, anterior, superior, in the header's units.
    header
        The file's header, with both of its transforms.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    header: nib.Nifti1Header

    def to_display(self) -> NDArray[np.float64]:
        """Return nibabel's orientation that brings stored axes near to LPS."""
        return np.asarray(ornt_transform(io_orientation(self.affine), _LPS))

    def from_display(self) -> NDArray[np.float64]:
        """Return the inverse of `to_display`."""
        return np.asarray(ornt_transform(_LPS, io_orientation(self.affine)))


def read_nifti(path: Path) -> ImageFile:
    """Read a NIfTI-1 or NIfTI-2 image; an uncompressed one lazily.

    Raises
    ------
    ValueError
        If the file is damaged or not NIfTI, or has no usable transform.
    """
    with explained(path, "a NIfTI image"):
        image = nib.load(path)
        if not isinstance(image, nib.Nifti1Pair):
            raise ImageFileError(f"it is {type(image).__name__}")
        return _placed(path, image, _values(path, image))


def shown(image: nib.spatialimages.SpatialImage) -> ImageFile:
    """Return an image of nibabel's as it is displayed, like one of a file.

    Raises
    ------
    ValueError
        If it has no usable transform, or its type or axes are none of an image.
    """
    name = image.get_filename()
    place = Path(name or "the image of nibabel")
    with explained(place, "an image") if name else nullcontext():
        nifti = nib.Nifti1Image.from_image(image)
        lazy: Any = nifti.dataobj
        if (getattr(lazy, "slope", 1), getattr(lazy, "inter", 0)) == (1, 0):
            return _placed(place, nifti, np.asanyarray(lazy))
        values = nifti.get_fdata(dtype=np.float32, caching="unchanged")
        return _placed(place, nifti, values)


def as_stored(labels: NDArray[Any], image: ImageFile) -> NDArray[Any]:
    """Return labels on the displayed grid in the order in which the image is stored.

    Parameters
    ----------
    image
        As it was read from NIfTI.
    """
    grid = image.geometry.source
    assert isinstance(grid, Grid)
    turned = apply_orientation(labels.T, grid.from_display())
    stored = image.header["header"].get_data_shape()
    whole = stored if math.prod(stored) == turned.size else stored[:3]
    return np.ascontiguousarray(turned.reshape(whole, order="F"))


def _placed(path: Path, image: nib.Nifti1Pair, stored: NDArray[Any]) -> ImageFile:
    """Turn what is stored for display, and say where it lies."""
    rgb = stored.dtype.names is not None
    data, extra = _four_axes(path, stored)
    affine = np.asarray(image.affine, float)
    if not np.isfinite(affine).all() or np.isnan(io_orientation(affine)).any():
        raise FileError(f"{path} has a singular affine: {affine.round(4).tolist()}")
    grid = Grid((data.shape[0], data.shape[1], data.shape[2]), affine, image.header)
    turned = apply_orientation(data, grid.to_display()).T
    labels = image.header.get_intent()[0] == "label" and data.dtype.kind in "ui"
    # Colours and labels have no channels: what they change along is time.
    one = rgb or labels
    channels = bool(extra) and not one and _holds_modalities(image.header, extra[0])
    return ImageFile(
        path,
        np.stack([turned[name] for name in "RGB"], -1) if rgb else turned,
        placed_geometry(turned.shape[int(channels) :], grid),
        channel_axis=0 if channels else None,
        rgb=rgb,
        labels=labels,
        header={"affine": affine, "header": image.header},
    )


def write_nifti(path: Path, labels: Sliceable, geometry: Geometry) -> None:
    """Write labels as NIfTI, with the intent "label".

    Parameters
    ----------
    labels
        On the displayed grid.
    geometry
        Of the image. If that was NIfTI, the labels get the source's grid and both
        of its transforms, unchanged; otherwise scale and offset become the affine.
    """
    grid = geometry.source if isinstance(geometry.source, Grid) else None
    labels, geometry = _in_space(labels, geometry)
    orientation = _LPS if grid is None else grid.from_display()
    shape = _stored_shape(labels.shape, orientation)
    # It stands for the values, of which only type and shape go into the header.
    blank = np.broadcast_to(np.zeros((), labels.dtype), shape)
    if grid is None:
        kind = nib.Nifti1Image if max(shape) <= _NIFTI_1 else nib.Nifti2Image
        image = kind(blank, _plain_affine(geometry), dtype=labels.dtype)
        image.header.set_xyzt_units("mm", _TIMES.get(geometry.units[0]))
        if len(shape) > 3:
            image.header["pixdim"][4] = geometry.scale[0]
    else:
        header = grid.header.copy()
        header.extensions.clear()  # they describe the intensities
        kind = _single_file(header)
        image = kind(blank, grid.affine, header, dtype=labels.dtype)
    header = image.header
    header.set_slope_inter(1, 0)
    header["cal_min"] = header["cal_max"] = 0
    header.set_intent("label", name="")
    header.set_data_offset(header.single_vox_offset)
    image.update_header()
    with ImageOpener(str(path), "wb") as file:
        header.write_to(file)
        for piece in _stored_pieces(labels, shape, orientation):
            file.write(piece)


def _in_space(labels: Sliceable, geometry: Geometry) -> tuple[Sliceable, Geometry]:
    """Return labels as (..., z, y, x), of length 1 along what they do not have."""
    order = geometry.standard
    labels, geometry = transposed(labels, order), geometry.transposed(order)
    leading = len(geometry.others)
    for at, name in enumerate(SPATIAL, leading):
        if name not in geometry.axis_labels:
            labels, geometry = expanded(labels, at), geometry.expanded(at, name)
    return labels, geometry


def _stored_shape(shape: tuple[int, ...], orientation: Any) -> tuple[int, ...]:
    """Return the shape of labels, (..., z, y, x), as they are stored."""
    shown = shape[::-1]
    stored = list(shown)
    for axis, (place, _) in enumerate(orientation):
        stored[int(place)] = shown[axis]
    return tuple(stored)


def _stored_pieces(
    labels: Sliceable, shape: tuple[int, ...], orientation: Any
) -> Iterator[bytes]:
    """Yield labels in the order in which they are stored, the first axis fastest."""
    dtype = labels.dtype.newbyteorder("<")
    for part in row_parts(shape[::-1]):
        shown = list(part[::-1])
        for axis, (place, turn) in enumerate(orientation):
            here, length = part[::-1][int(place)], shape[int(place)]
            if turn < 0:
                here = slice(length - here.stop, length - here.start)
            shown[axis] = here
        piece = np.asarray(labels[tuple(shown[::-1])])
        stored = apply_orientation(piece.T, orientation)
        yield stored.astype(dtype, copy=False).tobytes(order="F")


def _single_file(header: nib.Nifti1Header) -> type[nib.Nifti1Image]:
    two = isinstance(header, nib.Nifti2Header)
    return nib.Nifti2Image if two else nib.Nifti1Image


def _values(path: Path, image: nib.Nifti1Pair) -> NDArray[Any]:
    """Return the stored type, or single precision where the header scales."""
    # A loaded header has forgotten its scaling; the lazy values have it.
    lazy: Any = image.dataobj
    scaled = (lazy.slope, lazy.inter) != (1, 0)
    voxels, size = math.prod(lazy.shape), path.stat().st_size
    stored = voxels * image.get_data_dtype().itemsize
    packed = path.suffix.lower() == ".gz"
    check_length(stored, size * DEFLATED if packed else size - lazy.offset)
    if scaled or packed:
        check_memory(max(stored, 4 * voxels) if scaled else stored)
    if scaled:
        return image.get_fdata(dtype=np.float32, caching="unchanged")
    return np.asanyarray(lazy)


def _four_axes(path: Path, data: NDArray[Any]) -> tuple[NDArray[Any], list[int]]:
    """Return (x, y, z) or (x, y, z, more), and the lengths beyond the third axis."""
    space = (*data.shape[:3], 1, 1)[:3]
    extra = [n for n in data.shape[3:] if n > 1]
    if len(extra) > 1 or not data.size:
        raise FileError(f"{path} cannot be shown: its shape is {data.shape}")
    if data.dtype.kind == "c":
        raise FileError(f"{path} holds complex numbers; save their magnitude first")
    return data.reshape((*space, *extra), order="F"), extra


def _holds_modalities(header: nib.Nifti1Header, length: int) -> bool:
    """Tell whether the axis after z is channels, not time.

    The standard puts vectors on the fifth axis, but modalities are commonly stored
    on the fourth, which then is short and has no time step. That no unit of time is
    named says nothing: most programs name none.
    """
    if header["dim"][0] >= 5 and header["dim"][5] > 1:
        return True
    return length <= _MOST_MODALITIES and header["pixdim"][4] in (0, 1)


def placed_geometry(shape: tuple[int, ...], grid: Grid) -> Geometry:
    """Return where an image of a shape, (..., z, y, x), lies that has such a grid."""
    to_stored = inv_ornt_aff(grid.to_display(), grid.shape)
    affine = _TO_LPS @ grid.affine @ to_stored
    space, time = (unit_name(unit) for unit in grid.header.get_xyzt_units())
    scale = [_rounded(s, s) for s in nib.affines.voxel_sizes(affine)[::-1]]
    offset = [_rounded(o, s) for o, s in zip(affine[2::-1, 3], scale, strict=True)]
    step = positive(grid.header["pixdim"][4]) or 1.0
    more = len(shape) - 3
    return Geometry(
        shape,
        scale=((step,) * more) + tuple(scale),
        translate=(0.0,) * more + tuple(offset),
        # A header that names no unit means millimetres, as all tools read it.
        units=(time,) * more + ("mm" if space == UNKNOWN else space,) * 3,
        axis_labels=("t",) * more + SPATIAL,
        source=grid,
        direction=affine[:3, :3] / nib.affines.voxel_sizes(affine),
    )


def _rounded(value: float, step: float) -> float:
    """Return a length without what single precision adds, however small a step is."""
    digits = max(6, 5 - math.floor(math.log10(step)))
    return round(float(value), digits) + 0.0


def _plain_affine(geometry: Geometry) -> NDArray[np.float64]:
    """Return right, anterior, superior of an array stored in the order R, A, S."""
    factors = [millimetres(u) for u in geometry.units[-3:]]
    scale = [s * f for s, f in zip(geometry.scale[-3:], factors, strict=True)]
    offset = [o * f for o, f in zip(geometry.translate[-3:], factors, strict=True)]
    lps = np.diag([*scale[::-1], 1.0])
    lps[:3, 3] = offset[::-1]
    return np.asarray(_TO_LPS @ lps @ inv_ornt_aff(_LPS, geometry.shape[:-4:-1]))
