"""Prompts become masks; finished objects and manual edits are respected."""

import numpy as np
import pytest

from napari_segnext.geometry.plane import Plane
from napari_segnext.prompts import Prompts
from napari_segnext.session import ArrayLabels, Session
from tests.session.doubles import (
    SHAPE,
    X6,
    Y5,
    Z1,
    Z2,
    Picture,
    answer,
    ask,
    click,
    decoded,
    page_shape,
    paint,
    started,
)


def test_first_object_is_made_at_the_first_prompt():
    session = Session(ArrayLabels(np.zeros(SHAPE, np.uint8)))
    assert session.current == 0
    session.set_prompts(Z1, Prompts().click(3, 3))
    assert list(session.objects) == [session.current] == [1]


@pytest.mark.parametrize("plane", [Z1, Y5, X6])
def test_mask_is_written_into_its_plane_and_nowhere_else(plane):
    session, labels = started()
    change = click(session, plane, (2, 3))
    expected = decoded(Prompts().click(2, 3), page_shape(plane)) > 0.5
    assert np.array_equal(session.labels.read(plane) == 1, expected)
    assert np.count_nonzero(labels) == expected.sum() == len(change)


def test_only_changed_pixels_are_written():
    session, _ = started()
    click(session, Z1, (3, 3))
    change = click(session, Z1, (3, 4))
    assert len(change) == 5
    assert set(change.columns.tolist()) == {6}
    assert set(change.new.tolist()) == {1}
    assert set(change.old.tolist()) == {0}


def test_planes_of_other_frames_are_not_touched():
    session, labels = started((2, *SHAPE))
    plane = Plane(1, 5, (1,))
    answer(session, session.set_prompts(plane, Prompts().click(2, 3)), radius=1)
    assert not labels[0].any()
    assert labels[1, :, 5].sum() == labels.sum() == 9


def test_two_dimensional_image_has_one_plane():
    session, labels = started((10, 12))
    request = session.set_prompts(Plane(), Prompts().click(4, 5))
    session.commit(request, decoded(request.prompts, (10, 12)))
    assert labels.sum() == 25
    session.discard(1)
    assert not labels.any()


@pytest.mark.parametrize(
    ("plane", "prompts", "what"),
    [
        (Plane(0, 9), Prompts(), "does not cut"),
        (Plane(3, 0), Prompts(), "does not cut"),
        (Plane(0, 1, (2,)), Prompts(), "does not cut"),
        (Z1, Prompts().click(3, 12), "outside"),
    ],
)
def test_what_lies_outside_is_refused_and_changes_nothing(plane, prompts, what):
    session, _ = started()
    with pytest.raises(ValueError, match=what):
        session.set_prompts(plane, prompts)
    assert not session.can_undo
    assert not session.objects[1].prompts


def test_unknown_object_is_refused():
    session, _ = started()
    with pytest.raises(ValueError, match="no object 7"):
        session.set_prompts(Z1, Prompts().click(1, 1), 7)


@pytest.mark.parametrize("bad", [np.zeros((3, 3)), np.full(SHAPE[1:], np.nan)])
def test_wrong_probability_is_refused(bad):
    session, labels = started()
    request = ask(session, Z1, (3, 3))
    with pytest.raises(ValueError, match="probability map"):
        session.commit(request, bad.astype(np.float32))
    assert not labels.any()


# What a decode starts from


def test_first_prompt_on_nothing_has_no_previous():
    request = ask(started()[0], Z1, (3, 3))
    assert request.previous is None
    assert request.answered == 0


def test_next_prompt_starts_from_the_last_probability():
    session, _ = started()
    click(session, Z1, (3, 3))
    request = ask(session, Z1, (3, 6))
    assert request.answered == 1
    shown = decoded(Prompts().click(3, 3), page_shape(Z1))
    np.testing.assert_allclose(request.previous, shown, atol=1 / 256)
    assert np.array_equal(request.previous > 0.5, shown > 0.5)


def test_first_prompt_starts_from_what_other_planes_made_of_the_object():
    session, _ = started()
    click(session, Z1, (5, 6))
    request = ask(session, Y5, (1, 6))
    assert request.previous.dtype == np.float32
    assert np.array_equal(request.previous, session.labels.read(Y5) == 1)
    assert request.answered == 0


def test_write_in_a_crossing_plane_makes_the_probability_stale():
    session, _ = started()
    click(session, Z1, (2, 6))
    click(session, Y5, (1, 6))
    request = ask(session, Z1, (9, 1))
    assert np.array_equal(request.previous, session.labels.read(Z1) == 1)
    assert request.answered == 1


def test_write_elsewhere_leaves_the_probability_valid():
    session, _ = started()
    click(session, Z1, (2, 6))
    click(session, Z2, (2, 6))
    session.new_object()
    click(session, Z1, (9, 1))
    request = ask(session, Z1, (3, 6), number=1)
    assert 0.1 < request.previous.max() < 1


