"""Series of DICOM become volumes that lie where they lay; what does not is refused."""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
from tests.dicom import (
    AXIAL,
    OBLIQUE,
    SAGITTAL,
    header,
    normal,
    pydicom,
    save,
    write_enhanced,
    write_series,
)

from napari_segnext.files import read_image, write_labels
from napari_segnext.files.contents import images_in, is_several

highdicom = pytest.importorskip("highdicom", reason="needs the extra `dicom`")


@pytest.fixture
def voxels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4000, (6, 8, 10))


def refused(path: Path) -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        np.asarray(read_image(path).data)
    told = str(caught.value)
    assert "\n" not in told and "Jane" not in told and "4711" not in told
    return told


def test_slices_are_sorted_by_where_they_lie(tmp_path, voxels) -> None:
    write_series(tmp_path / "t1", voxels)
    image = read_image(tmp_path / "t1")
    assert image.data.dtype == np.uint16
    np.testing.assert_array_equal(image.data, voxels)
    assert image.scale == (3, 0.5, 0.75)
    assert image.translate == (30, -20, -10)
    assert image.units == ("mm",) * 3
    assert image.axis_labels == ("z", "y", "x")


@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, OBLIQUE])
def test_a_series_lies_where_highdicom_and_nifti_say(tmp_path, voxels, orientation):
    """Slices along any direction, against the two other ways to say it."""
    paths = write_series(tmp_path / "t1", voxels, orientation)
    image = read_image(tmp_path / "t1")
    known = highdicom.get_volume_from_series([pydicom.dcmread(p) for p in paths])
    place = np.argwhere(known.array == known.array.max())[0]
    world = (known.affine @ [*place, 1])[:3]
    shown = np.argwhere(np.asarray(image.data) == known.array.max())[0]
    if orientation != OBLIQUE:
        at = np.array(image.translate) + shown * image.scale
        np.testing.assert_allclose(at[::-1], world, atol=1e-4)
    out = tmp_path / "labels.nii.gz"
    write_labels(out, np.asarray(image.data), image.geometry)
    written = nibabel.load(out)
    stored = np.argwhere(np.asarray(written.dataobj) == known.array.max())[0]
    ras = (written.affine @ [*stored, 1])[:3]
    np.testing.assert_allclose(ras * [-1, -1, 1], world, atol=1e-4)


def test_labels_become_a_segmentation_on_the_grid_of_the_source(tmp_path, voxels):
    for orientation in (AXIAL, SAGITTAL, OBLIQUE):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        paths = write_series(folder / "t1", voxels, orientation)
        image = read_image(folder / "t1")
        labels = np.zeros(image.data.shape, np.uint16)
        labels[1:4, 2:5, 3:6], labels[4, 1, 1] = 7, 300
        write_labels(folder / "seg.dcm", labels, image.geometry)
        made = highdicom.seg.segread(folder / "seg.dcm")
        known = highdicom.get_volume_from_series([pydicom.dcmread(p) for p in paths])
        found = made.get_volume(combine_segments=True)
        assert known.geometry_equal(found)
        assert {2: found.array.max(), 300: (found.array == 2).sum()} == {2: 2, 300: 1}
        # Where a label lies, the image has what it has under it on the screen.
        shown = np.sort(np.asarray(image.data)[labels == 7])
        np.testing.assert_array_equal(np.sort(known.array[found.array == 1]), shown)
        assert len(made.get_source_image_uids()) == len(paths)
        assert made.PatientID == "4711" and made.StudyInstanceUID == "1.2.3"


