"""Which layers a model sees, and what is known of where they come from."""

import nibabel as nib
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_segnext.images.volume import Volume
from napari_segnext.plugin.layers.channels import possible_axes, split_channels
from napari_segnext.plugin.layers.inputs import Inputs, default_others, sort_out

SHAPE = (4, 20, 30)


def image(name="flair", shape=SHAPE, **options):
    return Image(np.zeros(shape, np.float32), name=name, **options)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (image("t1", (4, 20, 31)), "t1 is 4 x 20 x 31, flair is 4 x 20 x 30"),
        (image("t1", translate=(0, 9, 0)), "t1 lies elsewhere"),
        (image("photo", (20, 30, 3), rgb=True), "photo is in colour"),
    ],
)
def test_layers_that_do_not_fit_are_refused_with_what_to_do(other, says):
    with pytest.raises(ValueError, match=says):
        Inputs.of([image(), other])
    fit, reasons = sort_out(image(), [other])
    assert fit == [] and says in reasons[0]


def test_layers_that_lie_alike_fit_however_that_is_said():
    one = image(scale=(5, 1, 1), translate=(2, 0, 0))
    affine = np.diag([5.0, 1, 1, 1])
    affine[0, 3] = 2
    two = image("t1", affine=affine)
    assert sort_out(one, [one, two]) == ([two], [])


def test_each_input_has_its_own_window():
    rng = np.random.default_rng(0)
    layers = [
        Image(rng.uniform(0, high, SHAPE), contrast_limits=(0, high / 2))
        for high in (1.0, 1000.0, 30.0)
    ]
    inputs = Inputs.of(layers, contrast_limits=True)
    assert inputs.limits == ((0, 0.5), (0, 500), (0, 15))
    window = Volume(inputs.data, spatial=inputs.spatial).window("percentile")
    assert window.high == pytest.approx((1, 1000, 30), rel=0.02)


def test_levels_of_pyramids_are_modalities_too():
    levels = [np.ones((64, 64), np.float32), np.ones((32, 32), np.float32)]
    layers = [Image([n * a for a in levels], multiscale=True) for n in (1, 2)]
    inputs = Inputs.of(layers)
    volume = Volume(inputs.data, spatial=inputs.spatial)
    assert volume.channels == (0, 1) and volume.shape == (64, 64)


@pytest.fixture
def mri(tmp_path, npe2pm):
    """A viewer with the four channels of one file, and another layer."""
    from pathlib import Path

    from npe2 import PluginManifest

    import napari_segnext

    manifest = Path(napari_segnext.__file__).parent / "napari.yaml"
    npe2pm.register(PluginManifest.from_file(manifest))
    data = np.arange(240, dtype=np.float32).reshape(3, 4, 5, 4)
    nib.save(nib.Nifti1Image(data, np.diag([-1, -1, 1, 1])), tmp_path / "mri.nii")
    viewer = ViewerModel()
    viewer.open(tmp_path / "mri.nii", plugin="napari-segnext")
    viewer.add_image(np.zeros((5, 4, 3)), name="other")
    return viewer


@pytest.mark.parametrize(
    ("chosen", "others"), [("mri 1", [2, 3]), ("mri 2", [1, 3]), ("other", [])]
)
def test_first_three_channels_of_a_file_go_together(mri, chosen, others):
    found = default_others(mri.layers[chosen], mri.layers)
    assert [layer.name for layer in found] == [f"mri {n}" for n in others]


def test_channels_of_a_file_are_named_by_file_and_number(mri, tmp_path):
    first, fourth = mri.layers["mri 1"], mri.layers["mri 4"]
    names = Inputs.of([first, fourth]).identity
    assert names is not None and names[0].endswith(" 0") and names[1].endswith(" 3")
    assert Inputs.of([first, mri.layers["other"]]).identity is None
    (tmp_path / "mri.nii").unlink()
    assert Inputs.of([first]).identity is None


@pytest.mark.parametrize(
    ("shape", "labels", "axes"),
    [
        ((4, 5, 20, 30), None, [0, 1]),
        ((5, 4, 20, 30), ("z", "c", "y", "x"), [1]),
        ((3, 20, 30), None, [0]),
        ((12, 20, 30), None, []),
        ((155, 20, 30), None, []),
        ((20, 30), None, []),
    ],
)
def test_axes_that_may_be_of_channels(shape, labels, axes):
    assert possible_axes(image(shape=shape, axis_labels=labels)) == axes


@pytest.mark.parametrize("multiscale", [False, True])
def test_split_channels_lie_where_the_image_lay(multiscale):
    rng = np.random.default_rng(0)
    data = rng.normal(size=(6, 3, 20, 30))
    viewer = ViewerModel()
    whole = viewer.add_image(
        [data, data[..., ::2, ::2]] if multiscale else data,
        multiscale=multiscale,
        scale=(4, 1, 2, 2),
        translate=(8, 0, 1, 1),
        affine=np.diag([3.0, 1, 1, 1, 1]),
        axis_labels=("z", "c", "y", "x"),
        name="em",
    )
    corner = np.delete(whole.data_to_world((5, 0, 19, 29)), 1)
    layers = split_channels(viewer, whole, 1)
    assert [layer.name for layer in viewer.layers] == ["em 1", "em 2", "em 3"]
    for number, layer in enumerate(layers):
        full = layer.data[0] if multiscale else layer.data
        np.testing.assert_array_equal(full, data[:, number])
        np.testing.assert_allclose(layer.data_to_world((5, 19, 29)), corner)
    assert default_others(layers[0], viewer.layers) == layers[1:]
