"""NIfTI in every orientation: shown near to LPS, labels back on the source grid."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform

from napari_segnext.files import nifti, read_image, write_labels

RAS = axcodes2ornt("RAS")
ZOOMS = np.array([0.9, 1.5, 3.0])
ORIGIN = np.array([-40.0, 25.0, -7.5])


def turn(degrees: float) -> np.ndarray:
    """Return a rotation about all three axes."""
    a = np.deg2rad(degrees)
    c, s = np.cos(a), np.sin(a)
    about_x = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return about_x @ about_z


def affine_of(codes: str, shape: tuple[int, ...], degrees: float = 0) -> np.ndarray:
    """Return an affine whose stored axes point as the codes say."""
    ras = np.eye(4)
    ras[:3, :3] = turn(degrees) @ np.diag(ZOOMS)
    ras[:3, 3] = ORIGIN
    to_codes = ornt_transform(RAS, axcodes2ornt(tuple(codes)))
    order = to_codes[:, 0].astype(int)
    ras_shape = tuple(np.array(shape)[order])
    return ras @ inv_ornt_aff(to_codes, ras_shape)


def world_of(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return (*shape, 3): right, anterior, superior of every stored voxel."""
    at = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    return at @ affine[:3, :3].T + affine[:3, 3]


def save(
    path: Path,
    codes: str = "RAS",
    degrees: float = 0,
    shape: tuple[int, ...] = (4, 5, 6),
) -> np.ndarray:
    """Write an image whose voxels number themselves; return its affine."""
    affine = affine_of(codes, shape, degrees)
    data = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    nib.save(nib.Nifti1Image(data, affine), path)
    return affine


ORIENTATIONS = ["RAS", "LPS", "LAS", "ASL", "PIR", "SRA", "IPL"]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_every_voxel_is_shown_at_its_place_in_the_world(tmp_path, codes, suffix):
    path = tmp_path / f"image{suffix}"
    affine = save(path, codes)
    image = read_image(path)
    assert image.axis_labels == ("z", "y", "x") and image.units == ("mm",) * 3
    assert image.scale == pytest.approx(ZOOMS[::-1])
    stored = world_of(affine, (4, 5, 6)).reshape(-1, 3)[np.asarray(image.data)]
    at = np.stack(np.meshgrid(*map(np.arange, image.data.shape), indexing="ij"), -1)
    shown = at * image.scale + image.translate
    np.testing.assert_allclose(shown, stored[..., ::-1] * [1, -1, -1], atol=1e-4)


@pytest.mark.parametrize("codes", ORIENTATIONS)
@pytest.mark.parametrize("degrees", [0, 20])
def test_an_axial_slice_has_anterior_up_and_the_right_on_the_left(
    tmp_path, codes, degrees
):
    affine = save(tmp_path / "a.nii", codes, degrees)
    image = read_image(tmp_path / "a.nii")
    right, anterior, superior = np.moveaxis(
        world_of(affine, (4, 5, 6)).reshape(-1, 3)[np.asarray(image.data)], -1, 0
    )
    assert (np.diff(superior, axis=0) > 0).all()
    assert (np.diff(anterior, axis=1) < 0).all()
    assert (np.diff(right, axis=2) < 0).all()
    first = [superior[0, 0, 0], -anterior[0, 0, 0], -right[0, 0, 0]]
    assert image.translate == pytest.approx(first, abs=1e-4)
    np.testing.assert_allclose(image.header["affine"], affine, atol=1e-5)


@pytest.mark.parametrize("codes", ORIENTATIONS)
@pytest.mark.parametrize("degrees", [0, 20])
def test_labels_return_to_the_source_grid_without_loss(tmp_path, codes, degrees):
    affine = save(tmp_path / "a.nii.gz", codes, degrees)
    image = read_image(tmp_path / "a.nii.gz")
    write_labels(tmp_path / "labels.nii.gz", image.data, image.geometry)
    written = nib.load(tmp_path / "labels.nii.gz")
    source = nib.load(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(written.affine, source.affine)
    np.testing.assert_array_equal(written.dataobj, source.dataobj)
    np.testing.assert_allclose(written.affine, affine, atol=1e-5)
    again = read_image(tmp_path / "labels.nii.gz")
    np.testing.assert_array_equal(again.data, image.data)
    assert again.geometry == image.geometry


@pytest.mark.parametrize("which", ["sform", "qform", "neither", "both"])
def test_both_transforms_of_the_header_come_back_as_they_were(tmp_path, which):
    affine = affine_of("LAS", (4, 5, 6), 10)
    image = nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), affine)
    other = affine_of("LAS", (4, 5, 6), 20)
    image.set_sform(other, 2 if which in ("sform", "both") else 0)
    image.set_qform(affine, 1 if which in ("qform", "both") else 0)
    nib.save(image, tmp_path / "a.nii")
    read = read_image(tmp_path / "a.nii")
    write_labels(tmp_path / "l.nii", read.data, read.geometry)
    before, after = nib.load(tmp_path / "a.nii"), nib.load(tmp_path / "l.nii")
    for name in ("sform_code", "qform_code", "pixdim", "quatern_b", "srow_x"):
        np.testing.assert_array_equal(before.header[name], after.header[name])
    np.testing.assert_array_equal(before.affine, after.affine)


