"""From the end of a file's name to the function that reads or writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

# Module and function; the module is imported when a file needs it.
Found: TypeAlias = tuple[str, str]

# By the end of a name.
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
    ".dcm": ("dicom", "read_dicom"),
    ".dicom": ("dicom", "read_dicom"),
    ".ima": ("dicom", "read_dicom"),
    ".zip": ("dicom", "read_dicom"),
}


def by_suffix(path: Path, table: Mapping[str, Found]) -> Found | None:
    """Return the entry with the longest end that a name has, ``.ome.tif`` first."""
    name = path.name.lower()
    ends = [end for end in table if name.endswith(end)]
    return table[max(ends, key=len)] if ends else None


def load(found: Found) -> Callable[..., Any]:
    """Import what an entry names."""
    module = import_module(f"napari_segnext.files.{found[0]}")
    function: Callable[..., Any] = getattr(module, found[1])
    return function
