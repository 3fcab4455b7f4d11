"""COCO annotations: what a reader of run-length codes finds in them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_segnext.files import Geometry, write_labels
from napari_segnext.files.categories import Category, Named
from napari_segnext.files.label_file import read_labels

LABELS = np.random.default_rng(3).integers(0, 4, (3, 9, 7)).astype(np.uint16)
LABELS[1] = 0
LABELS[2] = 3


def written(tmp_path, labels=LABELS, legend=None, axes=("z", "y", "x")):
    path = tmp_path / "scan.json"
    write_labels(path, labels, Geometry.plain(labels.shape, axes), legend)
    return json.loads(path.read_text())


def decoded(annotation) -> np.ndarray:
    """Follow the definition of the format: runs of off and on, column by column."""
    height, width = annotation["segmentation"]["size"]
    counts = annotation["segmentation"]["counts"]
    pixels = [n % 2 for n, run in enumerate(counts) for _ in range(run)]
    return np.array(pixels, bool).reshape((width, height)).T


def test_runs_give_back_every_object_in_every_plane(tmp_path):
    content = written(tmp_path)
    again = np.zeros_like(LABELS)
    for annotation in content["annotations"]:
        mask = decoded(annotation)
        again[annotation["image_id"] - 1][mask] = annotation["instance_id"]
        assert annotation["area"] == mask.sum()
        rows, columns = np.nonzero(mask)
        x, y, width, height = annotation["bbox"]
        assert (x, y) == (columns.min(), rows.min())
        assert (x + width - 1, y + height - 1) == (columns.max(), rows.max())
    np.testing.assert_array_equal(again, LABELS)


def test_runs_are_those_that_pycocotools_reads(tmp_path):
    mask_api = pytest.importorskip("pycocotools.mask")
    for annotation in written(tmp_path)["annotations"]:
        size = annotation["segmentation"]["size"]
        code = mask_api.frPyObjects(annotation["segmentation"], *size)
        np.testing.assert_array_equal(mask_api.decode(code) > 0, decoded(annotation))


def test_planes_are_images_with_their_place(tmp_path):
    images = written(tmp_path)["images"]
    assert [image["id"] for image in images] == [1, 2, 3]
    assert [image["index"] for image in images] == [{"z": 0}, {"z": 1}, {"z": 2}]
    assert {(image["height"], image["width"]) for image in images} == {(9, 7)}
    assert images[2]["file_name"] == "scan_z0002"


def test_picture_is_one_image(tmp_path):
    content = written(tmp_path, LABELS[0], axes=("y", "x"))
    assert [image["file_name"] for image in content["images"]] == ["scan"]
    assert {a["image_id"] for a in content["annotations"]} == {1}


def test_classes_are_categories_and_names_are_kept(tmp_path):
    cell = Category(7, "cell")
    legend = {1: Named("left", cell), 2: Named("right", cell), 3: Named("dirt")}
    content = written(tmp_path, legend=legend)
    assert content["categories"] == [
        {"id": 7, "name": "cell"},
        {"id": 8, "name": "object"},
    ]
    found = {
        (a["instance_id"], a["name"], a["category_id"]) for a in content["annotations"]
    }
    assert found == {(1, "left", 7), (2, "right", 7), (3, "dirt", 8)}


def test_empty_labels_are_images_without_annotations(tmp_path):
    content = written(tmp_path, np.zeros((2, 4, 5), np.uint8))
    assert len(content["images"]) == 2
    assert content["annotations"] == content["categories"] == []


def test_boxes_without_masks_are_refused_in_one_line(tmp_path):
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 3, 3]}
    image = {"id": 1, "height": 6, "width": 7}
    text = json.dumps({"images": [image], "annotations": [box], "categories": []})
    (tmp_path / "boxes.json").write_text(text)
    with pytest.raises(ValueError, match="1 annotations without a segmentation"):
        read_labels(tmp_path / "boxes.json", Geometry.plain((6, 7)))
