"""What is done to the image in the viewer while it is segmented."""

import numpy as np
import pytest

from napari_segnext.io import read_image
from napari_segnext.prompts import Plane

# What napari knows of where a layer lies, and another value of it.
MOVES = {
    "scale": (6, 2, 1),
    "translate": (-7, 30, 8),
    "rotate": 30,
    "shear": (0, 0, 0.5),
    "affine": np.array([[2, 0, 0, 5], [0, 0, 1, -3], [0, 1, 0, 4], [0, 0, 0, 1]]),
    "units": "nm",
    "axis_labels": ("depth", "row", "column"),
}
Z = Plane(0, 4)


def click(desk, position, plane):
    count = len(desk.prompts(plane))
    desk.user.click(position, desk.image)
    desk.user.waits_until(lambda: len(desk.prompts(plane)) == count + 1)
    desk.user.waits_until(lambda: not desk.annotator.session.requests())


def on_the_screen(desk):
    """Return the slice that napari shows of the image."""
    raw = desk.image._slice.image.raw
    return next(
        z for z, page in enumerate(desk.image.data) if np.array_equal(page, raw)
    )


@pytest.mark.parametrize("name", MOVES)
def test_all_layers_lie_on_the_image_wherever_it_is_moved(desk, qtbot, name):
    click(desk, (4, 30, 40), Z)
    before = desk.labels.copy()
    setattr(desk.image, name, MOVES[name])
    for layer in (desk.annotator.output, *desk.annotator.prompts.layers):
        corner = (3, 50, 70)
        np.testing.assert_allclose(
            layer.data_to_world(corner), desk.image.data_to_world(corner)
        )
        assert layer.units == desk.image.units
        assert layer.axis_labels == desk.image.axis_labels
    desk.viewer.dims.set_point(0, desk.image.data_to_world((2, 0, 0))[0])
    desk.viewer.reset_view()
    desk.user.waits_until(lambda: desk.annotator._shown.plane == Plane(0, 2))
    assert on_the_screen(desk) == 2
    click(desk, (2, 20, 30), Plane(0, 2))
    assert desk.mask(Plane(0, 2))[20, 30]
    assert len(desk.prompts(Z)) == 1
    np.testing.assert_array_equal(desk.labels[4], before[4])


def test_image_moved_under_the_slider_is_followed_to_the_slice_shown(desk):
    assert on_the_screen(desk) == 4
    desk.image.scale = (12, 1, 1.5)
    shown = on_the_screen(desk)
    assert shown != 4
    desk.user.waits_until(lambda: desk.annotator._shown.plane == Plane(0, shown))
    desk.viewer.reset_view()
    click(desk, (shown, 30, 40), Plane(0, shown))


def test_image_turned_out_of_the_display_is_said_and_comes_back(desk):
    turned = np.eye(4)
    turned[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    with pytest.warns(UserWarning, match="Non-orthogonal slicing"):
        desk.image.affine = turned
        desk.user.waits_until(lambda: "rotated out of the displayed" in desk.status)
        desk.annotator.prompts.points.add((4, 30, 40))
        desk.user.waits_until(lambda: not len(desk.annotator.prompts.points.data))
    desk.image.affine = np.eye(4)
    desk.user.waits_until(lambda: desk.annotator._shown.plane is not None)
    index = on_the_screen(desk)
    click(desk, (index, 30, 40), Plane(0, index))


def test_labels_are_saved_where_the_image_lies_by_then(desk, tmp_path):
    click(desk, (4, 30, 40), Z)
    desk.image.scale, desk.image.units = (9, 0.5, 0.25), "nm"
    desk.annotator.exporting.save_labels(tmp_path / "labels.zarr")
    desk.user.waits_until(lambda: "Saved" in desk.status)
    geometry = read_image(tmp_path / "labels.zarr").geometry
    assert geometry.scale == (9, 0.5, 0.25)
    assert geometry.units == ("nm",) * 3
