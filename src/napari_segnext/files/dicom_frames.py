"""Frames of DICOM files without their pixels: where they lie, what values mean."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_segnext.files.checks import (
    DEFLATED,
    FileError,
    check_length,
    check_memory,
    explained,
)
from napari_segnext.files.contents import DICOM, files_in
from napari_segnext.files.sections import natural

if TYPE_CHECKING:
    from pydicom import Dataset

# Objects that have pixels and are no images of a patient.
_NO_IMAGES = ("SEG", "PR", "KO", "RTSTRUCT", "REG")
# What is read of a file that is looked at.
_TAGS = [
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesDescription"),
    *("SeriesNumber", "InstanceNumber", "Modality", "ImageType", "NumberOfFrames"),
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "PixelRepresentation"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
    *("ImagerPixelSpacing", "SpacingBetweenSlices", "SliceThickness"),
    *("RescaleSlope", "RescaleIntercept", "GridFrameOffsetVector"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
]
_MAGIC = b"DICM"
_RESCALED = "PixelValueTransformationSequence"
_POSITIVE = ("PixelSpacing", "ImagerPixelSpacing")
ZIP = ".zip"


@dataclass(frozen=True, slots=True)
class Source:
    """A file on the disk, or in a zip."""

    path: Path
    member: str = ""

    def __str__(self) -> str:
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open it for reading."""
        if not self.member:
            with self.path.open("rb") as file:
                yield file
            return
        with zipfile.ZipFile(self.path) as archive:
            info = archive.getinfo(self.member)
            check_length(info.file_size, info.compress_size * DEFLATED)
            check_memory(info.file_size)
            yield io.BytesIO(archive.read(info))

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what pydicom raises on it into one sentence, as `explained` does."""
        kind = f"DICOM in {self.member}" if self.member else "DICOM"
        with explained(self.path, kind), warnings.catch_warnings():
            # Each element that is odd is warned of, with what it says of the patient.
            warnings.simplefilter("ignore")
            yield

    def read(self, **options: Any) -> Dataset:
        """Read it with pydicom.

        Raises
        ------
        ValueError, OSError
            As `explained`.
        """
        from pydicom import dcmread

        with self.explained(), self.open() as file:
            forced = str(self).lower().endswith(DICOM)
            return dcmread(file, force=forced, **options)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a file.

    Attributes
    ----------
    source, index
        The file, and which of its pictures this is.
    series, told
        UID of the series, and what to call it.
    order
        By which frames of one place follow each other.
    identity
        Of a copy too.
    shape
        (rows, columns), or with samples of colour.
    position, orientation
        (3,) of the first pixel, (6,) along rows and columns, as DICOM has them: left,
        posterior, superior, in mm. None where the file does not say.
    spacing
        Between rows, between columns, in mm; None as before.
    thickness
        To the next slice, as far as a single one tells; in mm.
    rescale
        Slope and intercept.
    bits, signed
        Of a stored value.
    localizer
        Whether it was taken to plan others on.
    """

    source: Source
    index: int
    series: str
    told: str
    order: tuple[int, str, int]
    identity: tuple[str, int]
    shape: tuple[int, ...]
    position: NDArray[np.float64] | None
    orientation: NDArray[np.float64] | None
    spacing: tuple[float, float] | None
    thickness: float
    rescale: tuple[float, float]
    bits: int
    signed: bool
    localizer: bool

    @property
    def placed(self) -> bool:
        """Whether it says where it lies."""
        return all(
            each is not None for each in (self.position, self.orientation, self.spacing)
        )


def is_zip(path: Path) -> bool:
    """Tell whether a path is that of a zip."""
    return path.suffix.lower() == ZIP


def sources_in(path: Path) -> list[Source]:
    """Return what may be DICOM in a folder or a zip, or beside a file and it itself."""
    if is_zip(path):
        with explained(path, "a zip"), zipfile.ZipFile(path) as archive:
            inside = [Source(path, each.filename) for each in archive.infolist()]
        return [each for each in inside if not each.member.endswith("/")]
    if path.is_dir():
        return [Source(file) for file in files_in(path)]
    beside = (file for file in path.parent.iterdir() if file.name[0] != ".")
    return [Source(file) for file in natural(beside) if file.is_file()]


def frames_of(source: Source) -> list[Frame]:
    """Return the pictures in a file, none if it is not DICOM or holds no image.

    Raises
    ------
    ValueError, OSError
        If it is DICOM and cannot be read.
    """
    if not _looks_like(source):
        return []
    found = source.read(stop_before_pixels=True, specific_tags=_TAGS)
    if found.get("Modality") in _NO_IMAGES:
        return []
    with source.explained():
        if "Rows" not in found:
            _check_no_image(found)
            return []
        return list(_frames(source, found))


