"""Images in, labels out, with where they lie in the world. No torch, no Qt."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from napari_segnext.categories import Legend
from napari_segnext.io.atomic import clear_up, is_zarr, replacing
from napari_segnext.io.checks import check_special
from napari_segnext.io.image import (
    Geometry,
    ImageFile,
    check_shape,
    integer_labels,
)
from napari_segnext.io.prompts_file import ObjectPrompts, read_prompts, write_prompts

__all__ = [
    "READABLE",
    "WRITABLE",
    "Geometry",
    "ImageFile",
    "ObjectPrompts",
    "check_writable",
    "is_readable",
    "read_image",
    "read_prompts",
    "write_labels",
    "write_prompts",
]

# End of a name -> (module, function); a module is imported when a file needs it.
READABLE = {
    ".nii": ("nifti", "read_nifti"),
    ".nii.gz": ("nifti", "read_nifti"),
    ".tif": ("tiff", "read_tiff"),
    ".tiff": ("tiff", "read_tiff"),
    ".zarr": ("ome_zarr", "read_zarr"),
    ".npy": ("plain", "read_npy"),
    ".png": ("plain", "read_picture"),
    ".jpg": ("plain", "read_picture"),
    ".jpeg": ("plain", "read_picture"),
    ".bmp": ("plain", "read_picture"),
    ".mrc": ("mrc", "read_mrc"),
    ".rec": ("mrc", "read_mrc"),
}
WRITABLE = {
    ".nii": ("nifti", "write_nifti"),
    ".nii.gz": ("nifti", "write_nifti"),
    ".ome.tif": ("tiff", "write_ome_tiff"),
    ".ome.tiff": ("tiff", "write_ome_tiff"),
    ".tif": ("tiff", "write_tiff"),
    ".tiff": ("tiff", "write_tiff"),
    ".zarr": ("ome_zarr", "write_zarr"),
    ".npy": ("plain", "write_npy"),
    ".json": ("coco", "write_coco"),
}
# Formats with a place for time beside space, and for nothing else.
_ONE_MORE = ("nifti", "tiff")
# Formats with a place for what the values are called.
_WITH_NAMES = ("coco", "ome_zarr")
_DICOM = (".dcm", ".dicom", ".ima")


def read_image(path: str | Path) -> ImageFile:
    """Read an image and its geometry.

    Parameters
    ----------
    path
        NIfTI, TIFF (OME, ImageJ), zarr (OME-Zarr), ``.npy``, ``.mrc`` (needs
        mrcfile), PNG or JPEG; or a folder of 2-D sections. TIFF, zarr, ``.npy``,
        ``.mrc``, folders and uncompressed NIfTI are read lazily.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is empty, damaged or of a kind that cannot be read. The message
        names the file.
    OSError
        If the file cannot be opened.
    """
    place = Path(path).expanduser()
    if not place.exists():
        # A writer may have been killed while it replaced it.
        clear_up(place.parent)
    if not place.exists():
        raise FileNotFoundError(f"there is no file {place}")
    check_special(place)
    if place.is_file() and not place.stat().st_size:
        raise ValueError(f"{place} is empty")
    if _is_dicom(place):
        raise ValueError(
            f"{place} is DICOM, which is not read directly: convert it with "
            "dcm2niix (dcm2niix -z y FOLDER) and open the .nii.gz file that it makes"
        )
    found = _reader(place)
    if found is None:
        known = ", ".join(READABLE)
        raise ValueError(
            f"{place} is of an unknown kind; known are {known} and folders of sections"
        )
    image = _load(found)(place)
    assert isinstance(image, ImageFile)
    return image


def is_readable(path: str | Path) -> bool:
    """Tell by its name, without opening it, whether a file is for `read_image`.

    DICOM is: it is answered with what to do.
    """
    place = Path(path)
    return _reader(place) is not None or place.suffix.lower() in _DICOM


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
    found = _by_suffix(place, WRITABLE)
    others = [] if geometry is None else geometry.others
    if geometry is not None and found and found[0] in _ONE_MORE and len(others) > 1:
        names = ", ".join(geometry.axis_labels[at] for at in others)
        raise ValueError(
            f"{place.name} has room for one axis beside space, and the image has the "
            f"axes {names}: choose .zarr or .npy"
        )
    if found is None:
        raise ValueError(
            f"labels cannot be written as {place.name}; choose one of "
            f"{', '.join(WRITABLE)}"
        )


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
        The end of the name chooses the format: ``.nii.gz``, ``.nii``, ``.tif``,
        ``.ome.tif``, ``.zarr``, ``.npy``, or ``.json`` for COCO annotations.
    labels
        Whole numbers, of the shape of the displayed image without channels; an array,
        or `LabelPieces`, of which only a part is in memory at a time.
    geometry
        Of that image, from `read_image`; without it, voxels of unit size.
    legend
        Names and classes by value, for the formats that have a place for them: zarr
        and COCO.
    like
        The image's file: a new one may be read by nobody who may not read that.

    Raises
    ------
    ValueError
        If the labels are not whole numbers or do not fit the image, or the format
        is unknown.
    OSError
        If the file cannot be written.
    """
    place = Path(path).expanduser()
    check_writable(place, geometry)
    found = _by_suffix(place, WRITABLE)
    assert found is not None
    array = integer_labels(labels)
    geometry = geometry or Geometry.plain(array.shape)
    check_shape(place, array, geometry)
    names = [legend] if found[0] in _WITH_NAMES else []
    with replacing(place, like, folder=found == WRITABLE[".zarr"]) as part:
        _load(found)(part, array, geometry, *names)


def _load(found: tuple[str, str]) -> Callable[..., Any]:
    module = import_module(f"napari_segnext.io.{found[0]}")
    function: Callable[..., Any] = getattr(module, found[1])
    return function


def _by_suffix(path: Path, table: dict[str, tuple[str, str]]) -> tuple[str, str] | None:
    name = path.name.lower()
    ends = [end for end in table if name.endswith(end)]
    return table[max(ends, key=len)] if ends else None


def _reader(path: Path) -> tuple[str, str] | None:
    if path.is_dir():
        if is_zarr(path):
            return READABLE[".zarr"]
        if path.suffix.lower() != ".zarr":
            return ("sections", "read_sections")
    return _by_suffix(path, READABLE)


def _is_dicom(path: Path) -> bool:
    if path.is_dir():
        files = (p for p in sorted(path.iterdir()) if p.is_file())
        return any(_is_dicom(file) for file, _ in zip(files, range(3), strict=False))
    if path.suffix.lower() in _DICOM:
        return True
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
