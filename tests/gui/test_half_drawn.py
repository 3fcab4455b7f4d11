"""A shape that is half drawn when the user turns to something else."""

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from tests.gui.driver import LEFT, NO

from napari_segnext.geometry.plane import Plane
from napari_segnext.plugin.layers.tools import TOOLS, Tool
from napari_segnext.prompts import Box, Polygon, Scribble

PLANE = Plane(0, 4)
CLICK, BOX, POLYGON, PATH, BRUSH = TOOLS
LASSO = Tool("Lasso", "shapes", "add_polygon_lasso", "")
CORNERS = [(4, 15, 15), (4, 15, 50), (4, 40, 50), (4, 40, 20)]


def begins_polygon(desk, corners=3):
    desk.annotator.use(POLYGON)
    for corner in CORNERS[:corners]:
        desk.user.click(corner, desk.image)
    assert desk.annotator.prompts.unfinished


def begins_drag(desk, tool, positions=CORNERS):
    """Press, move, and keep the button down."""
    desk.annotator.use(tool)
    first, *others = (desk.user.at(p, desk.image) for p in positions)
    desk.user._move(first)
    QTest.mousePress(desk.user.canvas, LEFT, NO, first)
    for pixel in others:
        desk.user._move(pixel, LEFT)


def kinds(desk, number, plane=PLANE):
    known = desk.annotator.session.objects[number].prompts
    return [type(p) for p in known.get(plane, ())]


def draws_on(desk):
    """Draw a polygon, a box and a path from now on, in the current object."""
    plane = desk.annotator._shown.plane
    before, shapes = len(desk.prompts(plane)), desk.annotator.prompts.shapes
    z = plane.index
    desk.annotator.use(POLYGON)
    for corner in CORNERS:
        desk.user.click((z, *corner[1:]), desk.image)
    desk.user.double_click((z, *CORNERS[-1][1:]), desk.image)
    desk.annotator.use(BOX)
    desk.user.drag([(z, 20, 60), (z, 30, 70), (z, 45, 75)], desk.image)
    desk.annotator.use(PATH)
    desk.user.drag([(z, 20, 20), (z, 30, 40), (z, 35, 60)], desk.image)
    made = [type(p) for p in desk.prompts(plane)[before:]]
    assert made == [Polygon, Box, Scribble]
    assert len(shapes.features) == len(shapes.edge_color) == len(shapes.data)


@pytest.mark.parametrize("way", ["N", "G", "row", "spin box"])
def test_it_counts_for_the_object_it_was_begun_for(desk, way):
    desk.annotator.session.new_object()
    desk.annotator.objects.select(1)
    begins_polygon(desk)
    if way == "row":
        desk.widget.objects.list.choose(2)
    elif way == "spin box":
        desk.annotator.output.selected_label = 2
    else:
        desk.user.key(getattr(Qt.Key, f"Key_{way}"))
    assert desk.annotator.current != 1
    assert kinds(desk, 1) == [Polygon]
    assert len(desk.prompts(PLANE, 1)[0].vertices) == 3
    assert not kinds(desk, desk.annotator.current)
    desk.user.waits_until(lambda: desk.mask(PLANE).any())
    draws_on(desk)


def test_it_counts_before_it_is_discarded_and_undo_brings_it_back(desk):
    begins_polygon(desk)
    desk.user.key(Qt.Key.Key_Q)
    assert kinds(desk, 1) == []
    desk.annotator.undo()
    assert kinds(desk, 1) == [Polygon]
    draws_on(desk)


def test_undo_takes_it_back_and_redo_brings_it(desk):
    desk.user.click((4, 30, 60), desk.image)
    begins_polygon(desk)
    desk.annotator.undo()
    assert [k.__name__ for k in kinds(desk, 1)] == ["Click"]
    desk.annotator.redo()
    assert [k.__name__ for k in kinds(desk, 1)] == ["Click", "Polygon"]
    draws_on(desk)