def test_scaled_values_are_read_scaled_and_labels_written_unscaled(tmp_path):
    values = np.linspace(-3, 900, 120, dtype=np.float32).reshape(4, 5, 6)
    image = nib.Nifti1Image(values, np.eye(4))
    image.header.set_data_dtype(np.int16)
    nib.save(image, tmp_path / "a.nii.gz")
    assert nib.load(tmp_path / "a.nii.gz").dataobj.slope != 1
    read = read_image(tmp_path / "a.nii.gz")
    assert read.data.dtype == np.float32
    expected = values[::-1, ::-1].transpose(2, 1, 0)
    np.testing.assert_allclose(read.data, expected, atol=0.02)
    labels = np.arange(120).reshape(read.data.shape)
    write_labels(tmp_path / "l.nii.gz", labels, read.geometry)
    written = nib.load(tmp_path / "l.nii.gz")
    assert written.dataobj.slope == 1 and written.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(read_image(tmp_path / "l.nii.gz").data, labels)


@pytest.mark.parametrize(
    ("highest", "lowest", "dtype"),
    [
        (255, 0, "uint8"),
        (256, 0, "uint16"),
        (65535, 0, "uint16"),
        (65536, 0, "int32"),
        (5, -1, "int16"),
        (2**31, 0, "uint32"),
        (2**40, 0, "int64"),
    ],
)
def test_the_smallest_type_that_holds_all_labels_is_written(
    tmp_path, highest, lowest, dtype
):
    save(tmp_path / "a.nii")
    read = read_image(tmp_path / "a.nii")
    labels = np.zeros(read.data.shape, np.int64)
    labels[1, 2, 3], labels[0, 0, 0] = highest, lowest
    write_labels(tmp_path / "l.nii", labels, read.geometry)
    written = nib.load(tmp_path / "l.nii")
    assert written.get_data_dtype() == dtype
    assert written.header.get_intent()[0] == "label"
    assert int(np.asarray(written.dataobj).max()) == highest


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    ("kind", "at", "value"),
    [
        # Sizes, and where the values begin.
        (nib.Nifti1Image, 40, np.array([3, 32000, 32000, 32000], "<i2")),
        (nib.Nifti1Image, 40, np.array([4, 4, 5, 6, 32000, 32000], "<i2")),
        (nib.Nifti1Image, 108, np.array(np.inf, "<f4")),
        (nib.Nifti1Image, 108, np.array(3e9, "<f4")),
        (nib.Nifti2Image, 16, np.array([3, 60000, 60000, 60000], "<i8")),
        (nib.Nifti2Image, 16, np.array([3, 2**40, 2**40, 2**40], "<i8")),
        (nib.Nifti2Image, 168, np.array(2**62, "<i8")),
    ],
)
def test_what_a_header_announces_is_not_believed(tmp_path, suffix, kind, at, value):
    raw = bytearray(kind(np.ones((4, 5, 6), np.int16), np.eye(4)).to_bytes())
    raw[at : at + value.nbytes] = value.tobytes()
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(raw) if suffix == ".nii.gz" else raw)
    with pytest.raises(ValueError, match="damaged, incomplete") as caught:
        read_image(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_an_image_larger_than_the_memory_is_refused(tmp_path, monkeypatch):
    free = SimpleNamespace(available=1000)
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)
    save(tmp_path / "a.nii.gz", shape=(10, 10, 10))
    with pytest.raises(ValueError, match=r"a\.nii\.gz does not fit into memory"):
        read_image(tmp_path / "a.nii.gz")
    save(tmp_path / "a.nii", shape=(10, 10, 10))
    assert read_image(tmp_path / "a.nii").data.shape == (10, 10, 10)


