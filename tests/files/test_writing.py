"""Files appear whole or not at all, whatever happens to the disk."""

from __future__ import annotations

import resource
from contextlib import contextmanager

import numpy as np
import pytest
import zarr

from napari_segnext.files import (
    Geometry,
    ObjectPrompts,
    read_image,
    write_labels,
    write_prompts,
)
from napari_segnext.files.categories import Category, Named
from napari_segnext.geometry.plane import Plane
from napari_segnext.prompts import Prompts

LABELS = np.random.default_rng(0).integers(0, 200, (4, 80, 90)).astype(np.uint8)
FORMATS = (".nii.gz", ".nii", ".tif", ".ome.tif", ".npy", ".zarr", ".json")


@contextmanager
def full_disk(free: int = 3000):
    """Let no file of this process grow beyond some bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("suffix", FORMATS)
def test_full_disk_is_told_and_leaves_the_former_file(tmp_path, suffix):
    path = tmp_path / f"labels{suffix}"
    write_labels(path, np.ones_like(LABELS))
    before = sorted(p.name for p in tmp_path.iterdir())
    with full_disk(), pytest.raises(OSError):
        write_labels(path, LABELS)
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    if suffix != ".json":
        assert (np.asarray(read_image(path).data) == 1).all()


def test_full_disk_leaves_the_former_prompts_file(tmp_path):
    path = tmp_path / "prompts.json"
    clicks = Prompts()
    write_prompts(path, [ObjectPrompts(1, "a", {Plane(): clicks.click(1, 1)})])
    before = path.read_text()
    for at in range(100):
        clicks = clicks.click(at, at)
    with full_disk(), pytest.raises(OSError):
        write_prompts(path, [ObjectPrompts(1, "a", {Plane(): clicks})])
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


def test_zarr_says_what_the_values_are(tmp_path):
    legend = {1: Named("left", Category(7, "cell")), 2: Named("right")}
    write_labels(tmp_path / "l.zarr", np.eye(3, dtype=np.uint8), legend=legend)
    attributes = zarr.open_group(tmp_path / "l.zarr").attrs["ome"]
    assert attributes["image-label"]["properties"] == [
        {"label-value": 1, "name": "left", "class": "cell", "class-value": 7},
        {"label-value": 2, "name": "right"},
    ]


@pytest.mark.parametrize("most", [200, 65_535])
def test_labels_of_a_section_are_a_grey_picture(tmp_path, most):
    labels = LABELS[0].astype(np.uint32)
    labels[3, 4] = most
    write_labels(tmp_path / "l.png", labels)
    again = read_image(tmp_path / "l.png").data
    assert again.dtype.itemsize == (1 if most < 256 else 2)
    np.testing.assert_array_equal(again, labels)


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (LABELS, "is one picture, and the image has 3 axes"),
        (np.full((2, 2), 70_000), "end at 65,535, and there is 70000"),
    ],
)
def test_labels_that_no_picture_holds_are_refused(tmp_path, labels, why):
    with pytest.raises(ValueError, match=why):
        write_labels(tmp_path / "l.png", labels, Geometry.plain(labels.shape))
    assert not list(tmp_path.iterdir())