def test_segments_are_called_as_objects_and_classes_are(tmp_path, voxels) -> None:
    from napari_segnext.files.categories import Named

    write_series(tmp_path / "t1", voxels)
    image = read_image(tmp_path / "t1")
    labels = np.zeros(image.data.shape, np.uint8)
    labels[1, 1], labels[2, 2] = 4, 9
    legend = {4: Named("core"), 9: Named("x" * 100)}
    write_labels(tmp_path / "seg.dcm", labels, image.geometry, legend)
    made = highdicom.seg.segread(tmp_path / "seg.dcm")
    names = [made.get_segment_description(n).SegmentLabel for n in (1, 2)]
    assert names == ["core", "x" * 64]


@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, OBLIQUE])
@pytest.mark.parametrize("whole", [True, False])
def test_a_segmentation_is_labels_to_start_from(
    tmp_path, voxels, monkeypatch, orientation, whole
) -> None:
    from napari_segnext.files import dicom_seg
    from napari_segnext.files.categories import Named
    from napari_segnext.files.label_file import read_labels

    # Other programs leave out the slices without labels, which shifts the grid.
    monkeypatch.setattr(dicom_seg, "_WHOLE", (1 << 26) * whole)
    write_series(tmp_path / "t1", voxels, orientation)
    image = read_image(tmp_path / "t1")
    labels = np.zeros(image.data.shape, np.uint16)
    labels[2:4, 2:5, 3:5], labels[4, 3, 4] = 4, 9
    out = tmp_path / "seg.dcm"
    write_labels(out, labels, image.geometry, {4: Named("core")})
    source = read_labels(out, image.geometry)
    found = np.asarray(source.data[:, :, :])
    np.testing.assert_array_equal(found, np.searchsorted([0, 4, 9], labels))
    assert source.legend == {1: Named("core"), 2: Named("Object 9")}
    with pytest.raises(ValueError, match="not a segmentation of DICOM"):
        copy = shutil.copy(tmp_path / "t1" / "IM0001", tmp_path / "a.dcm")
        read_labels(copy, image.geometry)


def test_what_a_segmentation_cannot_hold_is_told(tmp_path, voxels) -> None:
    write_series(tmp_path / "t1", voxels)
    image = read_image(tmp_path / "t1")
    out = tmp_path / "seg.dcm"
    with pytest.raises(ValueError, match="no labels"):
        write_labels(out, np.zeros(image.data.shape, int), image.geometry)
    np.save(tmp_path / "a.npy", voxels)
    other = read_image(tmp_path / "a.npy")
    with pytest.raises(ValueError, match="the image is none"):
        write_labels(out, np.ones(voxels.shape, int), other.geometry)
    shutil.rmtree(tmp_path / "t1")
    with pytest.raises(FileNotFoundError, match="IM000"):
        write_labels(out, np.ones(voxels.shape, int), image.geometry)
    assert not out.exists()


@pytest.mark.parametrize(
    ("slope", "intercept", "dtype"),
    [(1, 0, "uint16"), (1, -1024, "int32"), (2.5, 10, "float32"), (1, 0.5, "float32")],
)
def test_values_are_rescaled(tmp_path, voxels, slope, intercept, dtype) -> None:
    values = {"RescaleSlope": slope, "RescaleIntercept": intercept}
    write_series(tmp_path / "ct", voxels, **values, RescaleType="HU")
    data = read_image(tmp_path / "ct").data
    assert data.dtype == dtype
    np.testing.assert_allclose(data, voxels * slope + intercept, rtol=1e-6)


def test_frames_of_one_file_are_put_in_order_with_their_slopes(tmp_path, voxels):
    slopes = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    write_enhanced(tmp_path / "e.dcm", voxels, [3, 0, 5, 1, 4, 2], slopes)
    for path in (tmp_path / "e.dcm", tmp_path):
        image = read_image(path)
        expected = voxels * np.array(slopes)[:, None, None] + 1
        np.testing.assert_allclose(image.data, expected, rtol=1e-6)
        assert image.translate == (30, -20, -10) and image.scale == (3, 0.5, 0.75)


