"""Images in, labels out, with where they lie in the world. No torch, no Qt."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segnext.files.atomic import clear_up, is_zarr
from napari_segnext.files.checks import check_special
from napari_segnext.files.contents import is_dicom
from napari_segnext.files.formats import READABLE, Found, by_suffix, load
from napari_segnext.files.image import Geometry, ImageFile
from napari_segnext.files.outputs import (
    WRITABLE,
    check_labels_fit,
    check_output,
    check_store,
    check_writable,
    keeps_objects,
    write_labels,
)
from napari_segnext.files.pieces import LabelPieces
from napari_segnext.files.prompts_file import (
    ObjectPrompts,
    parse_prompts,
    read_prompts,
    write_prompts,
)

if TYPE_CHECKING:
    from nibabel.spatialimages import SpatialImage

__all__ = [
    "READABLE",
    "WRITABLE",
    "Geometry",
    "ImageFile",
    "LabelPieces",
    "ObjectPrompts",
    "check_exists",
    "check_labels_fit",
    "check_output",
    "check_store",
    "check_writable",
    "is_readable",
    "keeps_objects",
    "parse_prompts",
    "read_image",
    "read_prompts",
    "write_labels",
    "write_prompts",
]


def read_image(path: str | Path | SpatialImage) -> ImageFile:
    """Read an image and its geometry.

    Parameters
    ----------
    path
        An image that nibabel has loaded, which is displayed as its file would be; or
        NIfTI, TIFF (OME, ImageJ), zarr (OME-Zarr), ``.npy``, ``.mrc`` (needs
        mrcfile), PNG or JPEG; a folder of 2-D sections; or a folder, a zip or a file
        of a series of DICOM (needs pydicom). TIFF, zarr, ``.npy``, ``.mrc``, sections
        and uncompressed NIfTI are read lazily.

    Raises
    ------
    TypeError
        If it is neither a path nor an image of nibabel's.
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is empty, damaged or of a kind that cannot be read. The message
        names the file.
    OSError
        If the file cannot be opened.
    """
    if not isinstance(path, str | os.PathLike):
        return _shown(path)
    place = Path(path).expanduser()
    check_exists(place)
    check_special(place)
    if place.is_file() and not place.stat().st_size:
        raise ValueError(f"{place} is empty")
    found = ("dicom", "read_dicom") if is_dicom(place) else _reader(place)
    if found is None:
        known = ", ".join(READABLE)
        raise ValueError(
            f"{place} is of an unknown kind; known are {known} and folders of sections"
        )
    image = load(found)(place)
    assert isinstance(image, ImageFile)
    return image


def _shown(image: SpatialImage) -> ImageFile:
    if not hasattr(image, "dataobj"):
        raise TypeError(
            "an image is read from a path, or is one of nibabel's, not "
            f"{type(image).__name__}"
        )
    from napari_segnext.files.nifti import shown

    return shown(image)


def check_exists(path: Path) -> None:
    """Check that there is a file, or a folder.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    if not path.exists():
        # A writer may have been killed while it replaced it.
        clear_up(path.parent)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")


def is_readable(path: str | Path) -> bool:
    """Tell by its name, without opening it, whether a file is for `read_image`."""
    return _reader(Path(path)) is not None


def _reader(path: Path) -> Found | None:
    if path.is_dir():
        if is_zarr(path):
            return READABLE[".zarr"]
        if path.suffix.lower() != ".zarr":
            return ("sections", "read_sections")
    return by_suffix(path, READABLE)
