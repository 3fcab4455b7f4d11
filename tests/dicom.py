"""Series of DICOM for tests, made with pydicom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom", reason="needs the extra `dicom`")

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset  # noqa: E402
from pydicom.uid import (  # noqa: E402
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)

AXIAL = (1, 0, 0, 0, 1, 0)
SAGITTAL = (0, 1, 0, 0, 0, -1)
# Rows and columns turned by 20 degrees around the patient's x.
OBLIQUE = (1, 0, 0, 0, 0.93969262, 0.34202014)


def header(**values: Any) -> FileDataset:
    """Return an MR image of a patient, without place and pixels."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    made.SOPClassUID = MRImageStorage
    made.SOPInstanceUID = generate_uid()
    made.PatientName, made.PatientID = "Doe^Jane", "4711"
    made.PatientBirthDate, made.PatientSex = "19700101", "F"
    made.StudyInstanceUID = made.SeriesInstanceUID = made.FrameOfReferenceUID = "1.2.3"
    made.StudyID, made.StudyDate, made.StudyTime = "1", "20260101", "120000"
    made.AccessionNumber = made.ReferringPhysicianName = ""
    made.Modality, made.SeriesNumber, made.SeriesDescription = "MR", 3, "T1"
    made.Manufacturer, made.ImageType = "none", ["ORIGINAL", "PRIMARY", "M"]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation = 15, 0
    for name, value in values.items():
        setattr(made, name, value)
    meta.MediaStorageSOPClassUID = made.SOPClassUID
    meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made


def save(made: FileDataset, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)


def normal(orientation: tuple[float, ...]) -> np.ndarray:
    return np.cross(orientation[:3], orientation[3:])


def write_series(
    folder: Path,
    voxels: np.ndarray,
    orientation: tuple[float, ...] = AXIAL,
    origin: tuple[float, ...] = (-10.0, -20.0, 30.0),
    spacing: tuple[float, float] = (0.5, 0.75),
    step: float = 3.0,
    leave_out: tuple[int, ...] = (),
    **values: Any,
) -> list[Path]:
    """Write (slice, row, column) as a file for each slice, the last one first."""
    paths = []
    for n, picture in enumerate(voxels):
        if n in leave_out:
            continue
        made = header(**values)
        made.InstanceNumber = n + 1
        place = np.asarray(origin) + n * step * normal(orientation)
        made.ImagePositionPatient = [f"{each:.6f}" for each in place]
        made.ImageOrientationPatient = list(orientation)
        made.PixelSpacing, made.SliceThickness = list(spacing), step
        made.Rows, made.Columns = picture.shape[:2]
        made.PixelData = picture.astype(np.uint16).tobytes()
        paths.append(folder / f"IM{len(voxels) - n:04d}")
        save(made, paths[-1])
    return paths


def write_enhanced(
    path: Path,
    voxels: np.ndarray,
    order: list[int],
    slopes: list[float] | None = None,
    step: float = 3.0,
) -> None:
    """Write (slice, row, column) as one file, whose frames are slices in any order."""
    made = header(SOPClassUID=EnhancedMRImageStorage, NumberOfFrames=len(voxels))
    made.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    made.InstanceNumber = 1
    made.Rows, made.Columns = voxels.shape[1:]
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = list(AXIAL)
    measures.PixelSpacing, measures.SliceThickness = [0.5, 0.75], step
    shared.PlaneOrientationSequence = [orientation]
    shared.PixelMeasuresSequence = [measures]
    made.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for n in order:
        group, place, values = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [-10.0, -20.0, 30.0 + n * step]
        group.PlanePositionSequence = [place]
        if slopes is not None:
            values.RescaleSlope, values.RescaleIntercept = slopes[n], 1.0
            values.RescaleType = "US"
            group.PixelValueTransformationSequence = [values]
        groups.append(group)
    made.PerFrameFunctionalGroupsSequence = groups
    made.PixelData = voxels[order].astype(np.uint16).tobytes()
    save(made, path)
