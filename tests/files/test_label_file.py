"""Labels of other programs, on the grid of the image that they belong to."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import zarr

from napari_segnext.files import Geometry, read_image, write_labels
from napari_segnext.files.categories import Category, Named
from napari_segnext.files.label_file import read_labels

SHAPE = (4, 12, 10)
# A number that no smaller type than uint32 holds, and one that some do.
FAR, NEAR = 2**32 - 1, 70_000


@pytest.fixture
def labels() -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint32)
    labels[1:3, 2:6, 3:7], labels[2:, 8:11, 1:4] = FAR, NEAR
    labels[2, 4, 4] = 0
    return labels


def nifti(path: Path, array: np.ndarray, affine: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, affine, dtype=array.dtype), path)
    return path


def whole(path: Path, image: Geometry) -> np.ndarray:
    data = read_labels(path, image).data
    return np.asarray(data[tuple(slice(0, n) for n in data.shape)])


@pytest.mark.parametrize("name", ["l.nii.gz", "l.ome.tif", "l.tif", "l.zarr", "l.json"])
def test_labels_come_back_as_they_were_written(labels, name, tmp_path):
    where = Geometry.plain(
        SHAPE, scale=(4.0, 0.5, 0.5), translate=(8.0, 0.0, 1.0), units=("um",) * 3
    )
    kind = Category(3, "axon")
    legend = {FAR: Named("left", kind), NEAR: Named("right")}
    write_labels(tmp_path / name, labels, where, legend)
    found = read_labels(tmp_path / name, where)
    np.testing.assert_array_equal(whole(tmp_path / name, where), labels)
    assert not found.moved
    if name in ("l.zarr", "l.json"):
        assert found.legend == legend


def test_nifti_stored_the_other_way_round_is_turned(labels, tmp_path):
    stored = labels.T
    image = nifti(
        tmp_path / "i.nii", stored.astype(np.float32), np.diag([-1, -1, 2, 1])
    )
    affine = np.diag([1.0, -1, 2, 1])
    affine[0, 3] = -(SHAPE[2] - 1)
    other = nifti(tmp_path / "l.nii", stored[::-1], affine)
    geometry = read_image(image).geometry
    np.testing.assert_array_equal(whole(other, geometry), labels)


def test_a_part_and_a_coarser_grid_are_brought_onto_the_image(labels, tmp_path):
    geometry = read_image(
        nifti(tmp_path / "i.nii", labels.T.astype(np.float32), np.diag([-1, -1, 2, 1]))
    ).geometry
    affine = np.diag([-1.0, -1, 2, 1])
    affine[:3, 3] = -3, -2, 2
    part = nifti(tmp_path / "part.nii", labels[1:3, 2:6, 3:7].T, affine)
    expected = np.zeros_like(labels)
    expected[1:3, 2:6, 3:7] = labels[1:3, 2:6, 3:7]
    np.testing.assert_array_equal(whole(part, geometry), expected)
    assert read_labels(part, geometry).moved

    half = np.diag([-2.0, -2, 2, 1])
    half[:2, 3] = -0.5
    coarse = nifti(tmp_path / "half.nii", labels[:, ::2, ::2].T, half)
    doubled = labels[:, ::2, ::2].repeat(2, 1).repeat(2, 2)
    np.testing.assert_array_equal(whole(coarse, geometry), doubled)


@pytest.mark.parametrize(
    ("shape", "affine", "said"),
    [
        ((10, 12, 5), np.eye(4), r"5 x 12 x 10 voxels .* the image is 4 x 12 x 10"),
        ((10, 12, 4), np.diag([-3.0, -3, 2, 1]), "save the labels on the image's grid"),
        (
            (10, 12, 4),
            np.array(
                [[-0.8, 0.6, 0, 0], [-0.6, -0.8, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]
            ),
            "turned against the image",
        ),
    ],
)
def test_what_cannot_be_brought_onto_the_image_says_how_it_differs(
    shape, affine, said, tmp_path
):
    image = nifti(
        tmp_path / "i.nii", np.zeros((10, 12, 4), np.uint8), np.diag([-1, -1, 2, 1])
    )
    other = nifti(tmp_path / "l.nii", np.zeros(shape, np.uint8), affine)
    with pytest.raises(ValueError, match=said):
        read_labels(other, read_image(image).geometry)


def test_coco_of_other_programs(tmp_path):
    counts = [0, 3, 9, 2, 22]
    square = [[2.0, 1.0, 5.0, 1.0, 5.0, 4.0, 2.0, 4.0]]
    content = {
        "images": [{"id": 7, "file_name": "a.png", "height": 6, "width": 6}],
        "categories": [{"id": 0, "name": "cell"}, {"id": 1, "name": "nucleus"}],
        "annotations": [
            {
                "id": 11,
                "image_id": 7,
                "category_id": 1,
                "segmentation": {"size": [6, 6], "counts": counts},
            },
            {"id": 12, "image_id": 7, "category_id": 0, "segmentation": square},
        ],
    }
    path = tmp_path / "cells.json"
    path.write_text(json.dumps(content))
    plain = Geometry.plain((6, 6))
    found = read_labels(path, plain)
    expected = np.zeros((6, 6), int)
    expected[1:4, 2:5] = 2
    runs = np.repeat(np.arange(5) % 2, counts).reshape(6, 6).T == 1
    expected[runs] = 1
    np.testing.assert_array_equal(whole(path, plain), expected)
    assert [n.category.name for n in found.legend.values()] == ["nucleus", "cell"]
    # The same runs, as pycocotools compresses them.
    content["annotations"][0]["segmentation"]["counts"] = "039O="
    path.write_text(json.dumps(content))
    np.testing.assert_array_equal(whole(path, plain), expected)
    with pytest.raises(ValueError, match="6 x 6 pixels, and the planes of the image 8"):
        read_labels(path, Geometry.plain((8, 8)))


def test_labels_that_lie_in_an_ome_zarr_image(labels, tmp_path):
    path = tmp_path / "image.zarr"
    write_labels(path, np.ones(SHAPE, np.uint8))
    image = zarr.open_group(path)
    image.attrs["ome"] = {"multiscales": image.attrs["ome"]["multiscales"]}
    image.create_group("labels").attrs["ome"] = {"labels": ["cells.zarr"]}
    write_labels(path / "labels" / "cells.zarr", labels)
    plain = Geometry.plain(SHAPE)
    for place in (path, path / "labels", path / "labels" / "cells.zarr"):
        np.testing.assert_array_equal(whole(place, plain), labels)
    image["labels"].attrs["ome"] = {"labels": ["cells.zarr", "nuclei"]}
    with pytest.raises(ValueError, match="zarr, nuclei: open one of them"):
        read_labels(path, plain)


def test_a_prompts_file_is_no_file_of_annotations(tmp_path):
    path = tmp_path / "prompts.json"
    path.write_text('{"version": 1, "objects": []}')
    with pytest.raises(ValueError, match="is a prompts file: load it as prompts"):
        read_labels(path, Geometry.plain(SHAPE))
