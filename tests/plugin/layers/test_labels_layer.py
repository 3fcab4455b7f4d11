import numpy as np
import pytest
from napari.components import Dims
from napari.layers import Labels

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.space import Space
from napari_segnext.plugin.layers.labels_layer import LayerLabels

SHAPE = (5, 20, 30)


@pytest.fixture
def strokes():
    return []


@pytest.fixture
def labels(qapp, strokes):
    layer = Labels(np.zeros(SHAPE, np.uint16))
    layer.brush_size = 3
    return LayerLabels(layer, Space(SHAPE), lambda: 0, lambda *s: strokes.append(s))


def only(strokes):
    (((part,),),) = strokes
    return part.plane, part.rows, part.columns, part.old, part.new


@pytest.mark.parametrize("plane", [Plane(0, 2), Plane(1, 7), Plane(2, 9)])
def test_written_pixels_are_read_back_in_any_plane(labels, plane):
    rows, columns = np.array([0, 3]), np.array([1, 4])
    labels.write(plane, rows, columns, np.array([5, 6]))
    page = labels.read(plane)
    assert page[rows, columns].tolist() == [5, 6]
    assert np.count_nonzero(labels.layer.data) == 2


def test_pixels_are_written_while_the_layer_is_hidden_and_turned(labels):
    layer = labels.layer
    layer.visible = False
    ranges = [(0, n - 1, 1) for n in SHAPE]
    # napari knows the new plane, and has not sliced there.
    layer._slice_dims(Dims(ndim=3, order=(1, 0, 2), range=ranges, point=(0, 7, 0)))
    labels.write(Plane(1, 7), np.array([4]), np.array([29]), np.array([6]))
    labels.write(Plane(2, 29), np.array([3]), np.array([19]), np.array([5]))
    assert np.argwhere(layer.data).tolist() == [[3, 19, 29], [4, 7, 29]]
    layer.visible = True
    np.testing.assert_array_equal(layer._slice.image.raw, layer.data[:, 7])


def test_own_writes_are_no_strokes(qtbot, labels, strokes):
    labels.write(Plane(0, 2), np.array([1]), np.array([2]), np.array([3]))
    qtbot.wait(10)
    assert strokes == []


@pytest.mark.parametrize("count", [1, 200])
def test_a_mask_that_arrives_during_a_stroke_is_no_part_of_it(
    qtbot, labels, strokes, count
):
    layer, written = labels.layer, np.arange(count) % 30
    with layer.block_history():
        layer.paint((2, 15, 10), 1)
        rows = np.arange(count) // 30
        labels.write(Plane(0, 2), rows, written, np.full(count, 3))
        layer.paint((2, 15, 14), 1)
    qtbot.waitUntil(lambda: len(strokes) == 1)
    _, rows, _, _, new = only(strokes)
    assert set(new.tolist()) == {1} and rows.min() > 10
    assert np.count_nonzero(layer.data == 3) == count


def test_napari_takes_no_mask_out_of_the_labels(labels):
    labels.write(Plane(0, 2), np.array([1]), np.array([2]), np.array([3]))
    labels.layer.undo()
    assert labels.layer.data[2, 1, 2] == 3


def test_brush_stroke_is_reported_with_what_was_there(qtbot, labels, strokes):
    labels.layer.data[2, 10, 10] = 7
    labels.layer.selected_label = 1
    with labels.layer.block_history():
        labels.layer.paint((2, 10, 10), 1)
        labels.layer.paint((2, 10, 12), 1)
    qtbot.waitUntil(lambda: len(strokes) == 1)
    plane, rows, columns, old, new = only(strokes)
    assert plane == Plane(0, 2)
    assert set(new.tolist()) == {1}
    painted = np.zeros(SHAPE[1:], int)
    painted[rows, columns] = new
    assert np.array_equal(painted, labels.layer.data[2])
    assert {(r, c) for r, c, o in zip(rows, columns, old, strict=True) if o} == {
        (10, 10)
    }


@pytest.mark.parametrize("edit", ["paint", "fill", "data_setitem", "paint_polygon"])
def test_edits_that_are_announced_before_they_happen(qtbot, labels, strokes, edit):
    layer = labels.layer
    layer.data[2, 5:8, 5:8] = 3
    match edit:
        case "paint":
            layer.paint((2, 6, 6), 1)
        case "fill":
            layer.fill((2, 6, 6), 1)
        case "data_setitem":
            layer.data_setitem((np.array([2]), np.array([6]), np.array([6])), 1)
        case "paint_polygon":
            layer.paint_polygon([(2, 5, 5), (2, 5, 7), (2, 7, 7)], 1)
    qtbot.waitUntil(lambda: len(strokes) == 1)
    plane, rows, _, old, new = only(strokes)
    assert plane == Plane(0, 2)
    assert (labels.read(plane) == 1).sum() == len(rows)
    assert set(new.tolist()) == {1}
    assert set(old.tolist()) <= {0, 3}
    assert 3 in old


def test_erased_pixels_are_a_stroke(qtbot, labels, strokes):
    labels.layer.data[2, 5:8, 5:8] = 3
    labels.layer.paint((2, 6, 6), 0)
    labels.settle()
    _, _, _, old, new = only(strokes)
    assert set(old.tolist()) == {3}
    assert set(new.tolist()) == {0}


def test_stroke_over_several_planes_is_reported_once(labels, strokes):
    labels.layer.n_edit_dimensions = 3
    labels.layer.paint((2, 6, 6), 1)
    labels.settle()
    ((parts,),) = strokes
    assert [part.plane for part in parts] == [Plane(0, 1), Plane(0, 2), Plane(0, 3)]


def test_stroke_before_a_write_is_reported_first(labels, strokes):
    labels.layer.paint((2, 6, 6), 1)
    written = Plane(0, 2), np.array([6]), np.array([6]), np.array([9])
    with pytest.raises(AssertionError, match="strokes"):
        labels.write(*written)
    labels.settle()
    labels.write(*written)
    _, _, _, _, new = only(strokes)
    assert set(new.tolist()) == {1}


def test_closed_bridge_reports_nothing_more(qtbot, labels, strokes):
    labels.close()
    labels.layer.paint((2, 6, 6), 1)
    qtbot.wait(10)
    assert strokes == []
