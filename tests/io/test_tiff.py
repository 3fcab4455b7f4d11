"""TIFF in its dialects: pixel sizes kept both ways."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import zarr

from napari_segnext.io import Geometry, read_image, write_labels

STACK = np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30)
PLACED = Geometry(
    (3, 20, 30), (0.05, 0.01, 0.02), (0.0,) * 3, ("um",) * 3, ("z", "y", "x")
)


def test_an_imagej_stack_has_its_voxel_size(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        STACK,
        imagej=True,
        resolution=(1 / 0.02, 1 / 0.01),
        metadata={"axes": "ZYX", "spacing": 0.05, "unit": "micron"},
    )
    image = read_image(path)
    np.testing.assert_array_equal(image.data, STACK)
    assert image.axis_labels == ("z", "y", "x") and image.units == ("um",) * 3
    assert image.scale == pytest.approx((0.05, 0.01, 0.02))


def test_an_ome_stack_has_its_voxel_size_and_channels(tmp_path):
    path = tmp_path / "a.ome.tif"
    data = np.stack([STACK, STACK + 1], 1)
    metadata = {
        "axes": "ZCYX",
        "PhysicalSizeX": 4.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 8.0,
        "PhysicalSizeYUnit": "nm",
        "PhysicalSizeZ": 0.04,
        "PhysicalSizeZUnit": "µm",
    }
    tifffile.imwrite(path, data, ome=True, metadata=metadata)
    image = read_image(path)
    np.testing.assert_array_equal(image.data, data)
    assert image.channel == 1 and image.spatial == (0, 2, 3)
    assert image.scale == (0.04, 8, 4) and image.units == ("um", "nm", "nm")


@pytest.mark.parametrize(
    ("unit", "scale", "units"),
    [("CENTIMETER", 0.5, ("um", "um")), ("INCH", 1.0, ("pixel", "pixel"))],
)
def test_centimetres_are_believed_and_printing_resolution_is_not(
    tmp_path, unit, scale, units
):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[0], resolution=(20000, 20000), resolutionunit=unit)
    image = read_image(path)
    assert image.scale == pytest.approx((scale, scale)) and image.units == units


def test_a_plain_stack_is_z_y_x(tmp_path):
    tifffile.imwrite(tmp_path / "a.tiff", STACK, photometric="minisblack")
    image = read_image(tmp_path / "a.tiff")
    assert image.axis_labels == ("z", "y", "x") and image.units == ("pixel",) * 3


def test_colours_are_rgb(tmp_path):
    data = np.zeros((20, 30, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb")
    image = read_image(tmp_path / "a.tif")
    assert image.rgb and image.channel == 2 and image.geometry.shape == (20, 30)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_large_file_is_read_lazily(tmp_path, monkeypatch, compression):
    monkeypatch.setattr("napari_segnext.io.tiff._LARGE_BYTES", 100)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, compression=compression, photometric="minisblack")
    data = read_image(path).data
    assert isinstance(data, np.memmap if compression is None else zarr.Array)
    np.testing.assert_array_equal(data[1], STACK[1])


def test_a_pyramid_is_read_level_by_level(tmp_path):
    path = tmp_path / "a.ome.tif"
    full = np.arange(512 * 512, dtype=np.uint16).reshape(512, 512)
    with tifffile.TiffWriter(path) as file:
        file.write(full, subifds=1, tile=(128, 128), metadata={"axes": "YX"})
        file.write(full[::2, ::2], subfiletype=1, tile=(128, 128))
    image = read_image(path)
    assert image.multiscale and [a.shape for a in image.data] == [
        (512,) * 2,
        (256,) * 2,
    ]
    np.testing.assert_array_equal(image.data[1][:5], full[:10:2, ::2])
    assert image.geometry.shape == (512, 512)


@pytest.mark.parametrize("name", ["l.tif", "l.ome.tif"])
@pytest.mark.parametrize("highest", [200, 60000, 100_000])
def test_labels_come_back_with_voxel_size(tmp_path, name, highest):
    labels = np.zeros((3, 20, 30), np.int64)
    labels[1, 2, 3] = highest
    write_labels(tmp_path / name, labels, PLACED)
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.data, labels)
    assert image.axis_labels == PLACED.axis_labels and image.units == PLACED.units
    assert image.scale == pytest.approx(PLACED.scale)


@pytest.mark.parametrize("name", ["l.tif", "l.ome.tif"])
def test_labels_of_a_series_keep_their_axes(tmp_path, name):
    geometry = Geometry.plain((2, 3, 20, 30))
    write_labels(tmp_path / name, np.ones((2, 3, 20, 30), np.uint8), geometry)
    assert read_image(tmp_path / name).axis_labels == ("t", "z", "y", "x")


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9])
def test_a_truncated_file_is_one_sentence(tmp_path, share):
    path = tmp_path / "a.tif"
    noise = np.random.default_rng(0).integers(0, 255, (9, 64, 64), np.uint8)
    tifffile.imwrite(path, noise, compression="zlib")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match="damaged, incomplete") as caught:
        read_image(path)
    assert str(path) in str(caught.value)


def test_a_wrong_file_is_one_sentence(tmp_path):
    (tmp_path / "a.tif").write_text("not an image at all")
    with pytest.raises(ValueError, match="not a TIFF image"):
        read_image(tmp_path / "a.tif")
