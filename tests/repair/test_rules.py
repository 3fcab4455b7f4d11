"""Holes, specks, parts and borders, in a slice and in the whole of an object."""

import numpy as np
import pytest
from scipy import ndimage

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Patch
from napari_segnext.geometry.shapes import signed_distance
from napari_segnext.repair.box import ObjectBox
from napari_segnext.repair.rules import (
    filled,
    grown,
    one_part,
    smoothed,
    without_specks,
)
from napari_segnext.session import ArrayLabels, Session

SHAPE = (5, 20, 24)
Z2, Y9 = Plane(0, 2), Plane(1, 9)


@pytest.fixture
def labels():
    """A block, 1, in the slices 1 to 3, beside another one, 2."""
    labels = np.zeros(SHAPE, np.uint16)
    labels[1:4, 5:15, 4:14], labels[1:4, 5:15, 16:20] = 1, 2
    return labels


def boxed(labels, shown=Z2, whole=True, scale=(1, 1, 1), margin=1, session=None):
    session = session or Session(ArrayLabels(labels))
    place = session.place(1, shown, whole)
    results = session.objects[1].results
    return ObjectBox.read(session.labels, 1, place, shown.axis, scale, results, margin)


def put(labels, box, shape):
    """Return the labels with the shape in them."""
    gained, lost = box.change(shape)
    after = labels.copy()
    after.ravel()[gained] = 1
    after.ravel()[lost] = 0
    return after


def test_holes_are_filled_as_they_are_seen_in_slices(labels):
    right = labels.copy()
    labels[1:4, 8:10, 7:9] = 0
    box = boxed(labels)
    np.testing.assert_array_equal(put(labels, box, filled(box)), right)
    # Along another axis this one is open at both ends.
    box = boxed(labels, Y9)
    assert (put(labels, box, filled(box)) == labels).all()


def test_a_hole_is_filled_around_what_lies_in_it(labels):
    right = labels.copy()
    labels[2, 8:11, 7:10] = 0
    labels[2, 9, 8] = right[2, 9, 8] = 3
    box = boxed(labels, whole=False)
    np.testing.assert_array_equal(put(labels, box, filled(box)), right)


def test_a_slice_alone_is_filled(labels):
    labels[1:4, 8:10, 7:9] = 0
    box = boxed(labels, whole=False)
    after = put(labels, box, filled(box))
    assert after[2, 8, 7] == 1
    assert not after[[1, 3], 8, 7].any()


@pytest.mark.parametrize("shown", [Z2, Y9, Plane(2, 8)])
def test_specks_go_and_parts_stay(labels, shown):
    right = labels.copy()
    right[4, 16:19, 1:20] = 1
    labels[:] = right
    labels[0, 18, 18], labels[2, 9, 1:3] = 1, 1
    box = boxed(labels, shown)
    np.testing.assert_array_equal(put(labels, box, without_specks(box)), right)


def test_what_touches_at_a_corner_is_one_part(labels):
    labels[4, 15, 14] = 1
    box = boxed(labels)
    assert (without_specks(box) == box.mask).all()


def test_the_marked_part_is_kept_or_the_largest(labels):
    labels[1:4, 17:19, 4:6] = 1
    box = boxed(labels)
    marks = box.marked([int(np.ravel_multi_index((2, 18, 5), SHAPE))])
    after = put(labels, box, one_part(box, marks))
    assert (after == 1).sum() == 3 * 4
    after = put(labels, box, one_part(box, np.zeros_like(marks)))
    assert (after == 1).sum() == 3 * 100
    # What lies beside the object, and outside of the box, marks nothing.
    marks = box.marked([0, int(np.ravel_multi_index((2, 18, 8), SHAPE))])
    assert (put(labels, box, one_part(box, marks)) == after).all()


def test_a_rough_border_is_smoothed_and_nothing_of_the_size_is_lost():
    labels = np.zeros((1, 40, 40), np.uint16)
    rows, columns = np.indices((40, 40)) - 20
    disk = np.hypot(rows, columns) < 12
    labels[0][disk] = 1
    rng = np.random.default_rng(0)
    border = np.abs(np.hypot(rows, columns) - 12) < 2
    rough = labels.copy()
    rough[0][border] = rng.random(np.count_nonzero(border)) < 0.5
    box = boxed(rough, Plane(0, 0), margin=5)
    after = put(rough, box, smoothed(box))[0]
    size = np.count_nonzero(rough)
    assert abs(np.count_nonzero(after) - size) <= 0.01 * size
    assert np.count_nonzero(after != disk) < 0.5 * np.count_nonzero(rough[0] != disk)


