"""Arrays, pictures, folders of sections, MRC; and what is refused."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import tifffile
from skimage.io import imsave

from napari_segnext.files import (
    Geometry,
    is_readable,
    read_image,
    read_prompts,
    write_labels,
)

rng = np.random.default_rng(0)
SECTIONS = rng.integers(0, 255, (12, 20, 30), dtype=np.uint8)


def test_a_numpy_array_is_mapped_and_labels_come_back(tmp_path):
    np.save(tmp_path / "a.npy", SECTIONS)
    image = read_image(tmp_path / "a.npy")
    assert isinstance(image.data, np.memmap)
    write_labels(tmp_path / "l.npy", image.data, image.geometry)
    np.testing.assert_array_equal(np.load(tmp_path / "l.npy"), SECTIONS)


def test_pickled_and_flat_arrays_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match="not a numpy array"):
        read_image(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.zeros(5))
    with pytest.raises(ValueError, match="not an image"):
        read_image(tmp_path / "b.npy")


def test_pictures_are_grey_or_rgb(tmp_path):
    imsave(tmp_path / "grey.png", SECTIONS[0], check_contrast=False)
    imsave(tmp_path / "rgb.png", SECTIONS[:3].transpose(1, 2, 0), check_contrast=False)
    assert read_image(tmp_path / "grey.png").channel is None
    image = read_image(tmp_path / "rgb.png")
    assert image.rgb and image.geometry.shape == (20, 30)


def write_sections(folder: Path, suffix: str) -> None:
    folder.mkdir()
    for number, section in enumerate(SECTIONS):
        file = folder / f"section{number}{suffix}"
        if suffix == ".tif":
            tifffile.imwrite(
                file, section, resolution=(20000, 20000), resolutionunit="CENTIMETER"
            )
        else:
            imsave(file, section, check_contrast=False)
    (folder / "notes.txt").write_text("not a section")


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_a_folder_of_sections_is_a_lazy_stack_in_natural_order(tmp_path, suffix):
    folder = tmp_path / "stack"
    write_sections(folder, suffix)
    image = read_image(folder)
    assert isinstance(image.data, da.Array)
    assert image.data.shape == image.geometry.shape == (12, 20, 30)
    np.testing.assert_array_equal(np.asarray(image.data[10]), SECTIONS[10])
    np.testing.assert_array_equal(image.data.compute(), SECTIONS)
    if suffix == ".tif":
        assert image.scale == pytest.approx((1, 0.5, 0.5))
        assert image.units == ("um",) * 3


def test_an_odd_section_is_named_when_it_is_read(tmp_path):
    folder = tmp_path / "stack"
    write_sections(folder, ".png")
    imsave(folder / "section7.png", SECTIONS[0, :5], check_contrast=False)
    (folder / "section8.png").write_bytes(b"no picture")
    data = read_image(folder).data
    np.testing.assert_array_equal(np.asarray(data[6]), SECTIONS[6])
    with pytest.raises(ValueError, match=r"section7\.png has the shape \(5, 30\)"):
        np.asarray(data[7])
    with pytest.raises(ValueError, match=r"section8\.png is damaged"):
        np.asarray(data[8])


def test_volumes_in_a_folder_are_no_sections(tmp_path):
    voxels = np.zeros((3, 8, 9), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", voxels, photometric="minisblack")
    with pytest.raises(ValueError, match="volumes are named each for itself"):
        read_image(tmp_path)


def test_a_folder_without_sections_is_refused(tmp_path):
    with pytest.raises(ValueError, match="without sections"):
        read_image(tmp_path)


def test_an_mrc_volume_is_mapped_with_voxel_size(tmp_path):
    mrcfile = pytest.importorskip("mrcfile")
    path = tmp_path / "a.mrc"
    with mrcfile.new(path) as file:
        file.set_data(SECTIONS.astype(np.int16))
        file.voxel_size = (40, 40, 500)
        file.header.origin.z = 100
    image = read_image(path)
    np.testing.assert_array_equal(image.data, SECTIONS)
    assert isinstance(image.data, np.memmap) and image.units == ("nm",) * 3
    assert image.scale == pytest.approx((50, 4, 4))
    assert image.translate == pytest.approx((10, 0, 0))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match="not an MRC volume"):
        read_image(path)


def test_without_mrcfile_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mrcfile", None)
    (tmp_path / "a.mrc").write_bytes(b"anything")
    with pytest.raises(OSError, match=r"pip install 'napari-segnext\[mrc\]'"):
        read_image(tmp_path / "a.mrc")


@pytest.mark.parametrize("name", ["a.dcm", "IM0001"])
def test_dicom_is_known_by_its_name_or_its_first_bytes(tmp_path, name):
    folder = tmp_path / "series"
    folder.mkdir()
    (folder / name).write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 99)
    for path in (folder, folder / name):
        with pytest.raises((ValueError, OSError), match=r"DICOM"):
            read_image(path)


SUFFIXES = [".nii", ".nii.gz", ".tif", ".npy", ".png", ".jpg", ".mrc"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_empty_and_missing_files_are_named(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    with pytest.raises(FileNotFoundError, match=f"there is no file .*a{suffix}"):
        read_image(path)
    path.touch()
    with pytest.raises(ValueError, match=f"a{suffix} is empty"):
        read_image(path)


def test_unknown_kinds_are_refused_naming_the_known(tmp_path):
    (tmp_path / "a.xyz").write_text("?")
    with pytest.raises(ValueError, match=r"unknown kind; known are \.nii"):
        read_image(tmp_path / "a.xyz")
    with pytest.raises(ValueError, match=r"choose one of \.nii"):
        write_labels(tmp_path / "l.mrc", np.ones((3, 3)))
    assert not is_readable(tmp_path / "a.xyz") and is_readable(tmp_path / "A.NII.GZ")


@pytest.mark.parametrize("name", ["l.nii.gz", "l.nii", "l.tif", "l.ome.tif", "l.zarr"])
def test_labels_without_geometry_have_unit_voxels(tmp_path, name):
    write_labels(tmp_path / name, SECTIONS)
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.data[...], SECTIONS)
    assert image.scale == (1, 1, 1)


@pytest.mark.parametrize("name", ["l.nii.gz", "l.tif", "l.ome.tif", "l.zarr", "l.npy"])
def test_labels_of_a_2d_image_are_written(tmp_path, name):
    write_labels(tmp_path / name, SECTIONS[0], Geometry.plain((20, 30)))
    data = np.asarray(read_image(tmp_path / name).data[...])
    np.testing.assert_array_equal(data.reshape(20, 30), SECTIONS[0])


def test_reading_and_writing_load_neither_torch_nor_qt(tmp_path):
    np.save(tmp_path / "a.npy", SECTIONS)
    code = (
        "import sys, napari_segnext.files as io\n"
        f"image = io.read_image({str(tmp_path / 'a.npy')!r})\n"
        f"io.write_labels({str(tmp_path / 'l.nii.gz')!r}, image.data)\n"
        "print([m for m in ('torch', 'qtpy', 'napari') if m in sys.modules])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.strip() == "[]", run.stderr


@pytest.mark.parametrize("name", ["a.nii", "a.tif", "a.npy", "a.png", "a"])
def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name} is a pipe"):
        read_image(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name} is a pipe"):
        read_prompts(tmp_path / name)


def test_a_pipe_inside_a_zarr_is_refused_at_once(tmp_path):
    folder = tmp_path / "a.zarr"
    folder.mkdir()
    os.mkfifo(folder / "zarr.json")
    with pytest.raises(ValueError, match="is a pipe"):
        read_image(folder)


@pytest.mark.parametrize("side", [60_000, 2**31 - 1])
def test_a_picture_that_announces_too_much_is_refused(tmp_path, side):
    path = tmp_path / "a.png"
    imsave(path, SECTIONS[0], check_contrast=False)
    raw = bytearray(path.read_bytes())
    raw[16:24] = struct.pack(">II", side, side)
    raw[29:33] = struct.pack(">I", zlib.crc32(raw[12:29]))
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="damaged, incomplete") as caught:
        read_image(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("header", ["{" * 5000, "(" * 3000, "{'shape': (2**70, 9)}"])
def test_an_odd_header_of_numpy_is_one_sentence(tmp_path, header):
    path = tmp_path / "a.npy"
    length = struct.pack("<H", len(header) + 1)
    path.write_bytes(b"\x93NUMPY\1\0" + length + header.encode() + b"\n" + b"\0" * 99)
    with pytest.raises(ValueError, match=r"a\.npy") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)
