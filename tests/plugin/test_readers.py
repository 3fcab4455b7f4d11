"""Opening and saving through napari, without a window."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
import zarr
from napari.components import ViewerModel
from npe2 import PluginManifest

import napari_segnext
from napari_segnext.geometry.plane import Plane
from napari_segnext.labels.chunked import LabelStore
from napari_segnext.plugin.layers.label_levels import LabelLevels
from napari_segnext.plugin.readers import get_reader, write_labels_layer

PLUGIN = "napari-segnext"
LAS = np.array([[-2.0, 0, 0, 9], [0, 3, 0, -4], [0, 0, 5, 1], [0, 0, 0, 1]])


@pytest.fixture
def viewer(npe2pm) -> ViewerModel:
    manifest = Path(napari_segnext.__file__).parent / "napari.yaml"
    npe2pm.register(PluginManifest.from_file(manifest))
    return ViewerModel()


def test_a_nifti_image_opens_with_scale_offset_and_units(viewer, tmp_path):
    data = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    nib.save(nib.Nifti1Image(data, LAS), tmp_path / "brain.nii.gz")
    (layer,) = viewer.open(tmp_path / "brain.nii.gz", plugin=PLUGIN)
    assert layer.name == "brain"
    np.testing.assert_array_equal(layer.data, data[:, ::-1].T)
    np.testing.assert_allclose(layer.scale, (5, 3, 2))
    np.testing.assert_allclose(layer.translate, (1, -5, -9))
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert layer.axis_labels == ("z", "y", "x")
    np.testing.assert_array_equal(layer.metadata["affine"], LAS)


def test_modalities_open_as_layers_of_which_one_shows(viewer, tmp_path):
    data = np.arange(240, dtype=np.float32).reshape(3, 4, 5, 4)
    nib.save(nib.Nifti1Image(data, np.diag([-1, -1, 1, 1])), tmp_path / "mri.nii")
    layers = viewer.open(tmp_path / "mri.nii", plugin=PLUGIN)
    assert [layer.name for layer in layers] == [f"mri {n}" for n in (1, 2, 3, 4)]
    assert [layer.visible for layer in layers] == [True, False, False, False]
    np.testing.assert_array_equal(layers[2].data, data[..., 2].T)


def test_a_zarr_pyramid_with_channels_opens_lazily(viewer, tmp_path):
    group = zarr.open_group(tmp_path / "em.zarr", mode="w")
    for level, side in enumerate((64, 32)):
        group.create_array(str(level), data=np.ones((2, 3, side, side), np.uint8))
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": n, "type": "space", "unit": "nanometer"} for n in "zyx"]
    scale = [{"type": "scale", "scale": [1, 40, 4, 4]}]
    datasets = [{"path": n, "coordinateTransformations": scale} for n in "01"]
    multiscales = [{"axes": axes, "datasets": datasets}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": multiscales}
    layers = viewer.open(tmp_path / "em.zarr", plugin=PLUGIN)
    assert len(layers) == 2 and all(layer.multiscale for layer in layers)
    assert layers[1].data[1].shape == (3, 32, 32)
    assert hasattr(layers[0].data[0], "dask")
    np.testing.assert_allclose(layers[0].scale, (40, 4, 4))


def test_saved_labels_lie_on_the_source_and_open_as_labels(viewer, tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), LAS), tmp_path / "a.nii")
    (image,) = viewer.open(tmp_path / "a.nii", plugin=PLUGIN)
    labels = np.zeros((5, 4, 3), np.uint16)
    labels[1, 0, 2] = 7
    layer = viewer.add_labels(labels, metadata=image.metadata)
    assert layer.save(str(tmp_path / "l.nii.gz"), plugin=PLUGIN)
    written = nib.load(tmp_path / "l.nii.gz")
    np.testing.assert_array_equal(written.affine, LAS)
    assert np.argwhere(np.asarray(written.dataobj)).tolist() == [[2, 3, 1]]
    (again,) = viewer.open(tmp_path / "l.nii.gz", plugin=PLUGIN)
    assert type(again).__name__ == "Labels"
    np.testing.assert_array_equal(again.data, labels)


@pytest.mark.parametrize("name", ["l.tif", "l.ome.tif", "l.zarr"])
def test_labels_of_an_image_without_a_file_keep_the_layer_scale(viewer, tmp_path, name):
    layer = viewer.add_labels(
        np.ones((3, 8, 8), np.uint8), scale=(40, 4, 4), units="nm"
    )
    assert layer.save(str(tmp_path / name), plugin=PLUGIN)
    (again,) = viewer.open(tmp_path / name, plugin=PLUGIN)
    np.testing.assert_allclose(again.scale, (40, 4, 4))
    assert [str(unit) for unit in again.units] == ["nanometer"] * 3


def test_a_geometry_that_no_longer_fits_is_not_used(tmp_path, viewer):
    nib.save(nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), LAS), tmp_path / "a.nii")
    (image,) = viewer.open(tmp_path / "a.nii", plugin=PLUGIN)
    meta = {"scale": (5, 3, 2), "translate": (0, 0, 0), "metadata": image.metadata}
    path = str(tmp_path / "l.nii")
    assert write_labels_layer(path, np.ones((2, 4, 3), np.uint8), meta) == [path]
    assert nib.load(path).shape == (3, 4, 2)


@pytest.mark.parametrize("name", ["l.tif", "l.zarr", "l.nii"])
def test_a_scale_given_by_the_user_is_written(viewer, tmp_path, name):
    data = np.zeros((3, 8, 8), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack")
    (image,) = viewer.open(tmp_path / "a.tif", plugin=PLUGIN)
    image.scale, image.units = (40, 4, 4), "nm"
    state = {key: getattr(image, key) for key in ("scale", "translate", "units")}
    meta = {**state, "metadata": image.metadata}
    write_labels_layer(str(tmp_path / name), np.ones((3, 8, 8), np.uint8), meta)
    (again,) = viewer.open(tmp_path / name, plugin=PLUGIN)
    to_nm = 1e6 if name == "l.nii" else 1
    np.testing.assert_allclose(np.array(again.scale) * to_nm, (40, 4, 4))


def test_labels_with_an_axis_of_channels_open_as_labels(viewer, tmp_path):
    # As ome-zarr-py writes them: t, c, z, y, x, whatever there is.
    group = zarr.open_group(tmp_path / "l.zarr", mode="w", zarr_format=2)
    data = np.arange(60, dtype=np.uint16).reshape(1, 1, 3, 4, 5)
    group.create_array("0", data=data)
    group.attrs["image-label"] = {}
    group.attrs["multiscales"] = [
        {"axes": list("tczyx"), "datasets": [{"path": "0"}]},
    ]
    (layer,) = viewer.open(tmp_path / "l.zarr", plugin=PLUGIN)
    assert type(layer).__name__ == "Labels" and layer.axis_labels == tuple("tzyx")
    np.testing.assert_array_equal(layer.data, data[:, 0])


def test_names_of_the_axes_of_a_layer_say_where_its_labels_lie(tmp_path):
    labels = np.zeros((5, 4, 3), np.uint8)
    labels[4, 1, 2] = 1
    meta = {"scale": (1, 2, 3), "axis_labels": ("X", "y", "z")}
    write_labels_layer(str(tmp_path / "l.nii"), labels, meta)
    image = nib.load(tmp_path / "l.nii")
    (at,) = np.argwhere(np.asarray(image.dataobj))
    world = nib.affines.apply_affine(image.affine, at)
    np.testing.assert_allclose(world, (-4, -2, 6))


def test_a_pyramid_of_labels_is_written_from_its_first_level(tmp_path):
    store = LabelStore((500, 600))
    rows, columns = np.indices((3, 4)).reshape(2, -1)
    store.write(Plane(), rows + 10, columns + 20, np.full(12, 9, np.uint16))
    levels = LabelLevels(store).levels
    write_labels_layer(str(tmp_path / "l.tif"), levels, {"scale": (1, 1)})
    written = tifffile.imread(tmp_path / "l.tif")
    assert written.shape == (500, 600) and (written == 9).sum() == 12


def test_a_series_of_dicom_opens_as_a_layer(viewer, tmp_path):
    pytest.importorskip("pydicom", reason="needs the extra `dicom`")
    from tests.dicom import write_series

    voxels = np.random.default_rng(0).integers(0, 4000, (6, 8, 10))
    write_series(tmp_path / "t1", voxels)
    (layer,) = viewer.open(tmp_path / "t1", plugin=PLUGIN)
    np.testing.assert_array_equal(layer.data, voxels)
    assert tuple(layer.scale) == (3, 0.5, 0.75)
    assert tuple(layer.translate) == (30, -20, -10)


def test_what_is_not_an_image_is_left_to_others(tmp_path):
    assert get_reader(str(tmp_path / "a.csv")) is None
    assert get_reader([str(tmp_path / "a.nii")]) is None
