import numpy as np
import pytest

from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.space import Space
from napari_segnext.plugin.layers.reading import (
    merge,
    outline,
    read_clicks,
    read_scribbles,
    read_shapes,
    scribbled_part,
)
from napari_segnext.prompts import Box, Click, Polygon, Prompts, Scribble

AXES = Space((5, 20, 30))


def shapes(data, kind, axis=0, positive=True, width=2):
    return read_shapes([np.array(data, float)], [kind], [positive], [width], AXES, axis)


def test_clicks_are_read_per_plane_and_outside_ones_counted():
    data = np.array([[1, 2, 3], [4, 5, 6], [1, -3, 3], [9, 2, 3.0]])
    placed, outside = read_clicks(data, [True, False, True, True], AXES, 0)
    assert placed == [
        (Plane(0, 1), Click((2, 3))),
        (Plane(0, 4), Click((5, 6), positive=False)),
    ]
    assert outside == 2


def test_click_in_a_coronal_plane_has_its_row_along_z():
    ((plane, click),), _ = read_clicks(np.array([[1, 2, 3.0]]), [True], AXES, 1)
    assert (plane, click.at) == (Plane(1, 2), (1, 3))


@pytest.mark.parametrize(
    ("kind", "vertices", "expected"),
    [
        ("rectangle", [(2, 3), (2, 9), (7, 9), (7, 3)], Box((2, 3), (7, 9))),
        (
            "rectangle",
            [(2, 5), (5, 8), (8, 5), (5, 2)],
            Polygon(((2, 5), (5, 8), (8, 5), (5, 2))),
        ),
        ("polygon", [(2, 3), (2, 9), (7, 9)], Polygon(((2, 3), (2, 9), (7, 9)))),
        ("path", [(2, 3), (7, 9)], Scribble(((2, 3), (7, 9)), 2)),
        ("line", [(2, 3), (7, 9)], Scribble(((2, 3), (7, 9)), 2)),
    ],
)
def test_shapes_become_prompts(kind, vertices, expected):
    placed, outside = shapes([(1, *v) for v in vertices], kind)
    assert placed == [(Plane(0, 1), expected)]
    assert outside == 0


def test_ellipse_becomes_a_polygon_of_its_size():
    ((_, polygon),), _ = shapes(
        [(1, 2, 4), (1, 2, 14), (1, 8, 14), (1, 8, 4)], "ellipse"
    )
    ring = np.array(polygon.vertices)
    np.testing.assert_allclose(ring.min(0), (2, 4), atol=0.1)
    np.testing.assert_allclose(ring.max(0), (8, 14), atol=0.1)


def test_shape_over_the_border_is_cut_and_one_beyond_it_refused():
    placed, outside = shapes(
        [(1, -5, 3), (1, -5, 40), (1, 7, 40), (1, 7, 3)], "rectangle"
    )
    ((plane, box),) = placed
    Prompts((box,)).check_inside(AXES.plane_shape(plane))
    assert (box.start, outside) == ((-0.5, 3), 0)
    assert shapes([(1, -5, 3), (1, -5, 9), (1, -2, 9)], "polygon") == ([], 1)


@pytest.mark.parametrize(
    "prompt",
    [
        Box((2, 3), (7, 9)),
        Polygon(((2, 3), (2, 9), (7, 9))),
        Scribble(((2, 3), (7, 9)), 2),
    ],
)
def test_outline_is_read_back_as_the_same_prompt(prompt):
    vertices, kind = outline(prompt)
    assert shapes([(1, *v) for v in vertices], kind)[0] == [(Plane(0, 1), prompt)]


def read_all(canvas, before):
    return read_scribbles(canvas, before, Extent(0, 0, *canvas.shape))


def test_new_paint_is_a_new_scribble_and_erasing_cuts_the_old():
    canvas = np.zeros((20, 30), np.uint8)
    canvas[5, 2:12] = 1
    first = read_all(canvas, ())
    canvas[10, 2:12] = 2
    both = read_all(canvas, first)
    assert both[0] is first[0]
    assert [s.positive for s in both] == [True, False]
    canvas[5, 2:7] = 0
    cut, kept = read_all(canvas, both)
    assert kept is both[1]
    assert np.array_equal(cut.painted.paste(canvas.shape), canvas == 1)
    canvas[5] = 0
    assert read_all(canvas, [cut, kept]) == [kept]


@pytest.mark.parametrize("erased", [slice(2, 7), slice(2, 12), slice(0, 0)])
def test_only_the_part_that_was_painted_on_is_looked_at(erased):
    canvas = np.zeros((20, 30), np.uint8)
    canvas[5, 2:12] = canvas[15, 2:12] = 1
    canvas[16, 11] = 2
    known = [
        Scribble(painted=Region((5, 2), np.ones((1, 10), bool))),
        Scribble(painted=Region((15, 2), np.ones((1, 10), bool))),
        Scribble(painted=Region((16, 11), np.ones((1, 1), bool)), positive=False),
    ]
    canvas[5, erased] = 0
    canvas[4, 3] = 2
    part = scribbled_part(known, Extent(4, 2, 6, 8))
    assert part == (4, 2, 6, 12)
    found = read_scribbles(canvas[part.slices], known, part)
    assert found == read_all(canvas, known)
    assert found[-1].painted == Region((4, 3), np.ones((1, 1), bool))


BEFORE = Prompts().click(1, 1).box((0, 0), (9, 9)).click(2, 2, positive=False)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (
            [Click((1, 1)), Click((2, 2), False), Click((3, 3))],
            BEFORE.click(3, 3),
        ),
        (
            [Click((5, 5)), Click((2, 2), False)],
            Prompts().click(5, 5).box((0, 0), (9, 9)).click(2, 2, positive=False),
        ),
        (
            [Click((2, 2), False)],
            Prompts().box((0, 0), (9, 9)).click(2, 2, positive=False),
        ),
        ([], Prompts().box((0, 0), (9, 9))),
    ],
    ids=["added", "moved", "deleted", "all deleted"],
)
def test_merge_keeps_the_order_of_all_prompts(now, expected):
    assert merge(BEFORE, "clicks", now) == expected


def test_merge_takes_single_precision_for_unchanged():
    box = Box((0.1, 0.2), (8.3, 9.4))
    rounded = Box(
        tuple(map(float, np.float32(box.start))), tuple(map(float, np.float32(box.end)))
    )
    before = Prompts((box,))
    assert merge(before, "shapes", [rounded]) == before
