"""Labels in an OME-Zarr image: valid, on its grid, and nothing of the image touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_segnext.files import (
    check_output,
    check_writable,
    image_labels,
    read_image,
    write_labels,
)
from napari_segnext.files.categories import Category, Named
from napari_segnext.files.label_file import read_labels

VERSIONS = {"0.4": 2, "0.5": 3}
# Odd sides, and three levels.
SHAPE = (5, 21, 34)
LABELS = np.random.default_rng(0).integers(0, 3, SHAPE).repeat(1, 0).astype(np.uint16)
LABELS[LABELS == 2] = 70
LEGEND = {1: Named("left", Category(7, "cell")), 70: Named("dirt")}


def image(path: Path, version: str, axes: str = "czyx", centred: bool = False) -> Path:
    """Write an OME-Zarr of three levels, which halve rows and columns."""
    group = zarr.open_group(path, mode="w", zarr_format=VERSIONS[version])
    datasets = []
    for level in range(3):
        factor = 2**level
        sides = dict(zip("zyx", SHAPE, strict=True)) | {"c": 2}
        steps = {"z": 1, "y": factor, "x": factor, "c": 1}
        shape = [-(-sides[axis] // steps[axis]) for axis in axes]
        old = version == "0.4"
        group.create_array(
            f"s{level}",
            shape=shape,
            dtype="uint8",
            chunks=[min(n, 8) for n in shape],
            fill_value=0,
            dimension_names=None if old else list(axes),
            chunk_key_encoding={"name": "v2", "separator": "/"} if old else None,
        )[...] = level
        scale = {"z": 40.0, "y": 4.0 * factor, "x": 4.0 * factor, "c": 1.0}
        start = {axis: (scale[axis] - 4) / 2 * centred for axis in "yx"}
        translation = [start.get(axis, 0.0) for axis in axes]
        datasets.append(
            {
                "path": f"s{level}",
                "coordinateTransformations": [
                    {"type": "scale", "scale": [scale[axis] for axis in axes]},
                    {"type": "translation", "translation": translation},
                ],
            }
        )
    kinds = [
        {"name": axis, "type": "channel"}
        if axis == "c"
        else {"name": axis, "type": "space", "unit": "nanometer"}
        for axis in axes
    ]
    multiscale = {"name": "image", "axes": kinds, "datasets": datasets}
    if version == "0.4":
        group.attrs["multiscales"] = [multiscale | {"version": "0.4"}]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}
    return path


def content(path: Path) -> dict[Path, bytes]:
    files = (file for file in path.rglob("*") if file.is_file())
    return {file: file.read_bytes() for file in files if "labels" not in file.parts}


def said(group: zarr.Group) -> dict:
    attributes = group.attrs.asdict()
    return attributes.get("ome", attributes)


def listed(path: Path) -> list[str]:
    return said(zarr.open_group(path / "labels", mode="r"))["labels"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("axes", ["czyx", "zyx", "zcyx", "zyxc"])
def test_labels_come_back_with_names_and_the_image_is_as_it_was(
    tmp_path, version, axes
):
    path = image(tmp_path / "a.zarr", version, axes)
    before, geometry = content(path), read_image(path).geometry
    write_labels(path / "labels" / "cells", LABELS, geometry, LEGEND)
    assert content(path) == before
    for place in (path, path / "labels" / "cells"):
        found = read_labels(place, geometry)
        np.testing.assert_array_equal(np.asarray(found.data[...]), LABELS)
        assert found.legend == LEGEND
    assert listed(path) == ["cells"]
    assert not list(path.rglob(".segnext*"))


def test_axes_go_back_into_the_order_of_the_image(tmp_path):
    path = image(tmp_path / "a.zarr", "0.5")
    root = zarr.open_group(path)
    ome = root.attrs["ome"]
    # Depth becomes time behind space, and the channels depth.
    kinds = [{"name": n, "type": "space"} for n in "zy"]
    kinds += [{"name": "t", "type": "time"}, {"name": "x", "type": "space"}]
    ome["multiscales"][0]["axes"] = kinds
    root.attrs["ome"] = ome
    geometry = read_image(path).geometry
    shown = np.random.default_rng(1).integers(0, 9, geometry.shape)
    write_labels(path / "labels" / "cells", shown, geometry)
    found = read_labels(path, geometry)
    np.testing.assert_array_equal(np.asarray(found.data[...]), shown)
    stored = zarr.open_group(path / "labels" / "cells")["0"]
    np.testing.assert_array_equal(stored[...], shown.transpose(geometry.source.axes))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_public_validator_finds_image_and_labels_valid(tmp_path, version):
    models = pytest.importorskip(f"ome_zarr_models.v{version.replace('.', '')}")
    path = image(tmp_path / "a.zarr", version)
    for name in ("cells", "nuclei"):
        geometry = read_image(path).geometry
        write_labels(path / "labels" / name, LABELS, geometry, LEGEND)
    labels = zarr.open_group(path / "labels", mode="r")
    valid = models.labels.LabelsAttrs.model_validate(said(labels))
    assert valid.labels == ["cells", "nuclei"]
    for name in valid.labels:
        if version == "0.5":
            # Its check of arrays of the older version knows older pydantic alone.
            models.Image.from_zarr(labels[name])
        models.image_label.ImageLabelAttrs.model_validate(said(labels[name]))
        source = said(labels[name])["image-label"]["source"]["image"]
        assert (path / "labels" / name / source).resolve() == path.resolve()


def test_standalone_labels_are_valid_too(tmp_path):
    models = pytest.importorskip("ome_zarr_models.v05")
    path = tmp_path / "l.zarr"
    write_labels(path, LABELS, legend=LEGEND)
    models.Image.from_zarr(zarr.open_group(path, mode="r"))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("centred", [False, True])
def test_levels_are_those_of_the_image_with_the_labels_at_the_same_place(
    tmp_path, version, centred
):
    path = image(tmp_path / "a.zarr", version, centred=centred)
    write_labels(path / "labels" / "cells", LABELS, read_image(path).geometry)
    labels = zarr.open_group(path / "labels" / "cells", mode="r")
    (own,), (its,) = (said(g)["multiscales"] for g in (labels, zarr.open_group(path)))
    assert [axis["name"] for axis in own["axes"]] == list("zyx")
    for level, (mine, theirs) in enumerate(
        zip(own["datasets"], its["datasets"], strict=True)
    ):
        array = labels[mine["path"]]
        assert array.shape == zarr.open_group(path)[theirs["path"]].shape[1:]
        (scale, shift) = (t for t in mine["coordinateTransformations"])
        assert scale["scale"] == theirs["coordinateTransformations"][0]["scale"][1:]
        places = [
            np.arange(n) * step + start
            for n, step, start in zip(
                array.shape, scale["scale"], shift["translation"], strict=True
            )
        ]
        # The voxels of the first level around that place.
        at = [p / s for p, s in zip(places, (40, 4, 4), strict=True)]
        known = np.pad(LABELS, [(0, 4)] * 3, mode="edge")
        near = [
            {known[z, y, x] for z in _near(a) for y in _near(b) for x in _near(c)}
            for a in at[0]
            for b in at[1]
            for c in at[2]
        ]
        given = np.asarray(array[...]).ravel()
        assert all(value in around for value, around in zip(given, near, strict=True))
        if not centred:
            expected = LABELS[:, :: 2**level, :: 2**level]
            np.testing.assert_array_equal(array[...], expected)


def _near(place: float) -> range:
    low, high = int(np.floor(place)), int(np.ceil(place))
    return range(low, high + 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_are_replaced_on_request_alone_and_listed_once(tmp_path, version):
    path = image(tmp_path / "a.zarr", version)
    geometry, place = read_image(path).geometry, path / "labels" / "cells"
    for _ in range(2):
        check_output(place, [path])
        write_labels(place, LABELS, geometry)
    with pytest.raises(FileExistsError, match="choose another name or add --overwrite"):
        check_output(place, [path], overwrite=False)
    check_output(place.with_name("nuclei"), [path], overwrite=False)
    write_labels(place, np.zeros(SHAPE, np.uint8), geometry)
    assert listed(path) == ["cells"]
    assert not read_labels(place, geometry).data[...].any()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("former", [False, True])
def test_labels_that_could_not_be_written_leave_all_as_it_was(
    tmp_path, version, former, monkeypatch
):
    path = image(tmp_path / "a.zarr", version)
    geometry, place = read_image(path).geometry, path / "labels" / "cells"
    if former:
        write_labels(place, LABELS, geometry)
    before = sorted(path.rglob("*"))
    write = image_labels.write_level

    def full(group, name, *others):
        if name == "2":
            raise OSError(28, "No space left on device")
        return write(group, name, *others)

    monkeypatch.setattr(image_labels, "write_level", full)
    with pytest.raises(OSError, match="No space left"):
        write_labels(place.with_name("nuclei"), LABELS, geometry)
    with pytest.raises(OSError, match="No space left"):
        write_labels(place, 0 * LABELS, geometry)
    assert sorted(path.rglob("*")) == before
    if former:
        np.testing.assert_array_equal(read_labels(path, geometry).data[...], LABELS)


def test_labels_of_others_stay_and_keep_what_they_say(tmp_path):
    path = image(tmp_path / "a.zarr", "0.5")
    group = zarr.open_group(path / "labels", mode="w", zarr_format=3)
    group.attrs.update({"ome": {"version": "0.5", "labels": ["theirs"]}, "by": "them"})
    write_labels(path / "labels" / "cells", LABELS, read_image(path).geometry)
    again = zarr.open_group(path / "labels", mode="r").attrs.asdict()
    assert again == {
        "ome": {"version": "0.5", "labels": ["theirs", "cells"]},
        "by": "them",
    }


def test_a_catalogue_of_the_image_hides_no_labels(tmp_path):
    path = image(tmp_path / "a.zarr", "0.4")
    zarr.consolidate_metadata(path, zarr_format=2)
    geometry = read_image(path).geometry
    write_labels(path / "labels" / "cells", LABELS, geometry)
    np.testing.assert_array_equal(read_labels(path, geometry).data[...], LABELS)


def test_what_bio_formats_has_converted_has_its_image_one_level_below(tmp_path):
    root = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    image(tmp_path / "a.zarr" / "0", "0.4")
    geometry = read_image(tmp_path / "a.zarr").geometry
    place = tmp_path / "a.zarr" / "0" / "labels" / "cells"
    check_output(place, [tmp_path / "a.zarr"])
    write_labels(place, LABELS, geometry)
    np.testing.assert_array_equal(
        read_labels(tmp_path / "a.zarr" / "0", geometry).data[...], LABELS
    )


def test_other_versions_other_shapes_and_no_names_are_refused(tmp_path):
    path = image(tmp_path / "a.zarr", "0.5")
    geometry, place = read_image(path).geometry, path / "labels" / "cells"
    with pytest.raises(ValueError, match="is no name for labels"):
        check_writable(place.with_name(".hidden"))
    other = read_image(image(tmp_path / "b.zarr", "0.5", "zyx")).geometry
    check_writable(place, other)
    with pytest.raises(ValueError, match=r"has the shape \(5, 21, 34\).*\(34, 21, 5\)"):
        check_writable(place, other.transposed((2, 1, 0)))
    root = zarr.open_group(path)
    root.attrs["ome"] = {**root.attrs["ome"], "version": "0.6"}
    with pytest.raises(ValueError, match=r"is OME-Zarr 0\.6.* into 0\.4 and 0\.5"):
        check_writable(place, geometry)
    with pytest.raises(ValueError, match="cannot be written as cells"):
        check_writable(tmp_path / "labels" / "cells")


def test_only_labels_of_the_image_itself_may_lie_in_an_input(tmp_path):
    path = image(tmp_path / "a.zarr", "0.5")
    for inside in (
        path / "labels" / "a" / "b.tif",
        path / "l.zarr",
        path / "s0" / "l.tif",
    ):
        with pytest.raises(ValueError, match="lies in"):
            check_output(inside, [path])
    with pytest.raises(ValueError, match=r"holds .*, which is read|lies in"):
        check_output(path / "labels" / "cells", [tmp_path])
