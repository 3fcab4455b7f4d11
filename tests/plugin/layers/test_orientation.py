"""Volumes of any stored orientation are shown as radiologists look at them."""

import nibabel as nib
import numpy as np
import pytest
from napari.components import ViewerModel

from napari_segnext.plugin.layers.orientation import Directions, has_views
from napari_segnext.plugin.layers.planes import camera_of
from napari_segnext.plugin.panel.view_buttons import ViewButtons
from napari_segnext.plugin.readers import read_layers

# Right, anterior and superior of a head that is longer than wide, and wider than high.
RAS = (24, 30, 18)
MARKS = {"right": (21, 15, 9), "anterior": (12, 27, 9), "superior": (12, 15, 16)}
# Where each mark is on the screen: up or down, left or right of the middle.
SEEN = {
    "Axial": {"right": "left", "anterior": "up"},
    "Coronal": {"right": "left", "superior": "up"},
    "Sagittal": {"anterior": "left", "superior": "up"},
}
CODES = ["RAS", "LPS", "LAS", "PIR", "ASL", "SRP", "IPL"]


def head(tmp_path, codes, tilt=0.0):
    """Write a head that is stored in some orientation, each mark of its own value."""
    data = np.zeros(RAS, np.uint8)
    for value, at in enumerate(MARKS.values(), 1):
        data[at] = value
    affine = np.diag([2.0, 2, 2, 1])
    cos, sin = np.cos(tilt), np.sin(tilt)
    affine[:3, :3] = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) * 2
    image = nib.Nifti1Image(data, affine)
    turned = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(codes)
    )
    nib.save(image.as_reoriented(turned), tmp_path / "head.nii.gz")
    return tmp_path / "head.nii.gz"


def on_screen(viewer, layer, value):
    """Return on which sides of the middle of the view a mark is."""
    at = np.asarray(
        layer.data_to_world(np.argwhere(np.asarray(layer.data) == value)[0])
    )
    middle = np.asarray(layer.data_to_world((np.array(layer.data.shape) - 1) / 2))
    down, along = (at - middle)[list(viewer.dims.displayed)]
    vertical, horizontal = map(str, camera_of(viewer).orientation2d)
    down, along = (
        down * (-1) ** (vertical == "up"),
        along * (-1) ** (horizontal == "left"),
    )
    sides = {"up"} if down < -2 else {"down"} if down > 2 else set()
    return sides | ({"left"} if along < -2 else {"right"} if along > 2 else set())


@pytest.fixture
def opened(tmp_path, qtbot):
    def open_(codes="RAS", tilt=0.0):
        viewer = ViewerModel()
        ((data, options, _),) = read_layers(str(head(tmp_path, codes, tilt)))
        layer = viewer.add_image(data, **options)
        buttons = ViewButtons(viewer)
        qtbot.addWidget(buttons)
        buttons.show_image(layer)
        return viewer, layer, buttons

    return open_


def check(viewer, layer, name):
    for value, mark in enumerate(MARKS, 1):
        expected = SEEN[name].get(mark)
        seen = on_screen(viewer, layer, value)
        assert seen == ({expected} if expected else set()), (name, mark)


@pytest.mark.parametrize("codes", CODES)
def test_each_view_is_the_right_way_up_however_the_file_is_stored(opened, codes):
    viewer, layer, buttons = opened(codes)
    assert [button.text() for button in buttons.buttons] == list(SEEN)
    for button in (*buttons.buttons, buttons.buttons[0]):
        button.click()
        check(viewer, layer, button.text())


@pytest.mark.parametrize("signs", [(-1, 1, 1), (1, -1, -1), (-1, -1, 1)])
def test_layer_that_is_flipped_in_napari_is_turned_back(opened, signs):
    viewer, layer, buttons = opened()
    layer.affine = np.diag([*signs, 1.0])
    for button in buttons.buttons:
        button.click()
        check(viewer, layer, button.text())


def test_oblique_scan_is_shown_along_its_own_axes(opened):
    viewer, layer, buttons = opened("LAS", tilt=0.3)
    for button in buttons.buttons:
        button.click()
        check(viewer, layer, button.text())


def test_rolling_the_dimensions_keeps_superior_up(opened):
    viewer, layer, buttons = opened()
    buttons.buttons[0].click()
    viewer.dims.roll()
    check(viewer, layer, "Sagittal")
    viewer.dims.roll()
    viewer.dims.roll()
    check(viewer, layer, "Axial")


def test_slices_through_one_place_stay_there(opened):
    viewer, layer, buttons = opened()
    place = layer.data_to_world((5, 7, 9))
    for axis, at in enumerate(place):
        viewer.dims.set_point(axis, at)
    for button in buttons.buttons:
        button.click()
        np.testing.assert_allclose(layer.world_to_data(viewer.dims.point), (5, 7, 9))


def test_volumes_that_say_nothing_of_anatomy_have_planes_instead(qtbot):
    viewer = ViewerModel()
    stack = viewer.add_image(np.zeros((2, 3, 4, 5)))
    buttons = ViewButtons(viewer)
    qtbot.addWidget(buttons)
    buttons.show_image(stack)
    assert [button.text() for button in buttons.buttons] == ["XY", "XZ", "YZ"]
    seen = []
    for button in buttons.buttons:
        button.click()
        seen.append(viewer.dims.order)
        assert tuple(map(str, camera_of(viewer).orientation2d)) == ("down", "right")
    assert seen == [(0, 1, 2, 3), (0, 2, 1, 3), (0, 3, 2, 1)]


def test_flat_images_have_one_view():
    viewer = ViewerModel()
    assert not has_views(viewer.add_image(np.zeros((4, 5))))
    assert not has_views(viewer.add_image(np.zeros((4, 5, 3), np.uint8), rgb=True))
    assert not has_views(None)
    assert Directions.of(viewer.layers[0]).letters == ()
