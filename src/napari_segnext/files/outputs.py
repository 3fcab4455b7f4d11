"""Labels out; and what can be known of an output before anything is computed."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_segnext.files.atomic import check_replaceable, replacing, try_out
from napari_segnext.files.categories import Legend
from napari_segnext.files.checks import DEFLATED
from napari_segnext.files.formats import Found, by_suffix, load
from napari_segnext.files.image import (
    Geometry,
    check_shape,
    integer_labels,
    smallest_type,
)
from napari_segnext.files.image_group import group_of, image_of

WRITABLE = {
    ".nii": ("nifti", "write_nifti"),
    ".nii.gz": ("nifti", "write_nifti"),
    ".ome.tif": ("tiff", "write_ome_tiff"),
    ".ome.tiff": ("tiff", "write_ome_tiff"),
    ".tif": ("tiff", "write_tiff"),
    ".tiff": ("tiff", "write_tiff"),
    ".zarr": ("ome_zarr", "write_zarr"),
    ".npy": ("plain", "write_npy"),
    ".png": ("plain", "write_png"),
    ".json": ("coco", "write_coco"),
    ".dcm": ("dicom_seg", "write_seg"),
    ".geojson": ("geojson", "write_geojson"),
    ".zip": ("imagej_rois", "write_rois"),
}
# Formats with a place for time beside space, and for nothing else.
_ONE_MORE = ("nifti", "tiff", "geojson", "imagej_rois")
# Formats in which each object has a class of its own.
_OF_OBJECTS = ("coco", "geojson", "imagej_rois")
# Formats with a place for what the values are called.
_WITH_NAMES = (*_OF_OBJECTS, "dicom_seg", "ome_zarr")
_FOLDERS = ("ome_zarr",)
# A format that refers to the files of the image.
_REFERRING = "dicom_seg"
# Within an OME-Zarr image.
_IN_IMAGE = ("image_labels", "write_in_image")
# Further ROIs of ImageJ have no coordinates.
_LONGEST_ROI = 60_000
# A full disk has no room for so much.
_LITTLE = bytes(4096)


def keeps_objects(path: Path) -> bool:
    """Tell whether a format holds objects always, each with its class, by its name."""
    return _format(path)[0] in _OF_OBJECTS


def check_writable(path: str | Path, geometry: Geometry | None = None) -> None:
    """Check that labels can be written to a file, by its name.

    Parameters
    ----------
    geometry
        Of the image that the labels belong to, if it is known.

    Raises
    ------
    ValueError
        If the format is unknown, or has no place for the axes.
    """
    place = Path(path)
    module, function = _format(place)
    if module == _IN_IMAGE[0]:
        load((module, "check_place"))(place, geometry)
    if geometry is None:
        return
    shape, others = geometry.shape, geometry.others
    if function == "write_png" and len(shape) > 2:
        raise ValueError(
            f"{place.name} is one picture, and the image has {len(shape)} axes: choose "
            ".tif or .zarr"
        )
    if module == _REFERRING:
        load((_REFERRING, "check_seg"))(place, geometry)
    if module == "imagej_rois" and max(shape[-2:]) > _LONGEST_ROI:
        raise ValueError(
            f"{place.name} holds ROIs up to {_LONGEST_ROI:,} pixels, and the image has "
            f"{shape[-2]:,} x {shape[-1]:,}: choose .geojson"
        )
    if module in _ONE_MORE and len(others) > 1:
        names = ", ".join(geometry.axis_labels[at] for at in others)
        raise ValueError(
            f"{place.name} has room for one axis beside space, and the image has the "
            f"axes {names}: choose .zarr or .npy"
        )


def check_output(
    path: Path, inputs: Iterable[Path] = (), overwrite: bool = True
) -> None:
    """Check that a file can be written, and takes nothing away that is to stay.

    Parameters
    ----------
    inputs
        What is read: never replaced, under whatever name, and nothing is written into
        it if it is a folder.
    overwrite
        Whether a file that exists may be replaced.

    Raises
    ------
    ValueError
        If it is one of the inputs.
    FileExistsError
        If it exists and is not to be replaced.
    OSError
        If nothing can be written there: no folder, no right, no room, or something
        that is not replaced, see `check_replaceable`.
    """
    path = path.expanduser()
    image = image_of(path)
    for each in inputs:
        # Labels of an image may lie in it, and take nothing away from it.
        if image is None or not _same(group_of(each.expanduser()), image):
            _check_apart(path, each.expanduser())
    try:
        exists = path.exists()
    except OSError as error:
        raise type(error)(f"{path} cannot be written: {error.strerror}") from error
    if exists and not overwrite:
        raise FileExistsError(f"{path} exists; choose another name or add --overwrite")
    found = by_suffix(path, WRITABLE)
    folder = found is not None and found[0] in _FOLDERS
    check_replaceable(path, folder=folder or image is not None)
    place = path if image is None or path.parent.exists() else image / path.name
    try_out(place, lambda place: place.write_bytes(_LITTLE))


def check_store(folder: Path, image: Path) -> None:
    """Check that something can be kept in a folder, which need not exist yet.

    Raises
    ------
    ValueError
        If it is the image's, or lies in it.
    OSError
        If it is no folder, or nothing can be written there.
    """
    _check_outside(folder, image)
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    try_out(there / folder.name, lambda place: place.write_bytes(_LITTLE))


def check_labels_fit(path: Path, geometry: Geometry, largest: int) -> None:
    """Check that a format holds labels of an image, by writing a single voxel.

    Parameters
    ----------
    largest
        Of the values.

    Raises
    ------
    ValueError, OSError
        Naming the file, and what it cannot hold.
    """
    path = path.expanduser()
    check_writable(path, geometry)
    found = _format(path)
    if found == _IN_IMAGE or found[0] == _REFERRING:
        # What `check_writable` tells of them is all that there is.
        return
    ndim = len(geometry.shape)
    try:
        voxel = np.full((1,) * ndim, largest, smallest_type(largest))
        one = replace(geometry, shape=voxel.shape)
        names: list[Legend] = [{}] if found[0] in _WITH_NAMES else []
        try_out(path, lambda place: load(found)(place, voxel, one, *names))
        _check_room(path, geometry, voxel.itemsize)
    except OSError:
        raise
    except Exception as error:
        # Each format's library has errors of its own for what it cannot hold.
        raise ValueError(
            f"{path} cannot hold labels up to {largest} along the axes "
            f"{' '.join(geometry.axis_labels)}: {error}; choose another format"
        ) from error


def write_labels(
    path: str | Path,
    labels: Any,
    geometry: Geometry | None = None,
    legend: Legend | None = None,
    like: Path | None = None,
) -> None:
    """Write labels so that they lie on the image that they belong to.

    The file appears when it is complete; one that it replaces stays until then, and
    leaves it its permissions. A folder that is not a zarr is never replaced.

    Parameters
    ----------
    path
        Labels in an OME-Zarr image, ``IMAGE.zarr/labels/NAME``, are a pyramid as it is.
        Else the end of the name chooses the format: ``.nii.gz``, ``.nii``, ``.tif``,
        ``.ome.tif``, ``.zarr``, ``.npy``, ``.png`` for one picture, ``.json`` for COCO
        annotations, ``.geojson`` for QuPath, ``.zip`` for ROIs of ImageJ, or ``.dcm``
        for a segmentation of a volume of DICOM.
    labels
        Whole numbers, of the shape of the displayed image without channels; an array,
        or `LabelPieces`, of which only a part is in memory at a time.
    geometry
        Of that image, from `read_image`; without it, voxels of unit size.
    legend
        Names and classes by value, for the formats that have a place for them: zarr,
        COCO, GeoJSON, ROIs and DICOM.
    like
        The image's file: a new one may be read by nobody who may not read that.

    Raises
    ------
    ValueError
        If the labels are not whole numbers or do not fit the image, or the format
        is unknown or does not hold them.
    OSError
        If the file cannot be written.
    """
    place = Path(path).expanduser()
    found = _format(place)
    array = integer_labels(labels)
    geometry = geometry or Geometry.plain(array.shape)
    check_writable(place, geometry)
    check_shape(place, array, geometry)
    names = [legend] if found[0] in _WITH_NAMES else []
    try:
        if found == _IN_IMAGE:
            load(found)(place, array, geometry, legend, like)
            return
        with replacing(place, like, folder=found[0] in _FOLDERS) as part:
            load(found)(part, array, geometry, *names)
    except (OSError, ValueError, MemoryError):
        raise
    except Exception as error:
        # Each format's library has errors of its own.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{place} was not written: {reason}") from error


def _format(path: Path) -> Found:
    if image_of(path) is not None:
        return _IN_IMAGE
    found = by_suffix(path, WRITABLE)
    if found is None:
        # It may have been meant as a folder.
        bare = not path.suffix and not path.exists()
        why = ": there is no such folder, and a file needs an ending" if bare else ""
        raise ValueError(
            f"labels cannot be written as {path.name}{why}; choose one of "
            f"{', '.join(WRITABLE)}"
        )
    return found


def _check_room(path: Path, geometry: Geometry, itemsize: int) -> None:
    """Check that what knows no holes finds room; deflated, as little as can be."""
    name = path.name.lower()
    if not name.endswith((".nii", ".nii.gz", ".tif", ".tiff")):
        return
    packed = 1 if name.endswith(".nii") else DEFLATED
    needed = math.prod(geometry.shape) * itemsize // packed
    free = shutil.disk_usage(os.path.realpath(path.parent)).free
    if needed > free:
        raise OSError(
            f"{path} needs {needed / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free "
            f"there; {'.nii.gz' if packed == 1 else '.zarr'} takes less"
        )


def _check_apart(path: Path, other: Path) -> None:
    """Check that an output neither is an input nor lies in one nor holds one."""
    _check_outside(path, other)
    target, source = Path(os.path.realpath(path)), Path(os.path.realpath(other))
    if any(_same(target, folder) for folder in source.parents):
        raise ValueError(
            f"{path} holds {other}, which is read and stays as it is; choose another "
            "name"
        )


def _check_outside(path: Path, other: Path) -> None:
    if _same(path, other):
        raise ValueError(
            f"{path} is the file {other} itself, which is read and stays as it is; "
            "choose another name"
        )
    target = Path(os.path.realpath(path))
    if other.is_dir() and any(_same(folder, other) for folder in target.parents):
        raise ValueError(
            f"{path} lies in {other}, which is read and stays as it is; choose another "
            "folder"
        )


def _same(one: Path | None, other: Path) -> bool:
    try:
        return one is not None and os.path.samefile(one, other)
    except OSError:
        return False