@pytest.mark.parametrize(("step", "last"), [(1, 7), (4, 5)])
def test_a_whole_object_grows_alike_in_space(step, last):
    labels = np.zeros((9, 20, 24), np.uint16)
    labels[3:6, 5:15, 4:14] = 1
    box = boxed(labels, scale=(step, 1, 1), margin=4)
    after = put(labels, box, grown(box, 2))
    slices, rows, columns = np.nonzero(after)
    assert slices.max() == last
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 16, 2, 15)
    box = boxed(after, scale=(step, 1, 1), margin=4)
    back = put(after, box, grown(box, -2))
    assert np.count_nonzero(back != labels) < 0.1 * np.count_nonzero(labels)


def test_what_is_anothers_is_not_grown_into(labels):
    box = boxed(labels, margin=6)
    after = put(labels, box, grown(box, 3))
    assert ((after == 2) == (labels == 2)).all()
    assert (after[2, 5:15, 14:16] == 1).all()


@pytest.mark.parametrize("by", [2, -2])
def test_the_most_probable_come_first_where_the_model_has_said(labels, by):
    labels[labels == 2] = 0
    session = Session(ArrayLabels(labels))
    probability = np.full(SHAPE[1:], 0.1, np.float32)
    # It is surer below than above.
    probability[:] = np.linspace(0.05, 0.95, SHAPE[1])[:, None]
    probability[5:15, 4:14] = np.maximum(probability, 0.55)[5:15, 4:14]
    session.commit_planes(1, {Z2: Patch.of(probability * (labels[2] == 1))}, "found")
    session.commit_planes(1, {Z2: probability * (probability > 0.3)}, "again")
    labels[2], labels[2, 5:15, 4:14] = 0, 1
    box = boxed(labels, whole=False, margin=2 * abs(by), session=session)
    after = put(labels, box, grown(box, by))[2] == 1
    distance = boxed(labels, whole=False, margin=2 * abs(by))
    plain = put(labels, distance, grown(distance, by))[2] == 1
    assert abs(np.count_nonzero(after) - np.count_nonzero(plain)) < 3
    assert np.nonzero(after)[0].mean() > np.nonzero(plain)[0].mean() + 0.5
    whole = labels[2] == 1
    assert (after >= whole).all() if by > 0 else (after <= whole).all()


def by_distances_of_all(box, by):
    """Return what `grown` does, from distances in all of the box and one sort."""
    distance = signed_distance(box.mask, box.steps)
    open_ = box.mask | box.free
    shape = open_ & (distance > -by)
    pages = map(box.along, (shape, box.mask, open_, distance))
    for at, (page, mask, free, away) in enumerate(zip(*pages, strict=True)):
        probability = box.said(at)
        if probability is None or not mask.any():
            continue
        near = mask | (free & (away > -2 * by))
        likely = np.where(mask & (by > 0), 2, probability)
        order = np.lexsort((away[near], likely[near]))
        chosen = np.zeros(len(order), bool)
        chosen[order[len(order) - np.count_nonzero(page) :]] = True
        page[near], page[~near] = chosen, False
    return shape


@pytest.mark.parametrize("shown", [Z2, Y9, Plane(2, 8)])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("by", [-4, -1, 1, 3])
def test_the_border_moves_as_by_distances_of_all_voxels(shown, seed, by):
    rng = np.random.default_rng(seed)
    soft = ndimage.gaussian_filter(rng.normal(size=(9, 30, 34)), (1, 3, 3))
    labels = (soft > np.quantile(soft, 0.4)).astype(np.uint16)
    labels[:, :, 20:][labels[:, :, 20:] == 1] = 2 * (seed % 2) + 1
    session = Session(ArrayLabels(labels.copy()))
    if seed > 1:
        # Few levels: many pixels are as probable, deep ones too.
        pages = np.clip(np.round(soft / np.abs(soft).max() * 2) / 4 + 0.5, 0, 1)
        axis = shown.axis
        maps = {
            Plane(axis, at): np.take(pages, at, axis).astype(np.float32)
            for at in range(2, 7)
        }
        session.commit_planes(1, maps, "found")
    scale = (2.5, 1, 1.2)
    box = boxed(labels, shown, scale=scale, margin=2 * abs(by) + 1, session=session)
    assert (grown(box, by) == by_distances_of_all(box, by)).all()


@pytest.mark.parametrize("rule", [filled, lambda box, tell: grown(box, 2, tell)])
def test_how_far_it_is_is_told_and_can_end_it(labels, rule):
    box, told = boxed(labels, margin=5), []
    rule(box, told.append)
    assert told == sorted(told)
    assert 0 <= told[0] < told[-1] <= 1

    def tell(share):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        rule(box, tell)