def test_a_segmentation_refers_to_frames_of_one_file(tmp_path, voxels) -> None:
    write_enhanced(tmp_path / "e.dcm", voxels, [3, 0, 5, 1, 4, 2])
    image = read_image(tmp_path / "e.dcm")
    labels = np.zeros(voxels.shape, np.uint8)
    labels[2, 3, 4] = 1
    write_labels(tmp_path / "seg.dcm", labels, image.geometry)
    found = highdicom.seg.segread(tmp_path / "seg.dcm").get_volume(
        combine_segments=True
    )
    source = highdicom.imread(tmp_path / "e.dcm").get_volume()
    assert source.geometry_equal(found)
    assert source.array[found.array == 1].tolist() == [voxels[2, 3, 4]]
    np.testing.assert_array_equal(read_image(tmp_path / "e.dcm").data, voxels)


def test_missing_slices_are_told(tmp_path, voxels) -> None:
    write_series(tmp_path / "t1", voxels, leave_out=(2, 3))
    told = refused(tmp_path / "t1")
    assert "2 of 6 slices are missing, between" in told
    assert "there are 9 mm where the others have 3" in told
    assert "IM0005" in told and "IM0002" in told


def test_uneven_and_tilted_slices_are_told(tmp_path, voxels) -> None:
    paths = write_series(tmp_path / "t1", voxels)
    moved = pydicom.dcmread(paths[3])
    moved.ImagePositionPatient = [-10, -20, 30 + 9 + 1.2]
    moved.save_as(paths[3])
    assert "slices are 1.8 to 4.2 mm apart" in refused(tmp_path / "t1")
    for n, path in enumerate(paths):
        tilted = pydicom.dcmread(path)
        tilted.ImagePositionPatient = [-10, -20 + n, 30 + 3 * n]
        tilted.save_as(path)
    told = refused(tmp_path / "t1")
    assert "slices are shifted by 5 mm" in told and "dcm2niix" in told


def test_a_slice_that_lies_aside_of_the_others_is_told(tmp_path, voxels) -> None:
    paths = write_series(tmp_path / "t1", voxels)
    aside = pydicom.dcmread(paths[3])
    aside.ImagePositionPatient = [-10, -16, 30 + 9]
    aside.save_as(paths[3])
    told = refused(tmp_path / "t1")
    assert "slices are shifted by 4 mm" in told and str(paths[3]) in told


def test_a_tilt_of_less_than_a_pixel_is_kept_in_the_geometry(tmp_path, voxels) -> None:
    for n, path in enumerate(write_series(tmp_path / "ct", voxels)):
        tilted = pydicom.dcmread(path)
        tilted.ImagePositionPatient = [-10, -20 + 0.05 * n, 30 + 3 * n]
        tilted.save_as(path)
    image = read_image(tmp_path / "ct")
    assert image.geometry.source.lps[:3, 0] == pytest.approx((0, 0.05, 3))


def test_orientations_that_do_not_go_together_are_told(tmp_path, voxels) -> None:
    write_series(tmp_path / "t1", voxels)
    write_series(tmp_path / "t1" / "more", voxels[:2], SAGITTAL)
    told = refused(tmp_path / "t1")
    assert "of 2 orientations or sizes" in told
    assert "axial 8 x 10, 6 images" in told and "sagittal 8 x 10, 2 images" in told
    # One file of them says which are meant.
    image = read_image(tmp_path / "t1" / "IM0001")
    np.testing.assert_array_equal(image.data, voxels)


def test_a_localizer_is_left_out(tmp_path, voxels) -> None:
    write_series(tmp_path / "t1", voxels)
    localizer = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    write_series(tmp_path / "t1" / "l", voxels[:1], SAGITTAL, **localizer)
    other = {**localizer, "SeriesInstanceUID": "1.2.4"}
    write_series(tmp_path / "t1" / "m", voxels[:1], SAGITTAL, **other)
    np.testing.assert_array_equal(read_image(tmp_path / "t1").data, voxels)


