"""Labels as a segmentation of DICOM that refers to its source, through highdicom.

One that is read becomes labels again, of whatever program it comes.
"""

# nibabel annotates only some of its functions.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from nibabel.orientations import apply_orientation
from numpy.typing import NDArray

from napari_segnext.files.categories import Legend, Named
from napari_segnext.files.checks import explained
from napari_segnext.files.dicom import TO_RAS, DicomGrid
from napari_segnext.files.image import Geometry, ImageFile
from napari_segnext.files.nifti import Grid, shown
from napari_segnext.files.pieces import Sliceable

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription

_PROGRAM = "napari-segnext"
# What the format has numbers for, and room for in the name of a segment.
_MOST_SEGMENTS, _LONGEST_NAME = 65_535, 64
# Up to so many bytes slices without labels are written too, so that whoever reads it
# finds the grid of the source.
_WHOLE = 1 << 26
# Headers are written with so few digits, of NIfTI in single precision.
_SAME_GRID = 1e-3


def check_seg(path: Path, geometry: Geometry) -> None:
    """Check that labels of an image can be written as a segmentation of DICOM.

    Raises
    ------
    ValueError
        If the image is none of DICOM, or one with time.
    OSError
        If highdicom is not installed.
    """
    if not isinstance(geometry.source, DicomGrid):
        raise ValueError(
            f"{path.name} is a segmentation of DICOM, which refers to a volume of "
            "DICOM, and the image is none: choose .nii.gz or another format"
        )
    if geometry.others:
        raise ValueError(
            f"{path.name} has no place for time, and the image has "
            f"{geometry.shape[0]} volumes: choose .nii.gz"
        )
    _highdicom(path)


def write_seg(
    path: Path, labels: Sliceable, geometry: Geometry, legend: Legend | None = None
) -> None:
    """Write labels as a segmentation of DICOM: a segment for each value, in order.

    Parameters
    ----------
    labels
        On the displayed grid.
    geometry
        Of the image, which was read from DICOM. Its files are read again, for what a
        segmentation has to say of patient and study.
    legend
        What the values are called.

    Raises
    ------
    ValueError, OSError
        As `check_seg`, if there are no labels or too many, or the source cannot be
        read any more.
    """
    check_seg(path, geometry)
    import highdicom as hd

    grid: DicomGrid = geometry.source
    numbers, values = _numbered(labels, grid)
    sources = [each.read(stop_before_pixels=True) for each in grid.sources]
    first = sources[0]
    volume = hd.Volume(
        numbers,
        grid.lps,
        coordinate_system="PATIENT",
        frame_of_reference_uid=first.FrameOfReferenceUID,
    )
    written = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=volume,
        segmentation_type="BINARY",
        segment_descriptions=_descriptions(values, legend or {}),
        omit_empty_frames=len(values) * numbers.size > 8 * _WHOLE,
        series_instance_uid=hd.UID(),
        series_number=int(first.get("SeriesNumber") or 0) + 1000,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer=_PROGRAM,
        manufacturer_model_name=_PROGRAM,
        software_versions=version(_PROGRAM),
        device_serial_number="1",
        content_label="SEGMENTATION",
        series_description=f"{_PROGRAM} {date.today().isoformat()}",
    )
    written.save_as(path)


def read_seg(path: Path, image: Geometry) -> tuple[ImageFile, Legend]:
    """Read a segmentation of DICOM as labels, with what its segments are called.

    Where segments overlap, the one with the larger number is on top.

    Parameters
    ----------
    image
        Where the image lies that they belong to.

    Returns
    -------
    Labels on the grid of that image if it is the segmentation's, but for slices without
    labels, else on the segmentation's own; and names by value, which is the number of
    the segment

    Raises
    ------
    OSError
        If highdicom is not installed.
    ValueError
        If it is no segmentation, or a damaged one.
    """
    hd = _highdicom(path)
    with explained(path, "a segmentation of DICOM"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = hd.seg.segread(path)
        volume = found.get_volume(combine_segments=True, skip_overlap_checks=True)
        names = {
            number: Named(str(found.get_segment_description(number).SegmentLabel))
            for number in found.segment_numbers
        }
    if isinstance(image.source, Grid):
        lps = (TO_RAS @ image.source.affine)[:, [2, 1, 0, 3]]
        wanted = hd.VolumeGeometry(lps, image.source.shape[::-1], "PATIENT")
        with suppress(RuntimeError):
            volume = volume.match_geometry(wanted, tol=_SAME_GRID)
    affine = TO_RAS @ volume.affine[:, [2, 1, 0, 3]]
    numbers = np.asarray(volume.array, np.uint16)
    return shown(nib.Nifti1Image(numbers.T, affine)), names


def _highdicom(path: Path) -> Any:
    try:
        import highdicom
    except ImportError as error:
        raise OSError(
            f"{path.name} needs the package highdicom: "
            "pip install 'napari-segnext[dicom]'"
        ) from error
    return highdicom


def _numbered(
    labels: Sliceable, grid: DicomGrid
) -> tuple[NDArray[np.uint16], list[int]]:
    """Return the number of a segment in each voxel, (slice, row, column), and values.

    Segments are numbered from 1 in the order of their values.
    """
    whole = np.asarray(labels[tuple(slice(0, n) for n in labels.shape)])
    stored = apply_orientation(whole.T, grid.from_display()).T
    values = [int(value) for value in np.unique(stored) if value]
    if not values:
        raise ValueError("there are no labels, and a segmentation needs one")
    if len(values) > _MOST_SEGMENTS:
        raise ValueError(f"a segmentation has no numbers for {len(values)} objects")
    numbers = np.searchsorted([0, *values], stored)
    return np.ascontiguousarray(numbers, np.uint16), values


def _descriptions(values: list[int], legend: Legend) -> list[SegmentDescription]:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    made_by = hd.AlgorithmIdentificationSequence(
        name=_PROGRAM,
        family=codes.DCM.ArtificialIntelligence,
        version=version(_PROGRAM),
    )
    return [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=_name(value, legend)[:_LONGEST_NAME],
            segmented_property_category=codes.SCT.Tissue,
            segmented_property_type=codes.SCT.Tissue,
            algorithm_type="SEMIAUTOMATIC",
            algorithm_identification=made_by,
        )
        for number, value in enumerate(values, 1)
    ]


def _name(value: int, legend: Mapping[int, Any]) -> str:
    return legend[value].name if value in legend else f"Object {value}"
