"""GeoJSON: what QuPath finds in it."""

from __future__ import annotations

import json
import uuid

import numpy as np
import pytest
from tests.outlines import filled

from napari_segnext.files import Geometry, check_writable, pieces, write_labels
from napari_segnext.files.categories import Category, Named

LABELS = np.random.default_rng(3).integers(0, 4, (3, 9, 7)).astype(np.uint16)
LABELS[1] = 0
LABELS[2] = 3
LEGEND = {1: Named("left", Category(7, "cell")), 3: Named("dirt")}


def features(tmp_path, labels=LABELS, axes=("z", "y", "x"), legend=LEGEND):
    path = tmp_path / "scan.geojson"
    write_labels(path, labels, Geometry.plain(labels.shape, axes), legend)
    content = json.loads(path.read_text())
    assert content["type"] == "FeatureCollection"
    return content["features"]


def rings(geometry) -> list:
    polygons = geometry["coordinates"]
    if geometry["type"] == "Polygon":
        polygons = [polygons]
    return [ring for polygon in polygons for ring in polygon]


def drawn(found, shape, value) -> np.ndarray:
    again = np.zeros(shape, np.uint16)
    for each in found:
        geometry = each["geometry"]
        mask = filled(rings(geometry), shape[-2:])
        again[geometry["plane"]["z"]][mask] = value(each)
    return again


@pytest.mark.parametrize("band", [pieces.PIECE, 14])
def test_filling_gives_back_every_object_in_every_plane(tmp_path, band, monkeypatch):
    monkeypatch.setattr(pieces, "PIECE", band)
    found = features(tmp_path)
    value = [int(each["properties"]["metadata"]["value"]) for each in found]
    again = drawn(found, LABELS.shape, lambda _: value.pop(0))
    np.testing.assert_array_equal(again, LABELS)


def test_rings_are_closed_and_shells_go_round_as_the_format_says(tmp_path):
    labels = np.zeros((1, 6, 6), np.uint8)
    labels[0, 1:5, 1:5] = 5
    labels[0, 2, 2] = 0
    (each,) = features(tmp_path, labels, legend={})
    shell, hole = each["geometry"]["coordinates"]
    for ring, turn in ((shell, 1), (hole, -1)):
        assert ring[0] == ring[-1]
        x, y = np.array(ring, float).T
        area = (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2
        assert np.sign(area) == turn
    assert [1, 1] in shell and [5, 5] in shell


def test_annotations_have_name_class_plane_and_an_id_of_their_own(tmp_path):
    found = features(tmp_path)
    names = {each["properties"]["name"] for each in found}
    assert names == {"left", "Object 2", "dirt"}
    for each in found:
        told = each["properties"]
        assert told["objectType"] == "annotation"
        known = told["name"] == "left"
        assert told.get("classification") == ({"name": "cell"} if known else None)
        assert uuid.UUID(each["id"])
    assert len({each["id"] for each in found}) == len(found)
    planes = [each["geometry"]["plane"] for each in found]
    assert [plane["z"] for plane in planes] == [0, 0, 0, 2]
    assert {(plane["c"], plane["t"]) for plane in planes} == {(-1, 0)}
    assert [each["id"] for each in features(tmp_path)] == [each["id"] for each in found]


def test_frames_are_times(tmp_path):
    planes = [
        each["geometry"]["plane"] for each in features(tmp_path, axes=("t", "y", "x"))
    ]
    assert {(plane["z"], plane["t"]) for plane in planes} == {(0, 0), (0, 2)}


def test_more_axes_are_refused_before_anything_is_written(tmp_path):
    geometry = Geometry.plain((2, 2, 2, 9, 7), ("p", "t", "z", "y", "x"))
    for name in ("a.geojson", "a.zip"):
        with pytest.raises(ValueError, match=r"one axis beside space.* p, t"):
            check_writable(tmp_path / name, geometry)
