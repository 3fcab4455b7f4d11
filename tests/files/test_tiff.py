"""TIFF in its dialects: pixel sizes kept both ways."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import tifffile
import zarr

from napari_segnext.files import Geometry, read_image, write_labels

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


@pytest.mark.parametrize(
    ("resolution", "told", "scale", "units"),
    [
        # Without a unit the ratio is still known.
        ((10, 10), {"spacing": 0.3}, (0.3, 0.1, 0.1), ("pixel",) * 3),
        ((1, 1), {"spacing": 3.0, "unit": "pixel"}, (3, 1, 1), ("pixel",) * 3),
        ((2, 4), {"unit": "mm"}, (1, 0.25, 0.5), ("pixel", "mm", "mm")),
        (
            (10, 5),
            {"spacing": 40, "unit": "um", "zunit": "nm"},
            (40, 0.2, 0.1),
            ("nm", "um", "um"),
        ),
        (
            (10, 5),
            {"spacing": 2, "unit": "um", "yunit": "nm"},
            (2, 0.2, 0.1),
            ("um", "nm", "um"),
        ),
        ((1, 1), {"spacing": -3.0, "unit": "um"}, (3, 1, 1), ("um",) * 3),
        ((1, 1), {"spacing": "nan"}, (1, 1, 1), ("pixel",) * 3),
    ],
)
def test_an_imagej_stack_has_the_unit_of_each_axis_or_none(
    tmp_path, resolution, told, scale, units
):
    path = tmp_path / "a.tif"
    metadata = {"axes": "ZYX", **told}
    tifffile.imwrite(path, STACK, imagej=True, resolution=resolution, metadata=metadata)
    image = read_image(path)
    assert image.scale == pytest.approx(scale) and image.units == units
    write_labels(tmp_path / "l.tif", STACK, image.geometry)
    again = read_image(tmp_path / "l.tif")
    assert again.scale == pytest.approx(scale) and again.units == units


@pytest.mark.parametrize("size", ["nan", "inf", "-1", "0"])
def test_a_pixel_size_that_cannot_be_is_not_believed(tmp_path, size):
    path = tmp_path / "a.ome.tif"
    metadata = {"axes": "ZYX", "PhysicalSizeX": 7.25, "PhysicalSizeY": 2.5}
    tifffile.imwrite(path, STACK, ome=True, metadata=metadata)
    content = path.read_bytes()
    assert b'"7.25"' in content
    path.write_bytes(content.replace(b'"7.25"', f'"{size:4}"'.encode()))
    image = read_image(path)
    assert image.scale == (1, 2.5, 1) and image.units == ("pixel", "um", "pixel")
    write_labels(tmp_path / "l.ome.tif", STACK, image.geometry)


@pytest.mark.parametrize("compression", ["lzw", "jpeg", "zstd", "packbits"])
def test_compressed_pages_are_read(tmp_path, compression):
    path = tmp_path / "a.tif"
    data = np.full((3, 32, 32), 77, np.uint8)
    tifffile.imwrite(path, data, compression=compression, photometric="minisblack")
    np.testing.assert_array_equal(read_image(path).data, data)


def test_without_imagecodecs_the_message_says_what_to_install(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[0], compression="lzw")
    # tifffile keeps what it has once imported.
    code = (
        "import sys; sys.modules['imagecodecs'] = None\n"
        "from napari_segnext.files import read_image\n"
        f"read_image({str(path)!r})\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith(f"OSError: {path} needs a package")
    assert last.endswith("pip install imagecodecs")


def pages(path, heights, **options):
    with tifffile.TiffWriter(path) as file:
        for height in heights:
            page = np.arange(height * 30, dtype=np.uint16).reshape(height, 30)
            file.write(page, photometric="minisblack", metadata=None, **options)


@pytest.mark.parametrize(
    ("heights", "page"),
    [
        ([20] * 8 + [14] * 4, 8),
        ([20] * 8 + [14] + [20] * 3, 8),
        ([20] * 11 + [14], 11),
        ([20] * 4 + [14] + [20] * 30, 4),
    ],
)
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
def test_pages_of_another_size_are_named(tmp_path, heights, page, options):
    path = tmp_path / "a.tif"
    pages(path, heights, **options)
    with pytest.raises(ValueError, match=rf"page {page}\b") as caught:
        read_image(path)
    assert str(caught.value).startswith(str(path))


def test_small_pictures_beside_an_image_are_passed_over(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(STACK[0, ::4, ::4], photometric="minisblack")
        file.write(STACK, photometric="minisblack", resolution=(20000, 20000))
        file.write(STACK[1, ::2, ::2], photometric="minisblack")
        file.write(STACK[1, :19], photometric="minisblack", subfiletype=1)
    np.testing.assert_array_equal(read_image(path).data, STACK)


@pytest.mark.parametrize("large", [False, True])
def test_a_large_image_behind_a_small_picture_is_the_one_that_is_mapped(
    tmp_path, monkeypatch, large
):
    monkeypatch.setattr("napari_segnext.files.tiff._LARGE_BYTES", 100)
    path = tmp_path / "a.tif"
    options = {"compression": "zlib"} if large else {}
    with tifffile.TiffWriter(path) as file:
        file.write(STACK[0, ::4, ::4], photometric="minisblack")
        file.write(STACK, photometric="minisblack", **options)
    data = read_image(path).data
    assert not isinstance(data, np.ndarray) or isinstance(data, np.memmap)
    np.testing.assert_array_equal(data[1], STACK[1])


def test_several_images_are_refused_naming_their_shapes(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(STACK, photometric="minisblack")
        file.write(STACK[0], photometric="minisblack")
    message = r"2 images, of the shapes \(3, 20, 30\), \(20, 30\)"
    with pytest.raises(ValueError, match=message):
        read_image(path)


def test_channels_in_colour_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    data = np.zeros((3, 2, 20, 30, 3), np.uint8)
    tifffile.imwrite(path, data, photometric="rgb", metadata={"axes": "ZCYXS"})
    with pytest.raises(ValueError, match="colours and channels"):
        read_image(path)


@pytest.mark.parametrize("planes", [10**9, 10**30])
def test_planes_that_are_not_there_are_refused(tmp_path, planes):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, STACK, ome=True, metadata={"axes": "ZYX", "Name": "n" * 40})
    content = path.read_bytes()
    assert b'SizeZ="3"' in content
    changed = content.replace(b'SizeZ="3"', f'SizeZ="{planes}"'.encode(), 1)
    # The length of the text, and so all that lies behind it, stays as it was.
    spare = len(changed) - len(content)
    path.write_bytes(changed.replace(b"n" * 40, b"n" * (40 - spare), 1))
    with pytest.raises(ValueError, match="damaged, incomplete") as caught:
        read_image(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


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
    monkeypatch.setattr("napari_segnext.files.tiff._LARGE_BYTES", 100)
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