def _check_no_image(found: Dataset) -> None:
    """Check that what has no pixels is not an image that was cut short.

    Raises
    ------
    ValueError
        If it is.
    """
    from pydicom.uid import UID

    meta = getattr(found, "file_meta", {})
    kind = found.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID")
    if kind is None or "Image Storage" in UID(kind).name:
        raise ValueError("it ends before it says how large the image is")


def _looks_like(source: Source) -> bool:
    if str(source).lower().endswith(DICOM):
        return True
    with source.explained(), source.open() as file:
        return file.read(132)[128:] == _MAGIC


def _frames(source: Source, found: Dataset) -> Iterator[Frame]:
    if found.get("PhotometricInterpretation") == "PALETTE COLOR":
        raise FileError(
            f"{source} has colours of a palette: save it as a picture in grey or RGB"
        )
    if "MOSAIC" in (found.get("ImageType") or ()):
        raise FileError(
            f"{source} is a mosaic of slices: convert the series with dcm2niix, and "
            "open the .nii.gz that it makes"
        )
    samples = int(found.get("SamplesPerPixel", 1))
    shape = (int(found.Rows), int(found.Columns), *([samples] if samples > 1 else []))
    series = str(found.get("SeriesInstanceUID", ""))
    title = " ".join(str(found.get("SeriesDescription", "")).split()) or "unnamed"
    number = found.get("InstanceNumber")
    order = int(number) if number is not None else 0
    localizer = "LOCALIZER" in (found.get("ImageType") or ())
    identity = str(found.get("SOPInstanceUID", source))
    for index in range(int(found.get("NumberOfFrames") or 1)):
        groups = _Groups(found, index)
        position = groups.values("PlanePositionSequence", "ImagePositionPatient", 3)
        orientation = groups.values(
            "PlaneOrientationSequence", "ImageOrientationPatient", 6
        )
        if position is not None and orientation is not None:
            position = position + groups.offset(orientation)
        spacing = groups.values("PixelMeasuresSequence", "PixelSpacing", 2)
        if spacing is None:
            spacing = groups.values("PixelMeasuresSequence", "ImagerPixelSpacing", 2)
        yield Frame(
            source,
            index,
            series,
            f"{title!r} ({found.get('Modality', 'image')})",
            (order, str(source), index),
            (identity, index),
            shape,
            position,
            orientation,
            None if spacing is None else (float(spacing[0]), float(spacing[1])),
            groups.number("PixelMeasuresSequence", "SpacingBetweenSlices", 0.0)
            or groups.number("PixelMeasuresSequence", "SliceThickness", 0.0)
            or 1.0,
            (
                groups.number(_RESCALED, "RescaleSlope", 1.0),
                groups.number(_RESCALED, "RescaleIntercept", 0.0),
            ),
            int(found.get("BitsAllocated", 16)),
            bool(found.get("PixelRepresentation", 0)),
            localizer,
        )


class _Groups:
    """What a file says of one of its frames: there, for all frames, or at the top."""

    def __init__(self, found: Dataset, index: int) -> None:
        self._found, self._index = found, index
        each = found.get("PerFrameFunctionalGroupsSequence") or []
        shared = found.get("SharedFunctionalGroupsSequence") or []
        self._groups = [*each[index : index + 1], *shared[:1]]
        self._has_each = bool(each)

    def get(self, group: str, name: str) -> Any:
        for known in self._groups:
            inner = known.get(group) or []
            if inner and inner[0].get(name) is not None:
                return inner[0].get(name)
        return self._found.get(name)

    def number(self, group: str, name: str, default: float) -> float:
        value = self.get(group, name)
        number = default if value in (None, "") else float(value)
        if not isfinite(number) or (name == "RescaleSlope" and not number):
            raise ValueError(f"it has the {name} {value}")
        return number

    def values(self, group: str, name: str, count: int) -> NDArray[np.float64] | None:
        value = self.get(group, name)
        if value is None or not len(value):
            return None
        array = np.asarray([float(each) for each in value])
        if array.shape != (count,) or not np.isfinite(array).all():
            raise ValueError(f"it has the {name} {list(value)}")
        if name in _POSITIVE and not (array > 0).all():
            raise ValueError(f"it has the {name} {list(value)}")
        return array

    def offset(self, orientation: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far the frame lies from the first, where that is told apart."""
        steps = self._found.get("GridFrameOffsetVector")
        if self._has_each or not steps:
            return np.zeros(3)
        along = float(steps[self._index]) - float(steps[0])
        return along * np.cross(orientation[:3], orientation[3:])
