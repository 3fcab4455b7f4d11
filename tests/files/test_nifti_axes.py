"""NIfTI with more axes than space: time, modalities, vectors and colours."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from napari_segnext.files import read_image, write_labels
from napari_segnext.plugin.readers import _LayerPieces


@pytest.mark.parametrize(
    ("step", "unit", "length", "channels"),
    [
        (2.0, "sec", 3, False),
        (1.0, "sec", 4, True),
        (1.0, "sec", 5, False),
        (0.0, "unknown", 4, True),
        (2.0, "unknown", 3, False),
        (1.0, "unknown", 30, False),
        (500.0, "msec", 3, False),
    ],
)
def test_a_fourth_axis_is_time_or_modalities(tmp_path, step, unit, length, channels):
    data = np.arange(120 * length, dtype=np.int16).reshape(4, 5, 6, length)
    image = nib.Nifti1Image(data, np.diag([-1, -1, 2, 1]))
    image.header.set_xyzt_units("mm", unit)
    image.header["pixdim"][4] = step
    nib.save(image, tmp_path / "a.nii.gz")
    read = read_image(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read.data, data.T)
    assert read.spatial == (1, 2, 3)
    if channels:
        assert read.channel == 0 and read.geometry.shape == (6, 5, 4)
        assert read.axis_labels == ("z", "y", "x")
    else:
        assert read.channel is None and read.axis_labels == ("t", "z", "y", "x")
        assert read.scale == (step, 2, 1, 1)
        units = {"sec": "s", "msec": "ms", "unknown": "pixel"}
        assert read.units == (units[unit], "mm", "mm", "mm")
    labels = np.ones(read.geometry.shape, np.uint8)
    write_labels(tmp_path / "l.nii.gz", labels, read.geometry)
    assert read_image(tmp_path / "l.nii.gz").data.shape == labels.shape


def test_vectors_on_the_fifth_axis_are_channels(tmp_path):
    data = np.arange(360, dtype=np.float32).reshape(4, 5, 6, 1, 3)
    nib.save(nib.Nifti1Image(data, np.diag([-1, -1, 2, 1])), tmp_path / "a.nii")
    read = read_image(tmp_path / "a.nii")
    assert read.channel == 0
    np.testing.assert_array_equal(read.data, data[:, :, :, 0].T)


def test_colours_are_read_as_rgb(tmp_path):
    rgb = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    values = np.arange(360, dtype=np.uint8).reshape(4, 5, 6, 3)
    stored = values.copy().view(rgb).reshape(4, 5, 6)
    nib.save(nib.Nifti1Image(stored, np.diag([-1, -1, 1, 1])), tmp_path / "a.nii.gz")
    read = read_image(tmp_path / "a.nii.gz")
    assert read.rgb and read.channel == 3
    np.testing.assert_array_equal(read.data, values.transpose(2, 1, 0, 3))


def test_colours_over_time_have_no_channels(tmp_path):
    rgb = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    values = np.arange(720, dtype=np.uint16).astype(np.uint8).reshape(4, 5, 6, 2, 3)
    stored = values.copy().view(rgb).reshape(4, 5, 6, 2)
    nib.save(nib.Nifti1Image(stored, np.diag([-1, -1, 1, 1])), tmp_path / "a.nii.gz")
    read = read_image(tmp_path / "a.nii.gz")
    assert read.rgb and read.channel_axis is None and read.channel == 4
    assert read.axis_labels == ("t", "z", "y", "x")
    np.testing.assert_array_equal(read.data, values.transpose(3, 2, 1, 0, 4))


def test_labels_of_a_few_times_come_back_as_times(tmp_path):
    from napari_segnext.files import Geometry

    labels = np.arange(2 * 60, dtype=np.uint8).reshape(2, 3, 4, 5)
    write_labels(tmp_path / "l.nii", labels, Geometry.plain(labels.shape))
    read = read_image(tmp_path / "l.nii")
    assert read.labels and read.axis_labels == ("t", "z", "y", "x")
    np.testing.assert_array_equal(read.data, labels)


def test_labels_of_another_source_get_scale_and_offset(tmp_path):
    from napari_segnext.files import Geometry

    geometry = Geometry(
        (3, 4, 5), (40.0, 8.0, 4.0), (400.0, 80.0, 0.0), ("nm",) * 3, ("z", "y", "x")
    )
    labels = np.arange(60).reshape(3, 4, 5)
    write_labels(tmp_path / "l.nii.gz", labels, geometry)
    read = read_image(tmp_path / "l.nii.gz")
    np.testing.assert_array_equal(read.data, labels)
    assert nib.load(tmp_path / "l.nii.gz").header.get_xyzt_units()[0] == "mm"
    assert read.scale == pytest.approx((40e-6, 8e-6, 4e-6))
    assert read.translate == pytest.approx((400e-6, 80e-6, 0))


@pytest.mark.parametrize("pieces", [False, True])
@pytest.mark.parametrize(
    ("names", "stored"),
    [
        ("yx", (5, 4, 1)),
        ("xy", (4, 5, 1)),
        ("zx", (5, 1, 4)),
        ("tyx", (6, 5, 1, 4)),
    ],
)
def test_each_axis_of_labels_gets_its_place(tmp_path, names, stored, pieces):
    from napari_segnext.files import Geometry

    shape = (4, 5, 6)[: len(names)]
    steps = {"t": 2.5, "z": 40.0, "y": 8.0, "x": 4.0}
    units = tuple("s" if name == "t" else "mm" for name in names)
    scale = tuple(steps[name] for name in names)
    geometry = Geometry(shape, scale, (0.0,) * len(names), units, tuple(names))
    labels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    given = _LayerPieces(labels) if pieces else labels
    write_labels(tmp_path / "l.nii", given, geometry)
    image = nib.load(tmp_path / "l.nii")
    assert image.shape == stored
    zooms = [steps[name] if name in names else 1.0 for name in "xyzt"]
    np.testing.assert_allclose(image.header.get_zooms(), zooms[: len(stored)])
    there = [at for at, name in enumerate("xyzt") if name in names]
    order = ["xyzt".index(name) for name in names]
    found = np.asarray(image.dataobj).transpose(
        [*order, *(at for at in range(len(stored)) if at not in there)]
    )
    flipped = [at for at, name in enumerate(names) if name in "xy"]
    shown = np.flip(found.reshape(shape), flipped)
    np.testing.assert_array_equal(shown, labels)


@pytest.mark.parametrize("unit", ["meter", "mm"])
def test_steps_far_below_the_unit_are_kept(tmp_path, unit):
    affine = np.diag([4e-9, 5e-7, 1.5e-6, 1.0])
    affine[:3, 3] = [1.2e-8, 0, 3e-6]
    image = nib.Nifti1Image(np.zeros((3, 4, 5), np.uint8), affine)
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "a.nii")
    read = read_image(tmp_path / "a.nii")
    assert read.scale == pytest.approx((1.5e-6, 5e-7, 4e-9), rel=1e-5)
    assert read.translate[0] == pytest.approx(3e-6, rel=1e-5)
