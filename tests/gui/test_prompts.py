"""What the user draws becomes a mask of the displayed plane."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.gui.driver import CTRL, LEFT, NO, RIGHT, expected

from napari_segnext.geometry.plane import Plane
from napari_segnext.plugin.layers.tools import TOOLS
from napari_segnext.prompts import Box, Polygon, Prompts, Scribble

ALT = Qt.KeyboardModifier.AltModifier

PLANE = Plane(0, 4)
CLICK, BOX, POLYGON, PATH, BRUSH = TOOLS


def shows(desk, plane=PLANE, number=1):
    """Tell whether the mask answers the prompts that the session knows."""
    prompts = desk.prompts(plane, number)
    mask = desk.mask(plane, number)
    return np.array_equal(mask, expected(prompts, mask.shape))


def settled(desk, count, plane=PLANE):
    """Wait for a number of prompts in a plane, and for the mask that answers them."""
    desk.user.waits_until(lambda: len(desk.prompts(plane)) == count)
    desk.user.waits_until(lambda: shows(desk, plane))


def test_start_makes_layers_that_lie_where_the_image_lies(desk):
    added = [layer for layer in desk.viewer.layers if layer is not desk.image]
    assert [type(layer).__name__ for layer in added] == [
        "Labels",
        "Labels",
        "Shapes",
        "Points",
    ]
    for layer in added:
        assert np.array_equal(layer.scale, desk.image.scale)
        assert np.array_equal(layer.translate, desk.image.translate)
        assert layer.units == desk.image.units
        assert layer.axis_labels == desk.image.axis_labels
        assert layer.ndim == desk.image.ndim


def test_prompt_layers_show_while_they_are_selected_or_hold_something(desk):
    prompts = desk.annotator.prompts
    scribbles, shapes, points = prompts.layers

    def shown():
        return [layer for layer in prompts.layers if layer.visible]

    assert shown() == [points]
    desk.annotator.use(BOX)
    assert shown() == [shapes]
    assert shapes.mode == BOX.mode
    desk.viewer.layers.selection.active = scribbles
    assert shown() == [scribbles]
    desk.annotator.use(CLICK)
    desk.user.click((4, 30, 40), desk.image)
    settled(desk, 1)
    desk.viewer.layers.selection.active = desk.image
    assert shown() == [points]
    points.visible = False
    desk.annotator.use(BOX)
    assert shown() == [shapes], "what the user hid stays hidden"
    desk.viewer.dims.ndisplay = 3
    desk.annotator.use(BRUSH)
    assert scribbles not in shown(), "all of them would be read for the 3-D view"
    desk.viewer.dims.ndisplay = 2
    assert scribbles in shown()


def test_click_lands_where_it_was_made_and_shows_a_mask(desk):
    desk.user.click((4, 30, 40), desk.image)
    settled(desk, 1)
    (click,) = desk.prompts(PLANE)
    np.testing.assert_allclose(click.at, (30, 40), atol=0.6)
    assert click.positive
    assert desk.mask(PLANE).any()
    assert "Mask in 1 ms" in desk.status


@pytest.mark.parametrize(
    ("modifier", "button", "toggled"),
    [(CTRL, LEFT, False), (NO, RIGHT, False), (NO, LEFT, True)],
    ids=["ctrl", "right button", "toggle key"],
)
def test_negative_click_cuts_the_mask_and_is_red(desk, modifier, button, toggled):
    desk.user.click((4, 30, 40), desk.image)
    settled(desk, 1)
    before = desk.mask(PLANE).sum()
    if toggled:
        desk.user.key(Qt.Key.Key_W)
    desk.user.click((4, 30, 44), desk.image, modifier, button)
    settled(desk, 2)
    assert [p.positive for p in desk.prompts(PLANE)] == [True, False]
    assert desk.mask(PLANE).sum() < before
    green, red = desk.annotator.prompts.points.face_color
    assert green[1] > green[0]
    assert red[0] > red[1]
    desk.user.click((4, 10, 10), desk.image)
    settled(desk, 3)
    assert desk.prompts(PLANE)[-1].positive != toggled


def test_moved_and_deleted_points_are_decoded_again(desk):
    desk.user.click((4, 20, 20), desk.image)
    desk.user.click((4, 40, 60), desk.image)
    settled(desk, 2)
    desk.annotator.prompts.points.mode = "select"
    desk.user.drag([(4, 40, 60), (4, 36, 50), (4, 30, 40)], desk.image)
    desk.user.waits_until(
        lambda: np.allclose(desk.prompts(PLANE)[1].at, (30, 40), atol=1)
    )
    desk.user.waits_until(lambda: shows(desk))
    desk.user.click((4, 20, 20), desk.image)
    desk.user.key(Qt.Key.Key_Delete)
    settled(desk, 1)
    np.testing.assert_allclose(desk.prompts(PLANE)[0].at, (30, 40), atol=1)


def test_last_point_deleted_leaves_no_mask(desk):
    desk.user.click((4, 20, 20), desk.image)
    settled(desk, 1)
    points = desk.annotator.prompts.points
    points.selected_data = {0}
    points.remove_selected()
    desk.user.waits_until(lambda: not desk.mask(PLANE).any())


def test_drawn_box(desk):
    desk.annotator.use(BOX)
    desk.user.drag([(4, 20, 30), (4, 30, 40), (4, 40, 50)], desk.image)
    settled(desk, 1)
    (box,) = desk.prompts(PLANE)
    assert isinstance(box, Box)
    np.testing.assert_allclose([box.start, box.end], [(20, 30), (40, 50)], atol=0.6)


def test_drawn_polygon_and_edited_vertex(desk):
    desk.annotator.use(POLYGON)
    for corner in ((4, 20, 20), (4, 20, 50), (4, 45, 50)):
        desk.user.click(corner, desk.image)
    desk.user.double_click((4, 45, 50), desk.image)
    settled(desk, 1)
    (polygon,) = desk.prompts(PLANE)
    assert isinstance(polygon, Polygon)
    assert len(polygon.vertices) >= 3
    desk.annotator.prompts.shapes.mode = "direct"
    desk.user.click((4, 26, 42), desk.image)
    desk.user.drag([(4, 20, 20), (4, 15, 16), (4, 10, 10)], desk.image)
    desk.user.waits_until(
        lambda: np.isclose(desk.prompts(PLANE)[0].vertices, 10, atol=1.5).all(1).any()
    )
    settled(desk, 1)


def test_drawn_path_is_a_scribble(desk):
    desk.annotator.use(PATH)
    desk.user.drag(
        [(4, 20, 20), (4, 25, 30), (4, 30, 40), (4, 35, 50), (4, 40, 60)], desk.image
    )
    settled(desk, 1)
    (scribble,) = desk.prompts(PLANE)
    assert isinstance(scribble, Scribble)
    assert len(scribble.path) > 1


def test_painted_and_partly_erased_scribble(desk):
    desk.annotator.use(BRUSH)
    scribbles = desk.annotator.prompts.scribbles
    scribbles.brush_size = 4
    desk.user.drag([(4, 30, 20), (4, 30, 40), (4, 30, 60)], desk.image)
    settled(desk, 1)
    whole = desk.prompts(PLANE)[0].painted.pixels.sum()
    desk.user.drag([(4, 10, 20), (4, 10, 40)], desk.image, CTRL)
    settled(desk, 2)
    assert [p.positive for p in desk.prompts(PLANE)] == [True, False]
    scribbles.mode = "erase"
    scribbles.brush_size = 10
    desk.user.drag([(4, 30, 50), (4, 30, 62)], desk.image)
    desk.user.waits_until(
        lambda: 0 < desk.prompts(PLANE)[0].painted.pixels.sum() < whole
    )
    settled(desk, 2)
    assert scribbles.data.nbytes == 60 * 80


def test_each_slice_has_its_own_prompts(desk):
    desk.user.click((4, 30, 40), desk.image)
    settled(desk, 1)
    desk.viewer.dims.set_current_step(0, 7)
    desk.user.click((7, 20, 20), desk.image)
    settled(desk, 1, Plane(0, 7))
    assert shows(desk, PLANE)
    assert not desk.mask(Plane(0, 5)).any()


@pytest.mark.parametrize(
    ("order", "plane", "position"),
    [((1, 0, 2), Plane(1, 25), (6, 25, 40)), ((2, 0, 1), Plane(2, 33), (6, 20, 33))],
)
def test_any_axis_can_be_displayed(desk, order, plane, position):
    desk.user.click((4, 30, 40), desk.image)
    settled(desk, 1)
    desk.viewer.dims.order = order
    desk.viewer.reset_view()
    desk.viewer.dims.set_current_step(plane.axis, plane.index)
    assert len(desk.annotator.prompts.points.data) == 0
    desk.user.click(position, desk.image)
    settled(desk, 1, plane)
    desk.annotator.use(BRUSH)
    desk.user.drag([position, np.add(position, (0, 4, 4))], desk.image)
    settled(desk, 2, plane)
    desk.viewer.dims.order = (0, 1, 2)
    assert len(desk.annotator.prompts.points.data) == 1


def test_click_outside_the_image_is_taken_away(desk):
    desk.user.click((4, 30, 40), desk.image)
    settled(desk, 1)
    desk.user.click((4, -6, 40), desk.image)
    desk.user.waits_until(lambda: "outside the image" in desk.status)
    desk.user.waits_until(lambda: len(desk.annotator.prompts.points.data) == 1)
    settled(desk, 1)


def test_click_in_the_3d_view_is_taken_away(desk):
    desk.viewer.dims.ndisplay = 3
    desk.annotator.prompts.points.add((4, 30, 40))
    desk.user.waits_until(lambda: "2-D view" in desk.status)
    desk.user.waits_until(lambda: len(desk.annotator.prompts.points.data) == 0)
    desk.viewer.dims.ndisplay = 2
    desk.user.click((4, 30, 40), desk.image)
    settled(desk, 1)


def test_points_deleted_in_several_slices_are_one_step_of_undo(desk):
    for z in (2, 4, 6):
        desk.viewer.dims.set_current_step(0, z)
        desk.user.click((z, 30, 40), desk.image)
        settled(desk, 1, Plane(0, z))
    points = desk.annotator.prompts.points
    points.mode = "select"
    points.selected_data = {0, 1, 2}
    desk.user.key(Qt.Key.Key_Delete)
    desk.user.waits_until(lambda: not desk.labels.any())
    desk.user.key(Qt.Key.Key_Z, CTRL)
    assert len(points.data) == 3
    assert all(shows(desk, Plane(0, z)) for z in (2, 4, 6))
    assert desk.mask(Plane(0, 2)).any()


def test_a_brush_stroke_in_3d_is_one_step_of_undo(desk):
    output = desk.annotator.output
    desk.viewer.layers.selection.active = output
    output.n_edit_dimensions, output.brush_size, output.mode = 3, 6, "paint"
    desk.user.drag([(4, 30, 30), (4, 30, 40)], desk.image)
    desk.user.waits_until(lambda: len(np.unique(np.nonzero(desk.labels)[0])) > 2)
    desk.user.key(Qt.Key.Key_Z, CTRL)
    assert not desk.labels.any()


def test_a_box_that_nobody_dragged_is_no_prompt(desk):
    desk.annotator.use(BOX)
    desk.user.click((4, 20, 30), desk.image)
    desk.user.waits_until(lambda: "Drag a box" in desk.status)
    desk.user.waits_until(lambda: not len(desk.annotator.prompts.shapes.data))
    desk.user.drag([(4, 20, 30), (4, 20, 40), (4, 20.5, 60)], desk.image)
    desk.user.waits_until(lambda: not len(desk.annotator.prompts.shapes.data))
    assert not desk.prompts(PLANE)
    assert not desk.annotator.session.can_undo
    desk.user.drag([(4, 20, 30), (4, 30, 40), (4, 40, 50)], desk.image)
    settled(desk, 1)


def test_a_small_box_of_earlier_work_stays(desk):
    small = Prompts().box((20, 30), (21, 30.5))
    desk.annotator.session.set_prompts(PLANE, small)
    desk.annotator._draw_prompts()
    desk.annotator.use(BOX)
    desk.user.drag([(4, 30, 50), (4, 40, 60), (4, 50, 70)], desk.image)
    settled(desk, 2)


def test_each_click_begins_an_object_and_ctrl_click_corrects_the_last(desk):
    desk.user.key(Qt.Key.Key_N, ALT)
    assert desk.widget.tools.each_own.isChecked()
    assert "Each prompt begins an object" in desk.status
    session = desk.annotator.session
    for number, at in enumerate(((4, 15, 15), (4, 15, 45), (4, 40, 30)), 1):
        desk.user.click(at, desk.image)
        desk.user.waits_until(lambda n=number: shows(desk, number=n))
        desk.user.waits_until(lambda n=number: session.current == n)
        assert len(desk.annotator.prompts.points.data) == 1
    desk.user.click((4, 43, 33), desk.image, CTRL)
    desk.user.waits_until(lambda: not session.requests())
    assert list(session.objects) == [1, 2, 3]
    assert len(desk.prompts(PLANE, 3)) == 2
    desk.user.key(Qt.Key.Key_Z, CTRL)
    assert len(desk.prompts(PLANE, 3)) == 1
    desk.user.key(Qt.Key.Key_Z, CTRL)
    assert list(session.objects) == [1, 2]
    desk.widget.tools.each_own.click()
    assert not desk.widget.tools.each_own.isChecked()
    desk.user.click((4, 30, 60), desk.image)
    desk.user.waits_until(lambda: not session.requests())
    assert list(session.objects) == [1, 2]
    assert len(desk.prompts(PLANE, 2)) == 2