def test_undone_write_in_a_crossing_plane_makes_the_probability_valid_again():
    session, _ = started()
    click(session, Z1, (2, 6))
    click(session, Y5, (1, 6))
    session.undo()
    request = ask(session, Z1, (3, 6))
    assert 0.1 < request.previous.max() < 1


@pytest.mark.parametrize(
    "prompts", [Prompts().click(3, 4).click(7, 9), Prompts().click(3, 3)]
)
def test_moved_or_deleted_prompt_is_gone_from_what_the_decode_starts_from(prompts):
    session, _ = started()
    click(session, Z1, (3, 3), (7, 8))
    request = session.set_prompts(Z1, prompts)
    assert request.previous is None
    assert request.answered == 0
    answer(session, request)
    expected = decoded(prompts, page_shape(Z1)) > 0.5
    assert np.array_equal(session.labels.read(Z1) == 1, expected)


def test_moved_prompt_starts_from_the_mask_before_the_first():
    session, _ = started()
    click(session, Y5, (1, 6))
    before = session.labels.read(Z1) == 1
    click(session, Z1, (3, 3), (7, 8))
    request = session.set_prompts(Z1, Prompts().click(3, 3).click(9, 9))
    assert np.array_equal(request.previous, before)


def test_prompts_set_as_they_are_make_no_step():
    session, _ = started()
    click(session, Z1, (3, 3))
    assert session.set_prompts(Z1, Prompts().click(3, 3)) is None
    session.undo()
    assert not session.can_undo


def test_without_prompts_the_mask_is_what_it_was_before_the_first():
    session, labels = started()
    click(session, Y5, (1, 6))
    before = labels.copy()
    click(session, Z1, (5, 6), (2, 2), (5, 6, False))
    assert session.set_prompts(Z1, Prompts()) is None
    assert np.array_equal(labels, before)
    assert Z1 not in session.objects[1].prompts


# Other objects


def test_finished_object_keeps_its_pixels():
    session, _ = started()
    click(session, Z1, (3, 3))
    session.accept(1)
    finished = session.labels.read(Z1) == 1
    session.new_object()
    click(session, Z1, (3, 4))
    assert np.array_equal(session.labels.read(Z1) == 1, finished)
    assert (session.labels.read(Z1) == 2).sum() == 5


def test_prompts_for_a_finished_object_are_refused_until_it_is_reopened():
    session, _ = started()
    session.accept(1)
    with pytest.raises(ValueError, match="reopen"):
        session.set_prompts(Z1, Prompts().click(3, 3))
    session.reopen(1)
    assert session.set_prompts(Z1, Prompts().click(3, 3)) is not None


def test_what_an_object_covered_comes_back_when_it_shrinks():
    session, labels = started()
    click(session, Z1, (3, 3))
    before = labels.copy()
    session.new_object()
    click(session, Z1, (3, 4))
    assert (labels == 1).sum() == 5
    click(session, Z1, (3, 4, False))
    assert np.array_equal(labels, before)


def test_discarded_object_uncovers_what_it_had_covered():
    session, labels = started()
    click(session, Z1, (3, 3))
    before = labels.copy()
    session.new_object("second")
    click(session, Z1, (3, 4))
    click(session, Y5, (1, 4))
    session.discard(2)
    assert np.array_equal(labels, before)
    assert session.objects[2].name == "second"
    assert not session.objects[2].prompts
    assert session.current == 2


def test_deleted_object_is_gone_and_another_is_current():
    session, labels = started()
    click(session, Z1, (3, 3))
    session.new_object()
    session.delete(2)
    assert list(session.objects) == [1]
    assert session.current == 1
    session.delete(1)
    assert not labels.any()
    assert list(session.objects) == [session.current] == [3]


def test_merged_objects_share_pixels_prompts_and_edits():
    session, labels = started()
    click(session, Z1, (3, 3))
    session.new_object()
    click(session, Z1, (7, 8))
    click(session, Z2, (7, 8))
    paint(session, Z1, [(0, 11)], 2)
    covered = labels != 0
    session.merge(1, 2)
    assert list(session.objects) == [1]
    assert np.array_equal(labels == 1, covered)
    merged = session.objects[1]
    assert merged.prompts[Z1] == Prompts().click(3, 3).click(7, 8)
    assert merged.prompts[Z2] == Prompts().click(7, 8)
    assert session.requests() == []
    request = ask(session, Z1, (3, 8))
    assert np.array_equal(request.previous, labels[1] == 1)
    assert request.answered == 2
    session.commit(request, np.zeros(page_shape(Z1), np.float32))
    assert np.argwhere(labels[1]).tolist() == [[0, 11]]


def test_merge_while_a_decode_runs_asks_for_the_prompts_of_both():
    session, _ = started()
    click(session, Z1, (3, 3))
    session.new_object()
    late = ask(session, Z1, (7, 8))
    session.merge(1, 2)
    assert answer(session, late) is None
    (request,) = session.requests()
    assert request.prompts == Prompts().click(3, 3).click(7, 8)
    answer(session, request)
    assert (session.labels.read(Z1) == 1).sum() == 50


