"""What is known of an output before anything is computed."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import numpy as np
import pytest

from napari_segnext.files import (
    Geometry,
    LabelPieces,
    check_labels_fit,
    check_output,
    check_store,
    coco,
    pieces,
    read_image,
    tiff,
    write_labels,
)

SHAPE = (5, 30, 42)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "scan.npy"
    np.save(path, np.zeros(SHAPE, np.uint8))
    return path


@pytest.mark.parametrize("spelling", ["same", "link", "hard link", "dots", "folder"])
@pytest.mark.parametrize("overwrite", [True, False])
def test_an_input_is_never_an_output(scan, spelling, overwrite):
    out = scan.with_name("other.npy")
    match spelling:
        case "same":
            out = scan
        case "link":
            out.symlink_to(scan)
        case "hard link":
            os.link(scan, out)
        case "dots":
            out = scan.parent / "a" / ".." / scan.name
            (scan.parent / "a").mkdir()
        case "folder":
            (scan.parent / "linked").symlink_to(scan.parent)
            out = scan.parent / "linked" / scan.name
    with pytest.raises(ValueError, match=r"scan\.npy itself, which is read"):
        check_output(out, [scan.with_name("none"), scan], overwrite)


def test_nothing_is_written_into_an_image_or_around_it(tmp_path):
    image = tmp_path / "stack.zarr"
    write_labels(image, np.ones(SHAPE, np.uint8))
    with pytest.raises(ValueError, match="lies in"):
        check_output(image / "labels.tif", [image])
    with pytest.raises(ValueError, match=r"stack\.zarr holds"):
        check_output(image, [image / "0"])
    with pytest.raises(ValueError, match="lies in"):
        check_store(image / "embeddings", image)
    check_output(tmp_path / "labels.tif", [image])
    check_store(tmp_path / "new" / "embeddings", image)
    assert [p.name for p in tmp_path.iterdir()] == ["stack.zarr"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no/such/l.npy", "there is no folder .*no/such; make it first"),
        ("scan.npy/l.npy", "scan.npy is not a folder"),
        (f"{'y' * 300}.npy", "File name too long"),
        ("loop.npy", "Too many levels of symbolic links"),
        ("there.npy", "exists; choose another name or add --overwrite"),
    ],
)
def test_an_output_that_cannot_be_written_is_named(scan, name, why):
    scan.with_name("loop.npy").symlink_to("loop.npy")
    scan.with_name("there.npy").touch()
    out = scan.parent / name
    with pytest.raises(OSError, match=why) as told:
        check_output(out, [scan], overwrite=False)
    assert str(out) in str(told.value)


@pytest.mark.skipif(os.name != "posix" or not os.geteuid(), reason="root may write")
def test_a_folder_without_the_right_is_told(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match=r"l\.npy was not written"):
        check_output(tmp_path / "l.npy")


def test_a_full_disk_is_told(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match=r"l\.npy was not written"):
            check_output(tmp_path / "l.npy")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


LARGEST = {
    **dict.fromkeys((".nii", ".nii.gz", ".npy", ".zarr", ".json"), 2**63 - 1),
    **dict.fromkeys((".tif", ".ome.tif"), 2**32 - 1),
}


@pytest.mark.parametrize(("suffix", "largest"), LARGEST.items())
def test_a_format_holds_what_is_said_and_refuses_more(tmp_path, suffix, largest):
    path = tmp_path / f"l{suffix}"
    geometry = Geometry.plain(SHAPE)
    check_labels_fit(path, geometry, largest)
    with pytest.raises(ValueError, match=f"l{suffix} cannot hold labels up to"):
        check_labels_fit(path, geometry, largest + 1)
    assert list(tmp_path.iterdir()) == []
    labels = np.zeros(SHAPE, np.int64)
    labels[1:3, 4:20, 5] = largest
    write_labels(path, labels)
    if suffix != ".json":
        np.testing.assert_array_equal(np.asarray(read_image(path).data), labels)


def test_room_for_what_is_not_compressed_is_looked_for(tmp_path):
    huge = Geometry.plain((30_000, 30_000, 30_000))
    with pytest.raises(OSError, match=r"needs 27000\.0 GB"):
        check_labels_fit(tmp_path / "l.nii", huge, 1)
    check_labels_fit(tmp_path / "l.nii.gz", huge, 1)


class Slices(LabelPieces):
    """Labels of which no more than a given number of pixels is read at a time."""

    def __init__(self, labels: np.ndarray, most: int) -> None:
        self.shape, self.dtype = labels.shape, labels.dtype
        self._labels, self._most = labels, most

    def __getitem__(self, part):
        piece = self._labels[part]
        assert piece.size <= self._most
        return piece


@pytest.mark.parametrize("shape", [(300, 420), (4, 60, 84), (2, 3, 60, 84)])
@pytest.mark.parametrize("suffix", [*LARGEST])
def test_written_piece_by_piece_or_at_once_it_is_the_same(
    tmp_path, monkeypatch, suffix, shape
):
    labels = np.random.default_rng(0).integers(0, 9, shape, dtype=np.uint8)
    labels[..., :40, :] = 0
    write_labels(tmp_path / f"whole{suffix}", labels)
    for module in (pieces, tiff, coco):
        monkeypatch.setattr(module, "PIECE", 4000)
    monkeypatch.setattr(tiff, "_TILE", 16)
    path = tmp_path / f"pieces{suffix}"
    # A zarr is written in whole chunks, an ImageJ TIFF in whole pages.
    most = {".zarr": 16 * 256 * 4096, ".tif": shape[-2] * shape[-1]}.get(suffix, 4000)
    write_labels(path, Slices(labels, most))
    if suffix == ".json":
        whole = (tmp_path / "whole.json").read_text().replace("whole", "pieces")
        assert path.read_text() == whole
    else:
        read = np.asarray(read_image(path).data).reshape(shape)
        np.testing.assert_array_equal(read, labels)


def test_labels_without_anything_take_no_room(tmp_path):
    class Nothing(LabelPieces):
        shape, dtype = (200, 3000, 3000), np.dtype(np.uint8)

        def __getitem__(self, part):
            return np.zeros([each.stop - each.start for each in part], np.uint8)

    write_labels(tmp_path / "l.npy", Nothing())
    assert (tmp_path / "l.npy").stat().st_size > 1_800_000_000
    assert (tmp_path / "l.npy").stat().st_blocks * 512 < 1_000_000


@pytest.mark.parametrize("name", ["l.nii", "l.nii.gz", "l.tif"])
def test_labels_that_find_no_room_are_told_beforehand(tmp_path, name):
    with pytest.raises(OSError, match=rf"{name} needs .* GB are free"):
        check_labels_fit(tmp_path / name, Geometry.plain((10**6,) * 3), 5)
    check_labels_fit(tmp_path / "l.zarr", Geometry.plain((10**6,) * 3), 5)
