"""Series of DICOM as volumes, through the package pydicom.

A series is brought to the nearest of LPS for display, as NIfTI is; labels go back onto
its grid, as NIfTI with its affine, or as a segmentation of DICOM that refers to it.
Nothing of a patient is kept but where the files are.
"""

# nibabel annotates only some of its functions.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.orientations import apply_orientation
from numpy.typing import NDArray

from napari_segnext.files.checks import FileError, check_memory, explained
from napari_segnext.files.dicom_frames import (
    Frame,
    Source,
    frames_of,
    is_zip,
    sources_in,
)
from napari_segnext.files.dicom_stack import (
    Stack,
    alike,
    described,
    distinct,
    kinds,
    listed,
    stacked,
)
from napari_segnext.files.image import Geometry, ImageFile
from napari_segnext.files.nifti import Grid, placed_geometry

# DICOM's world is left, posterior, superior; nibabel's right, anterior, superior.
TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_INTEGERS = ("uint8", "int8", "uint16", "int16", "int32")


@dataclass(frozen=True, slots=True, eq=False)
class DicomGrid(Grid):
    """The grid of a series.

    Attributes
    ----------
    sources
        Its files.
    lps
        (4, 4), from (slice, row, column) to left, posterior, superior in mm.
    """

    sources: tuple[Source, ...]
    lps: NDArray[np.float64]


def read_dicom(path: Path) -> ImageFile:
    """Read a series of DICOM as a volume.

    Parameters
    ----------
    path
        A folder or a zip that holds one series; or a file, which stands for the images
        of its series that lie beside it and are parallel to it.

    Raises
    ------
    OSError
        If pydicom is not installed, or a file cannot be opened.
    ValueError
        If there is no image, or there are several series, or slices do not make up a
        volume; it says which, and what to do.
    """
    try:
        import pydicom  # noqa: F401
    except ImportError as error:
        raise OSError(
            f"{path} is DICOM, which needs the package pydicom: "
            "pip install 'napari-segnext[dicom]'"
        ) from error
    frames = _chosen(path)
    try:
        stack = stacked(frames)
    except FileError as error:
        raise FileError(f"{path} is no volume: {error}") from error
    data = _pixels(path, stack)
    if stack.affine is None:
        return _unplaced(path, data, stack.frames[0][0])
    return _placed(path, data, stack)


def _chosen(path: Path) -> list[Frame]:
    """Return the frames of the one series that a path stands for."""
    every = [frame for each in sources_in(path) for frame in frames_of(each)]
    frames = distinct(every)
    if path.is_file() and not is_zip(path):
        own = [frame for frame in every if frame.source.path == path]
        frames = _around(own, frames)
    if not frames:
        raise FileError(
            f"{path} holds no image of DICOM: name a file, a folder or a zip of a "
            "series"
        )
    frames = [frame for frame in frames if not frame.localizer] or frames
    where = "unpack it, and name" if path.is_file() else "name"
    series = _by(frames, "series")
    if len(series) > 1:
        told = [group[0].told for group in series]
        raise FileError(
            f"{path} holds {len(series)} series; {where} a file of one: "
            f"{listed(series, told)}"
        )
    groups = kinds(frames)
    if len(groups) > 1:
        told = [f"{described(each[0])} {_size(each[0])}" for each in groups]
        raise FileError(
            f"{path} holds images that are no volume together, of {len(groups)} "
            f"orientations or sizes; {where} a file of one: {listed(groups, told)}"
        )
    return frames


def _around(own: list[Frame], beside: Sequence[Frame]) -> list[Frame]:
    """Return the frames that a file stands for."""
    if len(own) != 1 or not own[0].placed:
        return own
    series = [frame for frame in beside if frame.series == own[0].series]
    return [frame for frame in series if alike(own[0], frame)]


def _by(frames: Sequence[Frame], name: str) -> list[list[Frame]]:
    ordered = sorted(frames, key=lambda frame: str(getattr(frame, name)))
    return [list(g) for _, g in groupby(ordered, lambda frame: getattr(frame, name))]


def _size(frame: Frame) -> str:
    return " x ".join(map(str, frame.shape[:2]))


