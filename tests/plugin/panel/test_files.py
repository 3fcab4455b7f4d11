"""From napari's Open to its Save: labels lie on the file that the image came from."""

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
from napari_segnext.images.volume import Volume
from napari_segnext.plugin.layers.inputs import Inputs
from napari_segnext.plugin.layers.own_layers import image_space, make_output

PLUGIN = "napari-segnext"
STORED = (4, 5, 6)
ZOOMS = np.diag([0.9, 1.5, 3.0, 1])
STACK = np.arange(4 * 20 * 30, dtype=np.uint16).reshape(4, 20, 30)


@pytest.fixture
def viewer(npe2pm) -> ViewerModel:
    manifest = Path(napari_segnext.__file__).parent / "napari.yaml"
    npe2pm.register(PluginManifest.from_file(manifest))
    return ViewerModel()


def affine_of(codes: str) -> np.ndarray:
    """Return an affine whose stored axes point as the codes say; ~ turns it."""
    steps = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1)}
    affine = np.eye(4)
    affine[:3, :3] = 0
    for stored, code in enumerate(codes.strip("~")):
        axis, sign = steps[code]
        affine[axis, stored] = sign
    affine[:3, 3] = (-40, 25, -7.5)
    if "~" in codes:
        cosine, sine = np.cos(0.35), np.sin(0.35)
        tilt = np.eye(4)
        tilt[1:3, 1:3] = [[cosine, -sine], [sine, cosine]]
        affine = tilt @ affine
    return affine @ ZOOMS


def nifti(kind: str) -> nib.Nifti1Image:
    """Make an image in which each voxel has a value of its own."""
    data = np.arange(np.prod(STORED), dtype=np.int16).reshape(STORED)
    if kind == "scl_slope":
        image = nib.Nifti1Image(data.astype(np.float32) * 0.37 - 3, affine_of("LAS"))
        image.header.set_data_dtype(np.int16)
        return image
    image = nib.Nifti1Image(data, affine_of("LAS" if kind == "sform" else kind))
    if kind == "sform":
        image.set_sform(affine_of("~RAS"), 2)
        image.set_qform(None, 0)
    return image


@pytest.mark.parametrize(
    "kind", ["RAS", "LPS", "LAS", "ASL", "~RAS", "~ASL", "sform", "scl_slope"]
)
def test_labels_of_a_nifti_are_saved_on_its_grid_with_its_affine(
    viewer, tmp_path, kind
):
    nib.save(nifti(kind), tmp_path / "a.nii.gz")
    (image,) = viewer.open(tmp_path / "a.nii.gz", plugin=PLUGIN)
    output = viewer.add_layer(make_output(image, image_space(image)))
    threshold = np.median(image.data)
    output.data[image.data > threshold] = 3
    assert output.save(str(tmp_path / "l.nii.gz"), plugin=PLUGIN)
    source, written = nib.load(tmp_path / "a.nii.gz"), nib.load(tmp_path / "l.nii.gz")
    np.testing.assert_array_equal(written.affine, source.affine)
    for code in ("sform_code", "qform_code"):
        assert written.header[code] == source.header[code]
    expected = np.where(source.get_fdata() > threshold, 3, 0)
    np.testing.assert_array_equal(np.asarray(written.dataobj), expected)


def imagej(folder: Path) -> Path:
    metadata = {"axes": "ZYX", "spacing": 0.05, "unit": "micron"}
    path, resolution = folder / "a.tif", (1 / 0.02, 1 / 0.01)
    tifffile.imwrite(path, STACK, imagej=True, resolution=resolution, metadata=metadata)
    return path


def ome_tiff(folder: Path) -> Path:
    sizes = {"PhysicalSizeX": 4.0, "PhysicalSizeY": 8.0, "PhysicalSizeZ": 40.0}
    units = {f"{name}Unit": "nm" for name in sizes}
    metadata = {"axes": "ZCYX", **sizes, **units}
    path, data = folder / "a.ome.tif", np.stack([STACK, STACK + 1], 1)
    tifffile.imwrite(path, data, ome=True, metadata=metadata)
    return path


def plain_tiff(folder: Path) -> Path:
    tifffile.imwrite(folder / "a.tif", STACK, photometric="minisblack")
    return folder / "a.tif"


def ome_zarr(folder: Path) -> Path:
    group = zarr.open_group(folder / "a.zarr", mode="w")
    for name, step in (("0", 1), ("1", 2)):
        group.create_array(name, data=STACK[:, ::step, ::step], chunks=(1, 8, 8))
    axes = [{"name": n, "type": "space", "unit": "nanometer"} for n in "zyx"]
    datasets = [
        {
            "path": name,
            "coordinateTransformations": [
                {"type": "scale", "scale": [40, 4 * step, 4 * step]}
            ],
        }
        for name, step in (("0", 1), ("1", 2))
    ]
    multiscales = [{"axes": axes, "datasets": datasets}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": multiscales}
    return folder / "a.zarr"


def sections(folder: Path) -> Path:
    place = folder / "sections"
    place.mkdir()
    for number, section in enumerate(STACK):
        tifffile.imwrite(place / f"section{number}.tif", section)
    return place


def mrc(folder: Path) -> Path:
    mrcfile = pytest.importorskip("mrcfile")
    with mrcfile.new(folder / "a.mrc") as file:
        file.set_data(STACK.astype(np.int16))
        file.voxel_size = (40, 40, 500)
    return folder / "a.mrc"


@pytest.mark.parametrize("end", [".tif", ".ome.tif", ".zarr"])
@pytest.mark.parametrize(
    "make", [imagej, ome_tiff, plain_tiff, ome_zarr, sections, mrc]
)
def test_a_stack_goes_from_open_to_saved_labels_at_its_voxel_size(
    viewer, tmp_path, make, end
):
    image = viewer.open(make(tmp_path), plugin=PLUGIN)[0]
    inputs = Inputs.of([image])
    volume = Volume(inputs.data, spatial=inputs.spatial, identity=inputs.identity)
    assert volume.shape == STACK.shape and inputs.identity is not None
    full = image.data[0] if image.multiscale else image.data
    np.testing.assert_array_equal(np.asarray(full), STACK)
    output = viewer.add_layer(make_output(image, image_space(image)))
    output.data[STACK > 999] = 5
    path = tmp_path / f"labels{end}"
    assert output.save(str(path), plugin=PLUGIN)
    (again,) = viewer.open(path, plugin=PLUGIN, layer_type="labels")
    read = again.data[0] if again.multiscale else again.data
    np.testing.assert_array_equal(np.asarray(read), output.data)
    if make is not plain_tiff and make is not sections:
        np.testing.assert_allclose(_nm(again), _nm(image), rtol=1e-4)


def _nm(layer) -> list[float]:
    """Return the voxel size in nanometres."""
    return [
        float((step * unit).to("nm").magnitude)
        for step, unit in zip(layer.scale, layer.units, strict=True)
    ]