def test_several_series_are_listed_and_one_is_chosen_by_a_file(tmp_path, voxels):
    write_series(tmp_path / "s", voxels)
    second = write_series(
        tmp_path / "s" / "b",
        voxels[:3] + 1,
        SeriesInstanceUID="1.2.9",
        SeriesDescription="T2 FLAIR",
    )
    told = refused(tmp_path / "s")
    assert "holds 2 series" in told
    assert "'T1' (MR), 6 images" in told and "'T2 FLAIR' (MR), 3 images" in told
    named = re.findall(r"images: (\S+?)(?:;|$)", told)
    assert {len(read_image(path).data) for path in named} == {6, 3}
    np.testing.assert_array_equal(read_image(second[1]).data, voxels[:3] + 1)


def test_a_slice_that_comes_twice(tmp_path, voxels) -> None:
    paths = write_series(tmp_path / "t1", voxels)
    # A copy of the same file changes nothing.
    shutil.copy(paths[0], tmp_path / "t1" / "copy")
    np.testing.assert_array_equal(read_image(tmp_path / "t1").data, voxels)
    again = write_series(tmp_path / "t1" / "more", voxels[:1])
    told = refused(tmp_path / "t1")
    assert "slices come 1 to 2 times" in told
    assert paths[0].name in told and again[0].name in told


def test_all_slices_several_times_are_time(tmp_path, voxels) -> None:
    write_series(tmp_path / "dce" / "1", voxels)
    late = write_series(tmp_path / "dce" / "2", voxels + 5)
    for path in late:
        made = pydicom.dcmread(path)
        made.InstanceNumber += 6
        made.save_as(path)
    image = read_image(tmp_path / "dce")
    np.testing.assert_array_equal(image.data, [voxels, voxels + 5])
    assert image.axis_labels == ("t", "z", "y", "x")
    with pytest.raises(ValueError, match="no place for time"):
        write_labels(tmp_path / "s.dcm", np.ones(image.data.shape, int), image.geometry)
    write_labels(tmp_path / "s.nii.gz", np.asarray(image.data), image.geometry)
    np.testing.assert_array_equal(read_image(tmp_path / "s.nii.gz").data, image.data)


def test_a_zip_is_read_as_its_folder_is(tmp_path, voxels) -> None:
    paths = write_series(tmp_path / "t1", voxels)
    packed = tmp_path / "case.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("study/readme.txt", "not an image")
        for path in paths:
            archive.write(path, f"study/t1/{path.name}")
    assert images_in(tmp_path) == [packed, tmp_path / "t1"]
    image = read_image(packed)
    np.testing.assert_array_equal(image.data, voxels)
    labels = np.ones(voxels.shape, np.uint8)
    write_labels(tmp_path / "seg.dcm", labels, image.geometry)
    assert highdicom.seg.segread(tmp_path / "seg.dcm").number_of_segments == 1
    # A zip in a folder is none of its slices; one of something else is named.
    shutil.copy(packed, tmp_path / "t1" / "case.zip")
    np.testing.assert_array_equal(read_image(tmp_path / "t1").data, voxels)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a.txt", "text")
    assert tmp_path / "other.zip" not in images_in(tmp_path)
    assert "other.zip holds no image of DICOM" in refused(tmp_path / "other.zip")
    (tmp_path / "broken.zip").write_bytes(packed.read_bytes()[:500])
    assert "broken.zip is damaged" in refused(tmp_path / "broken.zip")


