"""Labels of a file, as those of an image: its voxels, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_segnext.files import check_exists, read_image
from napari_segnext.files.atomic import is_zarr
from napari_segnext.files.categories import Legend
from napari_segnext.files.checks import about
from napari_segnext.files.contents import DICOM
from napari_segnext.files.image import Geometry, ImageFile
from napari_segnext.files.label_grid import on_grid
from napari_segnext.files.pieces import dropped


@dataclass(frozen=True, slots=True, eq=False)
class LabelSource:
    """Labels on the grid of an image.

    Attributes
    ----------
    data
        Of the image's shape without channels, read where it is sliced; whole numbers,
        perhaps of a floating type.
    legend
        Names and classes by value, where they are known.
    moved
        Whether they were brought there from another grid.
    """

    data: Any
    legend: Legend
    moved: bool = False


def read_labels(path: str | Path, image: Geometry) -> LabelSource:
    """Read labels that belong to an image.

    They may lie on another grid: as a part of the image, shrunk, enlarged, or stored
    in another orientation.

    Parameters
    ----------
    path
        NIfTI, TIFF, zarr, or whatever else `read_image` reads; COCO annotations; or a
        segmentation of DICOM. An OME-Zarr image stands for the labels that lie beside
        it.
    image
        Where the image lies.

    Raises
    ------
    ValueError
        If the file cannot be read, holds no labels, or cannot be brought onto the
        image. The message says how they differ.
    OSError
        If it cannot be opened.
    """
    place = Path(path).expanduser()
    check_exists(place)
    with about(place):
        if place.suffix.lower() == ".json":
            from napari_segnext.files.coco_labels import read_coco

            return LabelSource(*read_coco(place, image))
        legend: Legend = {}
        if is_zarr(place):
            from napari_segnext.files.ome_zarr import labels_of, read_legend

            place = labels_of(place)
            legend = read_legend(place)
        if place.suffix.lower() in DICOM:
            from napari_segnext.files.dicom_seg import read_seg

            file, legend = read_seg(place, image)
        else:
            file = _without_channels(read_image(place))
        data = file.data[0] if file.multiscale else file.data
        _check_kind(data.dtype)
        data, moved = on_grid(data, file.geometry, image)
        return LabelSource(data, legend, moved)


def _without_channels(file: ImageFile) -> ImageFile:
    if file.rgb:
        raise ValueError("it is a picture in colours: labels are one number a pixel")
    if file.channel_axis is None:
        return file
    full = file.data[0] if file.multiscale else file.data
    if full.shape[file.channel_axis] > 1:
        raise ValueError(
            f"it has {full.shape[file.channel_axis]} channels: labels are one number a "
            "voxel"
        )
    return replace(file, data=dropped(full, file.channel_axis), channel_axis=None)


def _check_kind(dtype: Any) -> None:
    if np.dtype(dtype).kind not in "buif":
        raise ValueError(f"labels are whole numbers, not {dtype}")
