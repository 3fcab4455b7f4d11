"""Axes of any order and name: where labels lie is the same in all that is written."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
import zarr

from napari_segnext.files import (
    Geometry,
    ImageFile,
    check_writable,
    read_image,
    write_labels,
)
from napari_segnext.files.pieces import LabelPieces

LENGTH = {"t": 2, "c": 3, "z": 4, "y": 5, "x": 6}
STEP = {"t": 2.0, "c": 1.0, "z": 3.0, "y": 0.5, "x": 0.25}
START = {"z": 30.0, "y": -5.0, "x": 7.0}
UNIT = {"t": "second", "z": "millimeter", "y": "millimeter", "x": "millimeter"}
KIND = {"t": "time", "c": "channel"}


def numbered(axes: str) -> np.ndarray:
    """Return voxels that are numbered by their place, whatever the order of axes."""
    order = sorted(axes, key="ctzyx".index)
    whole = np.arange(np.prod([LENGTH[a] for a in order]), dtype=np.uint16)
    whole = whole.reshape([LENGTH[a] for a in order])
    return np.ascontiguousarray(whole.transpose([order.index(a) for a in axes]))


def ome_zarr(path: Path, axes: str, **changed: object) -> Path:
    """Write a pyramid of one level with these axes."""
    group = zarr.open_group(path, mode="w", zarr_format=2)
    data = numbered(axes)
    group.create_array("0", data=data, chunks=data.shape)
    listed = [
        {"name": a, "type": KIND.get(a, "space"), "unit": UNIT.get(a), **changed}
        for a in axes
    ]
    transforms = [
        {"type": "scale", "scale": [STEP[a] for a in axes]},
        {"type": "translation", "translation": [START.get(a, 0.0) for a in axes]},
    ]
    level = {"path": "0", "coordinateTransformations": transforms}
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": listed, "datasets": [level]}
    ]
    return path


def places(path: Path) -> dict[int, tuple[float, ...]]:
    """Return where each value of a NIfTI lies: right, anterior, superior."""
    image = nib.load(path)
    at = np.argwhere(np.ones(image.shape[:3], bool))
    world = nib.affines.apply_affine(image.affine, at).round(4)
    values = np.asarray(image.dataobj)[tuple(at.T)]
    return {int(v): tuple(w) for v, w in zip(values, world, strict=True)}


def expected() -> dict[int, tuple[float, ...]]:
    """Return where each number of z, y, x lies: z up, y to the back, x to the left."""
    at = np.argwhere(np.ones([LENGTH[a] for a in "zyx"], bool))
    z, y, x = (at * [STEP[a] for a in "zyx"] + [START[a] for a in "zyx"]).T
    return {n: tuple(w) for n, w in enumerate(np.stack([-x, -y, z], 1).round(4))}


@pytest.mark.parametrize("axes", ["".join(p) for p in permutations("zyx")])
def test_space_in_any_order_lies_at_its_place_in_all_formats(tmp_path, axes):
    image = read_image(ome_zarr(tmp_path / "a.zarr", axes))
    assert image.axis_labels == tuple(axes) and image.spatial == (0, 1, 2)
    assert image.scale == tuple(STEP[a] for a in axes)
    labels = np.asarray(image.data)
    for name in ("l.nii.gz", "l.tif", "l.ome.tif", "l.zarr"):
        check_writable(tmp_path / name, image.geometry)
        write_labels(tmp_path / name, labels, image.geometry)
    assert places(tmp_path / "l.nii.gz") == expected()
    for name in ("l.tif", "l.ome.tif"):
        again = read_image(tmp_path / name)
        np.testing.assert_array_equal(again.data, numbered("zyx"))
        assert again.scale == pytest.approx([STEP[a] for a in "zyx"])
        assert again.units == ("mm",) * 3
    again = read_image(tmp_path / "l.zarr")
    np.testing.assert_array_equal(again.data, labels)
    assert again.geometry == image.geometry


@pytest.mark.parametrize("axes", ["zyxt", "ztyx", "xyzt", "tzyx", "xyztc", "zyxc"])
def test_space_comes_last_and_goes_back_to_its_place(tmp_path, axes):
    image = read_image(ome_zarr(tmp_path / "a.zarr", axes))
    space = [a for a in axes if a in "zyx"]
    shown = ["t"] * ("t" in axes) + space
    assert image.axis_labels == tuple(shown)
    assert image.geometry.shape == tuple(LENGTH[a] for a in shown)
    data = np.moveaxis(image.data, image.channel, 0) if "c" in axes else image.data
    ordered = "".join(["c"] * ("c" in axes) + shown)
    np.testing.assert_array_equal(np.asarray(data), numbered(ordered))
    labels = numbered("".join(shown))
    write_labels(tmp_path / "l.zarr", labels, image.geometry)
    stored = zarr.open_group(tmp_path / "l.zarr")["0"]
    np.testing.assert_array_equal(stored, numbered(axes.replace("c", "")))
    again = read_image(tmp_path / "l.zarr")
    assert again.geometry == image.geometry
    write_labels(tmp_path / "l.nii", labels, image.geometry)
    if "t" in axes:
        header = nib.load(tmp_path / "l.nii").header
        assert header["pixdim"][4] == 2 and header.get_xyzt_units() == ("mm", "sec")


def test_axes_are_known_by_type_whatever_their_names(tmp_path):
    path = ome_zarr(tmp_path / "a.zarr", "tzyx")
    group = zarr.open_group(path)
    described = group.attrs["multiscales"]
    names = ("when", "Depth", "b", "X")
    for axis, name in zip(described[0]["axes"], names, strict=True):
        axis["name"] = name
    group.attrs["multiscales"] = described
    image = read_image(path)
    assert image.axis_labels == ("t", "z", "y", "x")
    assert image.spatial == (1, 2, 3)
    assert image.scale == tuple(STEP[a] for a in "tzyx")


@pytest.mark.parametrize("kind", ["", None, "Space", "SPACE"])
def test_an_odd_type_of_an_axis_does_no_harm(tmp_path, kind):
    image = read_image(ome_zarr(tmp_path / "a.zarr", "xyz", type=kind))
    assert image.axis_labels == ("x", "y", "z") and image.channel is None


@pytest.mark.parametrize(
    ("names", "labels", "channel"),
    [
        (["z", "y", "x"], ("z", "y", "x"), None),
        (["X", "Y", "Z"], ("x", "y", "z"), None),
        (["depth", "height", "width"], ("z", "y", "x"), None),
        (["time", "y", "x"], ("t", "y", "x"), None),
        (["c", "y", "x"], ("y", "x"), 0),
        ([None, None, None], ("z", "y", "x"), None),
        (["row", "column", "channel"], ("y", "x"), 2),
    ],
)
def test_names_of_the_dimensions_of_an_array_are_believed(
    tmp_path, names, labels, channel
):
    data = numbered("zyx")
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=data.shape, dtype=data.dtype, dimension_names=names
    )
    array[...] = data
    image = read_image(tmp_path / "a.zarr")
    assert image.axis_labels == labels and image.channel == channel


@pytest.mark.parametrize(
    "letters", ["QQYX", "QZYX", "TZYX", "PYX", "TYX", "RZYX", "YX"]
)
@pytest.mark.parametrize("name", ["l.tif", "l.ome.tif", "l.nii.gz", "l.zarr", "l.npy"])
def test_labels_of_a_series_of_any_name_are_written(tmp_path, letters, name):
    shape = (3, 4, 5, 6)[-len(letters) :]
    data = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, data, photometric="minisblack", metadata={"axes": letters})
    image = read_image(path)
    assert image.geometry.shape == shape
    check_writable(tmp_path / name, image.geometry)
    write_labels(tmp_path / name, data, image.geometry)
    again = np.asarray(read_image(tmp_path / name).data)
    np.testing.assert_array_equal(again.reshape(shape), data)


@pytest.mark.parametrize("name", ["l.tif", "l.ome.tif", "l.nii.gz"])
def test_more_axes_than_a_format_has_are_refused_beforehand(tmp_path, name):
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4, 5, 6), np.uint8))
    geometry = read_image(tmp_path / "a.npy").geometry
    assert len(set(geometry.axis_labels)) == 5
    with pytest.raises(ValueError, match=rf"{name} has room for one axis.*\.zarr"):
        check_writable(tmp_path / name, geometry)
    check_writable(tmp_path / "l.zarr", geometry)


class Pieces(LabelPieces):
    """Labels of which no more is read than is asked for."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, part: tuple[slice, ...]) -> np.ndarray:
        assert len(part) == self.ndim
        return self.array[part]


@pytest.mark.parametrize("name", ["l.tif", "l.nii.gz", "l.zarr"])
def test_pieces_of_labels_are_turned_as_arrays_are(tmp_path, name):
    image = read_image(ome_zarr(tmp_path / "a.zarr", "xyzt"))
    labels = numbered("txyz")
    for each, folder in ((labels, "array"), (Pieces(labels), "pieces")):
        (tmp_path / folder).mkdir()
        write_labels(tmp_path / folder / name, each, image.geometry)
    one, other = (read_image(tmp_path / f / name) for f in ("array", "pieces"))
    assert one.geometry == other.geometry
    np.testing.assert_array_equal(np.asarray(one.data), np.asarray(other.data))


def test_the_last_three_axes_are_segmented_as_in_the_viewer():
    data = np.zeros((2, 7, 3, 4, 5))
    geometry = Geometry.plain((2, 3, 4, 5), ("a", "t", "y", "x"))
    image = ImageFile(Path("a"), data, geometry, channel_axis=1)
    assert image.spatial == (2, 3, 4)