def _pixels(path: Path, stack: Stack) -> NDArray[Any]:
    """Return values (time, slice, row, column), with colours last."""
    every = [frame for time in stack.frames for frame in time]
    shape = (len(stack.frames), len(stack.frames[0]), *every[0].shape)
    dtype = _dtype(every)
    with explained(path, "a series of DICOM"):
        check_memory(int(np.prod(shape, dtype=object)) * dtype.itemsize)
    data = np.zeros(shape, dtype)
    places = {
        id(frame): (t, z)
        for t, time in enumerate(stack.frames)
        for z, frame in enumerate(time)
    }
    for group in _by(every, "source"):
        pictures = _decoded(group[0])
        for frame in group:
            slope, intercept = frame.rescale
            picture = pictures[frame.index]
            if frame.rescale != (1, 0):
                picture = picture.astype(np.float64) * slope + intercept
            data[places[id(frame)]] = picture
    return data


def _dtype(frames: Sequence[Frame]) -> np.dtype[Any]:
    """Return the smallest type that holds all values, after rescaling."""
    low, high = 0.0, 0.0
    for frame in frames:
        slope, intercept = frame.rescale
        if slope != 1 or intercept % 1:
            return np.dtype(np.float32)
        least = -(2.0 ** (frame.bits - 1)) if frame.signed else 0.0
        low = min(low, least + intercept)
        high = max(high, least + 2.0**frame.bits - 1 + intercept)
    for name in _INTEGERS:
        if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
            return np.dtype(name)
    return np.dtype(np.float32)


def _decoded(frame: Frame) -> NDArray[Any]:
    """Return all pictures of a file, (frames, rows, columns), with colours last."""
    from pydicom.uid import UID

    from napari_segnext.files.dicom_codecs import register

    register()
    source = frame.source
    found = source.read()
    keywords = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
    if not any(keyword in found for keyword in keywords):
        raise FileError(f"{source} has no pixels: it is a header alone")
    syntax = UID(getattr(found.file_meta, "TransferSyntaxUID", ""))
    with source.explained():
        try:
            pixels = np.asarray(found.pixel_array)
        except (RuntimeError, NotImplementedError) as error:
            raise FileError(
                f"{source} is compressed as {syntax.name}, which cannot be unpacked "
                "here: pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg"
            ) from error
    return pixels.reshape(-1, *frame.shape)


def _unplaced(path: Path, data: NDArray[Any], frame: Frame) -> ImageFile:
    """Return a picture, or the frames of a film, that nobody knows the place of."""
    rgb = len(frame.shape) > 2
    data = data[:, 0] if len(data) > 1 else data[0, 0]
    shape = data.shape[:-1] if rgb else data.shape
    names = ("t", "y", "x")[-len(shape) :]
    known: dict[str, Any] = {}
    if frame.spacing is not None:
        known["scale"] = (1.0, *frame.spacing)[-len(shape) :]
        known["units"] = ("pixel", "mm", "mm")[-len(shape) :]
    return ImageFile(path, data, Geometry.plain(shape, names, **known), rgb=rgb)


def _placed(path: Path, data: NDArray[Any], stack: Stack) -> ImageFile:
    """Turn a volume for display, and say where it lies."""
    lps = stack.affine
    assert lps is not None
    # nibabel's order: column, row, slice, time.
    affine = TO_RAS @ lps[:, [2, 1, 0, 3]]
    header = nib.Nifti1Header()
    header.set_xyzt_units("mm")
    shape = data.shape[1:4]
    every = dict.fromkeys(frame.source for time in stack.frames for frame in time)
    grid = DicomGrid((shape[2], shape[1], shape[0]), affine, header, tuple(every), lps)
    rgb = data.ndim > 4
    samples = [data[..., n] for n in range(data.shape[4])] if rgb else [data]
    turned = [apply_orientation(each.T, grid.to_display()).T for each in samples]
    turned = [each if len(each) > 1 else each[0] for each in turned]
    return ImageFile(
        path,
        np.stack(turned, -1) if rgb else turned[0],
        placed_geometry(turned[0].shape, grid),
        rgb=rgb,
        header={"affine": affine},
    )
