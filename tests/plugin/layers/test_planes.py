import numpy as np
import pytest
from napari.components import ViewerModel

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.space import Space
from napari_segnext.plugin.layers.own_layers import plane_name
from napari_segnext.plugin.layers.planes import (
    NoPlaneError,
    camera_of,
    looked_at,
    show_plane,
    shown_axis,
    shown_plane,
)

VOLUME = Space((5, 6, 7))
SERIES = Space((3, 5, 6, 7))


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (0, 2, 1)])
def test_shown_plane_follows_the_displayed_axes(order):
    viewer = ViewerModel()
    image = viewer.add_image(
        np.zeros((5, 6, 7)), scale=(3, 1, 0.5), translate=(9, 8, 7)
    )
    viewer.dims.order = order
    viewer.dims.set_current_step(order[0], 3)
    assert shown_plane(viewer, image, VOLUME) == Plane(order[0], 3)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(
    ("scale", "finer", "options"),
    [
        (2, 1, {}),
        (4, 1, {}),
        (1, 0.5, {}),
        (0.7, 0.35, {"translate": (10, -7.3, 0.1)}),
        (1, 0.5, {"affine": np.diag([2, -2, 2, 1])}),
    ],
)
def test_between_planes_the_shown_plane_is_what_napari_shows(
    axis, scale, finer, options
):
    viewer = ViewerModel()
    data = np.indices((5, 5, 5))[axis].astype(np.float32)
    image = viewer.add_image(data, scale=[scale] * 3, **options)
    viewer.add_image(np.zeros((20, 20, 20)), scale=[finer] * 3, **options)
    viewer.dims.order = (axis, *(a for a in range(3) if a != axis))
    seen, taken = [], []
    for step in range(int(viewer.dims.nsteps[axis])):
        viewer.dims.set_current_step(axis, step)
        if not image._slice.empty:
            seen.append(int(image._slice.image.raw.flat[0]))
            taken.append(shown_plane(viewer, image, Space((5, 5, 5))).index)
    assert len(seen) > 8
    assert taken == seen


@pytest.mark.skipif(
    not hasattr(ViewerModel().dims, "units"), reason="napari counts in no units yet"
)
def test_units_that_the_viewer_does_not_count_in_are_refused():
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((5, 6, 7)), units="mm")
    other = viewer.add_image(np.zeros((5, 6, 7)), units="um")
    with pytest.raises(NoPlaneError, match="micrometer, the image in millimeter"):
        shown_plane(viewer, image, VOLUME)
    other.units = "mm"
    assert shown_plane(viewer, image, VOLUME).axis == 0


def test_shown_plane_of_an_image_of_fewer_axes_than_the_viewer():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((9, 6, 7)))
    image = viewer.add_image(np.zeros((6, 7)))
    assert shown_plane(viewer, image, Space((6, 7))) == Plane()
    viewer.dims.order = (1, 0, 2)
    with pytest.raises(NoPlaneError, match="two spatial axes"):
        shown_axis(viewer, image, Space((6, 7)))


def test_shown_plane_of_a_time_series():
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((3, 5, 6, 7)))
    viewer.dims.set_current_step((0, 1), (2, 4))
    assert shown_plane(viewer, image, SERIES) == Plane(0, 4, (2,))


def test_three_dimensional_view_shows_no_plane():
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((5, 6, 7)))
    viewer.dims.ndisplay = 3
    with pytest.raises(NoPlaneError, match="2-D view"):
        shown_plane(viewer, image, VOLUME)


def test_rotation_in_plane_is_followed_and_out_of_plane_refused():
    viewer = ViewerModel()
    turn = np.deg2rad(30)
    rotate = np.eye(3)
    rotate[1:, 1:] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    image = viewer.add_image(np.zeros((5, 6, 7)), rotate=rotate)
    viewer.dims.set_current_step(0, 3)
    assert shown_plane(viewer, image, VOLUME) == Plane(0, 3)
    with pytest.warns(UserWarning, match="Non-orthogonal"):
        viewer.dims.order = (1, 0, 2)
    with pytest.raises(NoPlaneError, match="rotated out"):
        shown_plane(viewer, image, VOLUME)


@pytest.mark.parametrize("plane", [Plane(0, 4), Plane(1, 2), Plane(2, 6)])
def test_show_plane_is_what_is_shown_then(plane):
    viewer = ViewerModel()
    image = viewer.add_image(
        np.zeros((5, 6, 7)), scale=(3, 1, 0.5), translate=(9, 8, 7)
    )
    show_plane(viewer, image, VOLUME, plane)
    assert shown_plane(viewer, image, VOLUME) == plane


@pytest.mark.parametrize(
    ("axis", "middle", "pixel"),
    [(0, (10, 10.5), (2, 7)), (2, (24, 11), (5, 3)), (0, (-90, 900), (0, 6.9))],
)
def test_the_middle_of_the_view_is_a_pixel_of_the_plane(axis, middle, pixel):
    viewer = ViewerModel()
    image = viewer.add_image(
        np.zeros((5, 6, 7)), scale=(3, 1, 0.5), translate=(9, 8, 7)
    )
    show_plane(viewer, image, VOLUME, Plane(axis, 2))
    camera_of(viewer).center = (0, *middle)
    y, x = looked_at(viewer, image, VOLUME, Plane(axis, 2))
    height, width = VOLUME.plane_shape(Plane(axis, 2))
    assert (y, x) == (min(pixel[0], height - 1), min(pixel[1], width - 1))


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        (("z", "y", "x"), "z 3"),
        (("-3", "-2", "-1"), "slice 3"),
        (("axis -3", "axis -2", "axis -1"), "slice 3"),
    ],
)
def test_a_plane_of_an_axis_without_a_name_is_called_a_slice(labels, name):
    assert plane_name(Plane(0, 3), VOLUME, labels) == name