def test_ids_are_not_used_twice_and_stay_within_the_type():
    session, _ = started(dtype=np.uint8)
    session.new_object()
    session.delete(2)
    assert session.new_object() == 3
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 0, 0] = 255
    assert Session(ArrayLabels(labels)).new_object() == 1


def test_loaded_labels_become_objects_with_their_size():
    labels = np.zeros(SHAPE, np.int32)
    labels[1, 2:5, 2:5] = 4
    labels[2, 2:5, 2:5] = 900_000
    session = Session(ArrayLabels(labels))
    assert list(session.objects) == [4, 900_000]
    assert session.count(4).voxels == session.count(900_000).voxels == 9
    request = session.set_prompts(Z1, Prompts().click(3, 3), 4)
    assert np.array_equal(request.previous, labels[1] == 4)
    session.delete(900_000)
    assert not labels[2].any()


def test_count_follows_every_change():
    session, labels = started()
    click(session, Z1, (3, 3), (7, 8))
    click(session, Y5, (1, 6))
    paint(session, Z2, [(0, 0), (0, 1)], 1)
    counts = session.count(1)
    assert counts.prompts == 3
    assert counts.slices == (labels == 1).any((1, 2)).sum()
    assert counts.voxels == (labels == 1).sum()


def test_slices_are_counted_along_the_axis_that_an_object_was_followed_along():
    session, labels = started()
    click(session, Y5, (1, 6))
    assert session.count(1).slices == 1
    square = np.zeros(session.space.plane_shape(Y5), np.float32)
    square[:3, 2:4] = 1
    around = {Plane(1, index): square for index in (4, 6)}
    session.commit_planes(1, around | {Plane(1, 7): square * 0}, "propagate")
    assert session.count(1).slices == (labels == 1).any((0, 2)).sum() == 3
    session.clear_plane(1, Plane(1, 6))
    assert session.count(1).slices == 2
    session.undo()
    assert session.count(1).slices == 3


def test_boolean_and_float_arrays_are_no_labels():
    with pytest.raises(TypeError, match="integers"):
        ArrayLabels(np.zeros(SHAPE, np.float32))


# Those who listen


def test_listeners_hear_of_each_change_and_recorders_what_it_was():
    session, _ = started()
    heard, records = [], []
    session.listeners.append(lambda: heard.append(session.current))
    session.recorders.append(records.append)
    click(session, Z1, (3, 3))
    session.new_object("other")
    session.select(1)
    session.undo()
    assert [r.name for r in records] == [
        "prompts",
        "mask",
        "new object",
        "select",
        "undo new object",
    ]
    assert heard == [1, 1, 2, 1, 1]
    assert len(records[1].diff) == 25


def test_clearing_a_plane_gives_back_what_was_covered_and_takes_the_prompts():
    session, array = started()
    click(session, Z1, (5, 5))
    before = array.copy()
    two = session.new_object()
    click(session, Z1, (6, 6))
    request = ask(session, Z1, (1, 10))
    session.clear_plane(two, Z1)
    np.testing.assert_array_equal(array, before)
    assert (session.count(two).prompts, session.count(two).voxels) == (0, 0)
    assert session.requests() == []
    assert session.commit(request, np.ones(page_shape(Z1), np.float32)) is None
    session.clear_plane(two, Z2)
    session.undo()
    assert session.count(two).prompts == 2
    assert session.undo().name == "prompts"


def test_planes_of_an_object_along_each_axis():
    session, _ = started()
    click(session, Z1, (3, 3))
    paint(session, X6, [(2, 8)], 1)
    assert [p.index for p in session.planes_of(1, Z2)] == [1, 2]
    assert [p.index for p in session.planes_of(1, Y5)] == [1, 2, 3, 4, 5, 8]
    assert [p.index for p in session.planes_of(1, X6)] == [1, 2, 3, 4, 5, 6]


def test_planes_of_an_object_are_those_of_the_frame():
    session, _ = started((2, 4, 10, 12))
    plane = Plane(0, 3, (1,))
    click(session, plane, (3, 3))
    assert session.planes_of(1, Plane(0, 0, (1,))) == [plane]
    assert session.planes_of(1, Plane(1, 0, (0,))) == []
    assert len(session.planes_of(1, Plane(1, 0, (1,)))) == 5


def test_prompts_that_begin_an_object_are_one_step():
    session, array = started()
    click(session, Z1, (4, 4))
    before = Picture.of(session, array)
    (request,) = session.begin_with({Z1: Prompts().click(8, 9)})
    assert (request.object_id, session.current) == (2, 2)
    answer(session, request, radius=1)
    assert np.count_nonzero(array == 2) == 9
    session.undo()
    assert Picture.of(session, array) == before
    session.redo()
    assert session.current == 2
    # One that is empty is used first.
    session.new_object()
    session.select(1)
    assert session.begin_with({Z1: Prompts().click(1, 1)})[0].object_id == 3
    with pytest.raises(ValueError, match="outside"):
        session.begin_with({Z1: Prompts().click(99, 1)})
    assert len(session.objects) == 3
