"""What a path holds, as far as its name and its first bytes tell."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from napari_segnext.files.atomic import is_zarr
from napari_segnext.files.formats import READABLE, by_suffix
from napari_segnext.files.sections import SECTIONS, holds_volumes, natural

DICOM = (".dcm", ".dicom", ".ima")
# A folder of images may begin with others: notes, a DICOMDIR, a viewer on the disc.
_LOOKED_AT = 20
_MAGIC = b"DICM"


def name_of(path: Path) -> str:
    """Return the name of an image without the end that tells its format.

    Examples
    --------
    >>> name_of(Path("scans/p1.flair.nii.gz")), name_of(Path("scans/p1"))
    ('p1.flair', 'p1')
    """
    name = path.absolute().name
    ends = [end for end in READABLE if name.lower().endswith(end)]
    return name[: -len(max(ends, key=len))] if ends and not path.is_dir() else name


def is_dicom(path: Path) -> bool:
    """Tell whether a file is DICOM, or a folder holds such files.

    They may lie further down, as on a disc, if there are no sections at the top.
    """
    if not path.is_dir():
        return _is_dicom_file(path)
    return has_dicom(path) or (not has_sections(path) and has_dicom(path, deep=True))


def is_several(path: Path, may_be_one: bool = False) -> bool:
    """Tell whether a path is a folder of images, each for itself.

    A zarr is one image, and so is a folder in which files of DICOM lie.

    Parameters
    ----------
    may_be_one
        Whether pictures in it are the sections of one stack, unless they are volumes.
    """
    if not path.is_dir() or is_zarr(path) or has_dicom(path):
        return False
    return not (may_be_one and has_sections(path) and not holds_volumes(path))


def images_in(folder: Path) -> list[Path]:
    """Return the images in a folder, p2 before p10: files, and folders that are images.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    entries = (each for each in folder.iterdir() if each.name[0] != ".")
    return [each for each in natural(entries) if _is_image(each)]


def _is_image(path: Path) -> bool:
    if path.is_dir():
        return is_zarr(path) or has_sections(path) or is_dicom(path)
    if path.suffix.lower() == ".zip":
        return _holds_dicom(path)
    return by_suffix(path, READABLE) is not None


def _holds_dicom(path: Path) -> bool:
    """Tell whether a zip does, and not ROIs or whatever else is packed."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [each for each in archive.namelist() if not each.endswith("/")]
            for name in names[:_LOOKED_AT]:
                with archive.open(name) as file:
                    if file.read(132)[128:] == _MAGIC:
                        return True
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile):
        # Whoever reads it tells why it cannot be read.
        return True
    return False


def has_sections(folder: Path) -> bool:
    """Tell whether pictures lie in a folder, which may be those of one stack."""
    return any(each.suffix.lower() in SECTIONS for each in folder.iterdir())


def has_dicom(folder: Path, deep: bool = False) -> bool:
    """Tell whether DICOM lies in a folder, or, with `deep`, further down."""
    files = files_in(folder) if deep else next(_levels(folder), [])
    return any(map(_is_dicom_file, islice(files, _LOOKED_AT)))


def files_in(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder, then those in its folders; none that is hidden."""
    return chain.from_iterable(_levels(folder))


def _levels(folder: Path) -> Iterator[list[Path]]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] != ".")
        files = (Path(place, name) for name in names if name[0] != ".")
        yield natural(file for file in files if file.is_file())


def _is_dicom_file(path: Path) -> bool:
    if path.suffix.lower() in DICOM:
        return True
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == _MAGIC
    except OSError:
        # Whoever reads it tells why it cannot be read.
        return False