def test_files_without_pixels_and_damaged_ones_are_named(tmp_path, voxels) -> None:
    paths = write_series(tmp_path / "t1", voxels)
    bare = pydicom.dcmread(paths[2])
    whole = paths[2].read_bytes()
    del bare.PixelData
    bare.save_as(paths[2])
    assert f"{paths[2]} has no pixels" in refused(tmp_path / "t1")
    paths[2].write_bytes(whole[:-40])
    assert paths[2].name in refused(tmp_path / "t1")
    # The last of a series, which would leave no gap.
    paths[2].write_bytes(whole)
    paths[-1].write_bytes(whole[:500])
    assert f"{paths[-1]} is damaged" in refused(tmp_path / "t1")
    paths[-1].write_bytes(whole[:132] + b"garbage")
    assert f"{paths[-1]} is damaged" in refused(tmp_path / "t1")
    report = header(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Modality="SR")
    save(report, tmp_path / "sr" / "report.dcm")
    assert "holds no image of DICOM" in refused(tmp_path / "sr" / "report.dcm")
    assert "holds no image of DICOM" in refused(tmp_path / "sr")
    (tmp_path / "text.dcm").write_text("not DICOM at all")
    assert "text.dcm" in refused(tmp_path / "text.dcm")


@pytest.mark.parametrize("signed", [0, 1])
def test_lossless_jpeg_is_unpacked(tmp_path, voxels, signed) -> None:
    import imagecodecs
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGLosslessSV1

    expected = voxels - 2000 * signed
    for n, path in enumerate(write_series(tmp_path / "t1", voxels)):
        made = pydicom.dcmread(path)
        stored = expected[n].astype(np.int16).view(np.uint16)
        packed = imagecodecs.ljpeg_encode(stored, bitspersample=16)
        made.file_meta.TransferSyntaxUID = JPEGLosslessSV1
        made.PixelRepresentation, made.PixelData = signed, encapsulate([packed])
        made.save_as(path)
    np.testing.assert_array_equal(read_image(tmp_path / "t1").data, expected)


def test_what_nobody_here_unpacks_is_told(tmp_path, voxels) -> None:
    from pydicom.encaps import encapsulate
    from pydicom.uid import HTJ2KLossless

    (path,) = write_series(tmp_path / "t1", voxels[:1])
    made = pydicom.dcmread(path)
    made.file_meta.TransferSyntaxUID = HTJ2KLossless
    made.PixelData = encapsulate([b"packed"])
    made.save_as(path)
    told = refused(tmp_path / "t1")
    assert "is compressed as High-Throughput JPEG 2000" in told
    assert "pip install pylibjpeg" in told


def test_files_of_pydicom_are_read_or_refused(tmp_path) -> None:
    """All that come with it, of many makers, alone in a folder."""
    from pydicom import data

    folder = Path(data.__file__).parent / "test_files"
    shapes = dict[str, tuple[int, ...]]()
    for number, path in enumerate(sorted(folder.rglob("*"))):
        if path.is_file() and path.suffix in ("", ".dcm"):
            place = tmp_path / str(number)
            place.mkdir()
            shutil.copy(path, place / path.name)
            with contextlib.suppress(ValueError, OSError):
                shapes[path.name] = read_image(place / path.name).data.shape
    assert shapes["MR_small.dcm"] == shapes["MR_small_RLE.dcm"] == (1, 64, 64)
    assert shapes["CT_small.dcm"] == (1, 128, 128)
    assert shapes["rtdose.dcm"] == (15, 10, 10)
    assert shapes["examples_ybr_color.dcm"] == (30, 240, 320, 3)
    assert not {"reportsi.dcm", "MR_truncated.dcm", "DICOMDIR"} & set(shapes)
    discs = folder / "dicomdirtests"
    assert read_image(discs / "98892001").data.shape == (5, 16, 16)
    assert "holds 7 series" in refused(discs / "98892003")