def test_a_single_slice_is_a_stack_of_one(tmp_path):
    nib.save(nib.Nifti1Image(np.ones((4, 5), np.int16), np.eye(4)), tmp_path / "a.nii")
    assert read_image(tmp_path / "a.nii").data.shape == (1, 5, 4)


def test_nifti_2_stays_nifti_2(tmp_path):
    nib.save(
        nib.Nifti2Image(np.ones((4, 5, 6), np.int16), np.eye(4)), tmp_path / "a.nii"
    )
    read = read_image(tmp_path / "a.nii")
    write_labels(tmp_path / "l.nii", read.data, read.geometry)
    assert isinstance(nib.load(tmp_path / "l.nii"), nib.Nifti2Image)


def test_an_uncompressed_image_is_mapped_not_loaded(tmp_path):
    save(tmp_path / "a.nii")
    data = read_image(tmp_path / "a.nii").data
    while isinstance(data, np.ndarray) and not isinstance(data, np.memmap):
        data = data.base
    assert isinstance(data, np.memmap)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_truncated_image_is_one_sentence(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    rng = np.random.default_rng(0)
    data = rng.integers(0, 999, (20, 20, 20), np.int16)
    nib.save(nib.Nifti1Image(data, np.eye(4)), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match="damaged, incomplete") as caught:
        read_image(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"text, not an image" * 99, b"\0" * 400])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_wrong_file_is_one_sentence(tmp_path, content, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a NIfTI image"):
        read_image(path)


def test_complex_numbers_and_singular_affines_are_refused(tmp_path):
    path = tmp_path / "a.nii"
    nib.save(nib.Nifti1Image(np.ones((3, 3, 3), np.complex64), np.eye(4)), path)
    with pytest.raises(ValueError, match="complex"):
        read_image(path)
    image = nib.Nifti1Image(np.ones((3, 3, 3), np.int16), np.eye(4))
    image.header.set_sform(np.diag([1, 0, 1, 1]), 1)
    image = nib.Nifti1Image(np.ones((3, 3, 3), np.int16), None, image.header)
    nib.save(image, path)
    with pytest.raises(ValueError, match="singular"):
        read_image(path)


def test_labels_that_do_not_fit_leave_the_former_file(tmp_path):
    save(tmp_path / "a.nii")
    read = read_image(tmp_path / "a.nii")
    target = tmp_path / "l.nii"
    write_labels(target, np.ones(read.data.shape, np.uint8), read.geometry)
    before = target.read_bytes()
    with pytest.raises(ValueError, match="do not fit the image"):
        write_labels(target, np.ones((2, 2, 2), np.uint8), read.geometry)
    with pytest.raises(ValueError, match="whole numbers"):
        write_labels(target, np.full(read.data.shape, 0.5), read.geometry)
    assert target.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nii", "l.nii"]


def test_a_write_that_fails_leaves_the_former_file(tmp_path, monkeypatch):
    save(tmp_path / "a.nii")
    read = read_image(tmp_path / "a.nii")
    target = tmp_path / "l.nii.gz"
    write_labels(target, np.ones(read.data.shape, np.uint8), read.geometry)
    before = target.read_bytes()

    def full(*_: object) -> Iterator[bytes]:
        yield b"half"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nifti, "_stored_pieces", full)
    with pytest.raises(OSError, match="No space left"):
        write_labels(target, np.zeros(read.data.shape, np.uint8), read.geometry)
    assert target.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_a_real_volume_and_its_labels_lie_on_each_other(shared, tmp_path):
    folder = shared / "data" / "validation" / "BraTS_volume"
    flair = read_image(folder / "Brats18_2013_3_1_flair.nii.gz")
    truth = read_image(folder / "Brats18_2013_3_1_seg.nii.gz")
    assert flair.data.shape == truth.data.shape == (155, 240, 240)
    assert flair.geometry == truth.geometry
    tumour = np.asarray(truth.data) > 0
    bright = flair.data[tumour].mean()
    for axis in (0, 1, 2):
        assert bright > 1.15 * flair.data[np.flip(tumour, axis)].mean()
    write_labels(tmp_path / "l.nii.gz", truth.data, flair.geometry)
    written = nib.load(tmp_path / "l.nii.gz")
    source = nib.load(folder / "Brats18_2013_3_1_seg.nii.gz")
    np.testing.assert_array_equal(written.dataobj, source.dataobj)
    np.testing.assert_allclose(written.affine, source.affine)