def test_too_few_corners_are_taken_away_and_nothing_else_is_undone(desk):
    desk.user.click((4, 30, 60), desk.image)
    begins_polygon(desk, 2)
    desk.annotator.undo()
    assert "too few corners" in desk.status
    assert [k.__name__ for k in kinds(desk, 1)] == ["Click"]
    assert len(desk.annotator.prompts.shapes.data) == 0
    draws_on(desk)


@pytest.mark.parametrize("corners", [1, 2])
def test_a_shape_that_napari_drops_leaves_no_sign_behind(desk, corners):
    desk.annotator.positive = False
    begins_polygon(desk, corners)
    desk.user.key(Qt.Key.Key_Escape)
    shapes = desk.annotator.prompts.shapes
    assert not desk.annotator.prompts.unfinished
    assert len(shapes.features) == len(shapes.edge_color) == len(shapes.data) == 0
    desk.annotator.positive = True
    draws_on(desk)
    assert all(p.positive for p in desk.prompts(PLANE))
    assert shapes.edge_color[0][1] > shapes.edge_color[0][0]


def leaves_by_slice(desk):
    desk.viewer.dims.set_current_step(0, 7)


def leaves_by_axis(desk):
    desk.viewer.dims.order = (1, 0, 2)


def leaves_by_3d(desk):
    desk.viewer.dims.ndisplay = 3


def leaves_by_tool(desk):
    desk.annotator.use(BOX)


def leaves_by_click_tool(desk):
    desk.annotator.use(CLICK)


def leaves_by_napari_mode(desk):
    desk.annotator.prompts.shapes.mode = "select"


def leaves_by_removed_layer(desk):
    desk.viewer.layers.remove(desk.annotator.prompts.shapes)


def leaves_by_phrase(desk):
    desk.annotator.phrases.say("cell")


WAYS = [f for name, f in list(globals().items()) if name.startswith("leaves_by")]


@pytest.mark.parametrize("leave", WAYS, ids=lambda f: f.__name__)
def test_it_counts_in_the_slice_it_was_begun_in(desk, leave):
    begins_polygon(desk)
    leave(desk)
    assert Polygon in kinds(desk, 1)
    (polygon,) = (p for p in desk.prompts(PLANE, 1) if isinstance(p, Polygon))
    assert len(polygon.vertices) == 3
    assert not desk.annotator.prompts.unfinished
    desk.viewer.dims.ndisplay = 2
    desk.viewer.dims.order = (0, 1, 2)
    desk.viewer.dims.set_current_step(0, 7)
    draws_on(desk)


@pytest.mark.parametrize(
    ("tool", "kind"),
    [(BOX, Box), (PATH, Scribble), (LASSO, Polygon), (BRUSH, Scribble)],
    ids=lambda x: getattr(x, "name", ""),
)
def test_what_the_mouse_still_holds_counts_too(desk, tool, kind):
    begins_drag(desk, tool)
    desk.user.key(Qt.Key.Key_N)
    assert desk.annotator.current == 2
    assert kinds(desk, 1) == [kind]
    at = desk.user.at((4, 30, 60), desk.image)
    desk.user._move(at, LEFT)
    QTest.mouseRelease(desk.user.canvas, LEFT, NO, at + QPoint(3, 3))
    assert kinds(desk, 1) == [kind]
    assert kinds(desk, 2) == []
    draws_on(desk)


def test_it_is_kept_by_stop(desk):
    begins_polygon(desk)
    session = desk.annotator.session
    desk.widget.stop()
    assert [type(p) for p in session.objects[1].prompts[PLANE]] == [Polygon]


def test_napari_takes_it_away_while_it_is_drawn(desk):
    begins_polygon(desk)
    desk.annotator.prompts.shapes.remove_selected()
    assert not desk.annotator.prompts.unfinished
    draws_on(desk)