def test_what_does_not_belong_to_a_series_is_passed_over(tmp_path, voxels) -> None:
    write_series(tmp_path / "t1", voxels)
    report = header(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Modality="SR")
    save(report, tmp_path / "t1" / "report.dcm")
    (tmp_path / "t1" / "notes.txt").write_text("bright")
    image = read_image(tmp_path / "t1")
    labels = np.ones(voxels.shape, np.uint8)
    write_labels(tmp_path / "t1" / "seg.dcm", labels, image.geometry)
    np.testing.assert_array_equal(read_image(tmp_path / "t1").data, voxels)
    assert "holds no image" in refused(tmp_path / "t1" / "seg.dcm")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PixelSpacing", [0, 0.5]),
        ("RescaleSlope", 0),
        ("ImageOrientationPatient", [1, 0, 0, 1, 0, 0]),
        ("ImagePositionPatient", [1, 2]),
    ],
)
def test_numbers_that_cannot_be_are_told_with_their_file(tmp_path, voxels, name, value):
    paths = write_series(tmp_path / "t1", voxels[:1])
    made = pydicom.dcmread(paths[0])
    setattr(made, name, value)
    made.save_as(paths[0])
    assert str(paths[0]) in refused(tmp_path / "t1")


def test_a_mosaic_is_left_to_a_converter(tmp_path, voxels) -> None:
    mosaic = {"ImageType": ["ORIGINAL", "PRIMARY", "FMRI", "MOSAIC"]}
    write_series(tmp_path / "fmri", voxels, **mosaic)
    assert "is a mosaic of slices: convert" in refused(tmp_path / "fmri")


def test_a_folder_of_series_is_a_folder_of_images(tmp_path, voxels) -> None:
    for name in ("p1", "p2"):
        write_series(tmp_path / name, voxels)
    write_series(tmp_path / "p3" / "study" / "t1", voxels)
    assert is_several(tmp_path) and not is_several(tmp_path / "p1")
    assert [path.name for path in images_in(tmp_path)] == ["p1", "p2", "p3"]
    np.testing.assert_array_equal(read_image(tmp_path / "p3").data, voxels)


def test_pictures_that_do_not_say_where_they_lie_are_opened_one_by_one(
    tmp_path, voxels
) -> None:
    paths = write_series(tmp_path / "cr", voxels)
    for path in paths:
        made = pydicom.dcmread(path)
        del made.PixelSpacing
        made.save_as(path)
    assert "do not say where they lie" in refused(tmp_path / "cr")
    image = read_image(paths[2])
    np.testing.assert_array_equal(image.data, voxels[2])
    assert image.axis_labels == ("y", "x") and image.units == ("pixel",) * 2


def test_a_single_slice_has_its_thickness(tmp_path, voxels) -> None:
    write_series(tmp_path / "t1", voxels[:1], OBLIQUE)
    image = read_image(tmp_path / "t1")
    assert image.data.shape == (1, 8, 10) and image.scale == (3, 0.5, 0.75)
    assert np.allclose(image.geometry.direction[:, 2], normal(OBLIQUE), atol=1e-5)


def test_without_pydicom_it_says_what_to_install(tmp_path, voxels, monkeypatch):
    write_series(tmp_path / "t1", voxels)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    told = refused(tmp_path / "t1")
    assert "pip install 'napari-segnext[dicom]'" in told


def test_layers_hold_nothing_of_a_patient(tmp_path, voxels) -> None:
    from napari_segnext.plugin.readers import get_reader, write_labels_layer

    paths = write_series(tmp_path / "t1", voxels)
    reader = get_reader(str(tmp_path / "t1"))
    assert reader is not None
    ((data, known, kind),) = reader(str(tmp_path / "t1"))
    assert kind == "image" and known["name"] == "t1" and data.shape == voxels.shape
    assert "4711" not in repr(known) and "Jane" not in repr(known)
    meta = {key: known[key] for key in ("scale", "translate", "metadata")}
    out = tmp_path / "seg.dcm"
    assert write_labels_layer(str(out), np.ones(voxels.shape, int), meta) == [str(out)]
    source = highdicom.get_volume_from_series([pydicom.dcmread(p) for p in paths])
    assert source.geometry_equal(highdicom.seg.segread(out).get_volume_geometry())
