"""Zarr arrays and OME-Zarr pyramids, read lazily."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_segnext.files import Geometry, read_image, write_labels
from napari_segnext.geometry.plane import Plane
from napari_segnext.images.volume import Volume

DATA = np.arange(2 * 4 * 20 * 30, dtype=np.uint16).reshape(2, 4, 20, 30)


def pyramid(path: Path, version: int, folder: str = "") -> None:
    """Write a two-level OME-Zarr of 0.4 (zarr 2) or 0.5 (zarr 3)."""
    root = zarr.open_group(path, mode="w", zarr_format=version)
    group = root.create_group(folder) if folder else root
    for name, step in (("0", 1), ("1", 2)):
        group.create_array(name, data=DATA[:, :, ::step, ::step], chunks=(1, 2, 8, 8))
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": n, "type": "space", "unit": "nanometer"} for n in "zyx"]
    datasets = [
        {
            "path": name,
            "coordinateTransformations": [
                {"type": "scale", "scale": [1, 40, 4 * step, 4 * step]},
                {"type": "translation", "translation": [0, 400, 0, 8]},
            ],
        }
        for name, step in (("0", 1), ("1", 2))
    ]
    ome = {
        "multiscales": [{"axes": axes, "datasets": datasets}],
        "omero": {"channels": [{"label": "membrane"}, {"label": "vesicle"}]},
    }
    group.attrs.update({"ome": {"version": "0.5", **ome}} if version == 3 else ome)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("folder", ["", "0"])
def test_an_ome_pyramid_is_read_with_geometry(tmp_path, version, folder):
    path = tmp_path / "a.zarr"
    pyramid(path, version, folder)
    image = read_image(path)
    assert image.multiscale and [a.shape for a in image.data][1] == (2, 4, 10, 15)
    assert isinstance(image.data[0], zarr.Array)
    assert image.channel == 0 and image.channel_names == ("membrane", "vesicle")
    assert image.geometry.shape == (4, 20, 30)
    assert image.scale == (40, 4, 4) and image.translate == (400, 0, 8)
    assert image.units == ("nm",) * 3 and image.axis_labels == ("z", "y", "x")
    volume = Volume(image.data, spatial=image.spatial, channel=image.channel)
    assert volume.shape == (4, 20, 30)


def test_a_plain_array_needs_no_suffix(tmp_path):
    zarr.create_array(tmp_path / "stack", data=DATA[0], chunks=(1, 8, 8))
    image = read_image(tmp_path / "stack")
    np.testing.assert_array_equal(image.data[2], DATA[0, 2])
    assert image.units == ("pixel",) * 3


def test_a_group_of_one_array_is_that_array(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("volume", data=DATA[0])
    assert read_image(tmp_path / "a.zarr").data.shape == (4, 20, 30)
    group.create_array("other", data=DATA[0])
    with pytest.raises(ValueError, match=r"\['other', 'volume'\].*: open one"):
        read_image(tmp_path / "a.zarr")


def test_labels_come_back_with_geometry_and_replace_the_former(tmp_path):
    geometry = Geometry(
        (4, 20, 30), (40.0, 4.0, 4.0), (9.0, 0.0, 0.0), ("nm",) * 3, ("z", "y", "x")
    )
    for highest in (70_000, 3):
        labels = np.full((4, 20, 30), highest)
        write_labels(tmp_path / "l.zarr", labels, geometry)
        image = read_image(tmp_path / "l.zarr")
        np.testing.assert_array_equal(image.data[...], labels)
        assert image.geometry == geometry
    assert [p.name for p in tmp_path.iterdir()] == ["l.zarr"]


@pytest.mark.parametrize("lost", ["0/zarr.json", "zarr.json"])
def test_a_damaged_store_is_one_sentence(tmp_path, lost):
    path = tmp_path / "a.zarr"
    pyramid(path, 3)
    (path / lost).write_text("{")
    with pytest.raises(ValueError, match="damaged, incomplete") as caught:
        read_image(path)
    assert str(path) in str(caught.value)


def test_an_empty_zarr_folder_is_one_sentence(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(ValueError, match="not a zarr image"):
        read_image(tmp_path / "a.zarr")


def array_json(shape: list, chunks: list) -> str:
    return json.dumps(
        {
            "zarr_format": 3,
            "node_type": "array",
            "shape": shape,
            "data_type": "uint8",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
            "chunk_key_encoding": {"name": "default"},
            "fill_value": 0,
            "codecs": [{"name": "bytes"}],
        }
    )


@pytest.mark.parametrize(
    ("shape", "chunks", "message"),
    [
        ([6, 40, 50], [0, 0, 0], "damaged, incomplete"),
        ([60000] * 3, [60000] * 3, "does not fit into memory"),
        ([2**40] * 3, [64] * 3, "larger than any image"),
        ([10**6] * 3, [64] * 3, "larger than any image"),
        ([-6, 40, 50], [6, 40, 50], "damaged, incomplete"),
        ([6.5, 40, 50], [6, 40, 50], "damaged, incomplete"),
    ],
)
def test_shapes_and_chunks_that_cannot_be_are_refused(tmp_path, shape, chunks, message):
    path = tmp_path / "a.zarr"
    path.mkdir()
    (path / "zarr.json").write_text(array_json(shape, chunks))
    with pytest.raises(ValueError, match=message) as caught:
        read_image(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"xx", b"", b"\0" * 999])
def test_a_damaged_chunk_is_named_when_it_is_read(tmp_path, content):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=DATA[0], chunks=(2, 20, 30))
    next(p for p in (path / "c" / "0").rglob("*") if p.is_file()).write_bytes(content)
    image = read_image(path)
    volume = Volume(image.data, spatial=image.spatial, channel=image.channel)
    np.testing.assert_array_equal(volume.read(Plane(0, 3)), DATA[0, 3])
    with pytest.raises(ValueError, match=r"a\.zarr is damaged") as caught:
        volume.read(Plane(0, 0))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scale", [[0, -1, 1], [float("inf"), float("nan"), 1]])
def test_steps_that_cannot_be_are_not_believed(tmp_path, scale):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=DATA[0])
    step = {"type": "scale", "scale": scale}
    dataset = {"path": "0", "coordinateTransformations": [step]}
    group.attrs["multiscales"] = [{"axes": list("zyx"), "datasets": [dataset]}]
    assert read_image(tmp_path / "a.zarr").scale == (1, 1, 1)
