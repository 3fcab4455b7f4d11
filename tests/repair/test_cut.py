"""One object becomes two, along a line or between two marks."""

import numpy as np
import pytest

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Patch
from napari_segnext.repair import cut
from napari_segnext.repair.box import ObjectBox
from napari_segnext.repair.cut import drawn, half, sides
from napari_segnext.session import ArrayLabels, Session

SHAPE = (7, 40, 60)
Z3 = Plane(0, 3)


@pytest.fixture
def merged():
    """Two balls that touch, whose centres lie in slices of their own."""
    z, y, x = np.indices(SHAPE)
    left = ((z - 2) * 3) ** 2 + (y - 20) ** 2 + (x - 18) ** 2 < 14**2
    right = ((z - 4) * 3) ** 2 + (y - 20) ** 2 + (x - 42) ** 2 < 14**2
    bridge = (abs(y - 20) < 4) & (abs(x - 30) < 6) & (abs(z - 3) < 2)
    return left, right, (left | right | bridge).astype(np.uint8)


def boxed(labels, session=None):
    session = session or Session(ArrayLabels(labels))
    place = session.place(1, Z3, whole=True)
    results = session.objects[1].results
    return ObjectBox.read(session.labels, 1, place, 0, (3, 1, 1), results)


def in_box(box, page):
    """Return marks that lie in slice 3."""
    rows, columns = np.nonzero(page)
    return box.marked(box.space.numbers(Z3, rows, columns).tolist())


def test_a_line_across_divides_and_one_inside_does_not(merged):
    _, _, labels = merged
    section = labels[3] == 1
    line = drawn([(5, 30), (35, 31)], section.shape)
    first, second = sides(section, line)
    assert (first | second == section & ~line).all()
    assert not (first & second).any()
    for path in ([(20, 12), (20, 22)], [(1, 1), (2, 9)], [(20, 25)]):
        assert not sides(section, drawn(path, section.shape))


def test_what_a_line_does_not_touch_is_on_neither_side():
    section = np.zeros((20, 30), bool)
    section[2:10, 2:28] = section[14:18, 2:28] = True
    first, second = sides(section, drawn([(0, 20), (11, 20)], section.shape))
    assert first[2:10, 2:20].all()
    assert second[2:10, 21:28].all()
    assert not (first | second)[14:].any()


def test_a_line_may_begin_outside_of_the_image():
    line = drawn([(-3, 4), (12, 4)], (10, 10))
    assert line.sum() == 10
    assert line[:, 4].all()


@pytest.mark.parametrize("by_line", [True, False])
def test_touching_balls_are_parted_in_space(merged, by_line):
    left, right, labels = merged
    section = labels[3] == 1
    if by_line:
        marks = sides(section, drawn([(5, 30), (35, 30)], section.shape))
        marks.sort(key=lambda mark: np.nonzero(mark)[1].mean())
    else:
        marks = [drawn([(20, at - 3), (22, at + 3)], section.shape) for at in (18, 42)]
    box = boxed(labels)
    found = np.zeros(labels.size, bool)
    found[box.numbers(half(box, *(in_box(box, mark) for mark in marks)))] = True
    found = found.reshape(SHAPE)
    assert np.count_nonzero(found & left & ~right) <= 0.02 * left.sum()
    assert np.count_nonzero(~found & right & ~left) <= 0.02 * right.sum()
    assert (labels[found] == 1).all()


def test_the_cut_runs_where_the_model_is_less_sure():
    labels = np.zeros((1, 20, 40), np.uint8)
    labels[0, 5:15, 4:36] = 1
    session = Session(ArrayLabels(labels))
    probability = np.where(labels[0], 0.95, 0).astype(np.float32)
    probability[5:15, 25:27] = 0.55
    plane = Plane(0, 0)
    session.commit_planes(1, {plane: Patch.of(probability)}, "found")
    place = session.place(1, plane, whole=True)
    box = ObjectBox.read(
        session.labels, 1, place, 0, (1, 1, 1), session.objects[1].results
    )
    marks = [
        box.marked([10 * 40 + at])  # A pixel near each end.
        for at in (6, 33)
    ]
    found = box.numbers(half(box, *marks)) % 40
    assert 24 <= found.min() <= 27


def test_parts_that_no_mark_reaches_stay_with_the_first():
    labels = np.zeros((1, 20, 40), np.uint8)
    labels[0, 5:15, 4:36] = labels[0, 18, 2:9] = 1
    session = Session(ArrayLabels(labels))
    place = session.place(1, Plane(0, 0), whole=True)
    box = ObjectBox.read(session.labels, 1, place, 0, (1, 1, 1), {})
    found = half(box, box.marked([10 * 40 + 6]), box.marked([10 * 40 + 33]))
    assert found.any()
    assert (box.numbers(found) // 40 < 15).all()


@pytest.mark.parametrize("odd", [0, 1])
def test_many_voxels_are_parted_nearly_as_one_by_one(monkeypatch, odd):
    z, y, x = (
        np.indices((40 + odd, 60, 90 + odd))
        - np.array([20, 30, 0])[:, None, None, None]
    )
    left, right = z**2 + y**2 + (x - 26) ** 2, z**2 + y**2 + (x - 62) ** 2
    labels = ((left < 19**2) | (right < 22**2)).astype(np.uint8)
    labels[2:4, 2:5, 2:9] = 1  # No water comes here.
    box = boxed(labels)
    marks = [
        box.marked([int(np.ravel_multi_index((20, 30, at), labels.shape))])
        for at in (26, 62)
    ]
    exact = half(box, *marks)
    monkeypatch.setattr(cut, "_MANY", 1 << 10)
    found = half(box, *marks)
    assert exact.any()
    assert np.count_nonzero(found != exact) < 0.01 * np.count_nonzero(exact)
    assert not found[~box.mask].any()


def test_marks_that_lie_close_together_are_both_kept(monkeypatch):
    labels = np.zeros((8, 40, 40), np.uint8)
    labels[2:6, 4:36, 4:36] = 1
    box = boxed(labels)
    marks = [
        box.marked([int(np.ravel_multi_index((3, 20, at), labels.shape))])
        for at in (20, 21)
    ]
    monkeypatch.setattr(cut, "_MANY", 1 << 6)
    found = half(box, *marks)
    assert found[marks[1]].all()
    assert not found[marks[0]].any()
