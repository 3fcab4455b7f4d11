"""What was painted and erased by hand stays so."""

import numpy as np
import pytest

from napari_segnext.geometry.plane import Plane
from napari_segnext.prompts import Prompts
from napari_segnext.session import ArrayLabels, Session
from tests.session.doubles import (
    X6,
    Y5,
    Z1,
    answer,
    ask,
    click,
    decoded,
    page_shape,
    paint,
    started,
)


def test_painted_pixel_stays_in_and_erased_pixel_stays_out():
    session, _ = started()
    click(session, Z1, (3, 3))
    paint(session, Z1, [(9, 9)], 1)
    paint(session, Z1, [(3, 3)], 0)
    request = ask(session, Z1, (3, 5))
    assert request.previous[9, 9] == 1
    assert request.previous[3, 3] == 0
    answer(session, request)
    page = session.labels.read(Z1)
    assert page[9, 9] == 1
    assert page[3, 3] == 0
    assert page[3, 7] == 1


def test_manual_edit_holds_in_a_crossing_plane_too():
    session, labels = started()
    paint(session, Y5, [(1, 9)], 1)
    click(session, Z1, (2, 2))
    assert labels[1, 5, 9] == 1
    paint(session, Z1, [(2, 2)], 0)
    click(session, X6, (1, 2))
    click(session, Plane(1, 2), (1, 2))
    assert labels[1, 2, 2] == 0


def test_later_edit_in_a_crossing_plane_wins():
    session, labels = started()
    paint(session, Y5, [(1, 6)], 1)
    paint(session, Z1, [(5, 6)], 0)
    click(session, Z1, (5, 6))
    assert labels[1, 5, 6] == 0
    session.clear_manual_edits(1, Y5)
    assert labels[1, 5, 6] == 0


def test_pixels_painted_for_another_object_are_protected():
    session, labels = started()
    session.new_object()
    paint(session, Z1, [(3, 3)], 2)
    click(session, Z1, (3, 3), number=1)
    assert labels[1, 3, 3] == 2
    click(session, Y5, (1, 3), number=1)
    assert labels[1, 3, 3] == 2


def test_painting_over_another_object_keeps_that_one_out():
    session, labels = started()
    click(session, Z1, (3, 3))
    session.new_object()
    paint(session, Z1, [(3, 3)], 2)
    click(session, Z1, (3, 4), number=1)
    assert labels[1, 3, 3] == 2
    session.delete(2)
    click(session, Z1, (3, 5), number=1)
    assert labels[1, 3, 3] == 0


@pytest.mark.parametrize("new", [0, 2])
def test_stroke_over_a_finished_object_is_taken_back(new):
    session, labels = started()
    click(session, Z1, (3, 3))
    session.accept(1)
    session.new_object()
    reverted = paint(session, Z1, [(3, 3), (9, 9)], new)
    assert labels[1, 3, 3] == 1
    assert labels[1, 9, 9] == new
    assert len(reverted) == 1
    assert (reverted.rows[0], reverted.columns[0], reverted.new[0]) == (3, 3, 1)
    assert session.count(1).voxels == 25


def test_painting_more_of_a_finished_object_is_taken_back():
    session, labels = started()
    session.accept(1)
    paint(session, Z1, [(3, 3)], 1)
    assert not labels.any()
    assert session.undo().name == "accept"


def test_stroke_with_an_unused_id_makes_an_object():
    session, _ = started()
    paint(session, Z1, [(3, 3)], 9)
    assert list(session.objects) == [1, 9]
    assert session.count(9).voxels == 1
    session.undo()
    assert list(session.objects) == [1]


def test_cleared_edits_leave_the_decision_to_the_prompts():
    session, labels = started()
    click(session, Z1, (3, 3))
    paint(session, Z1, [(3, 3), (3, 4)], 0)
    paint(session, Z1, [(9, 9)], 1)
    edited = labels.copy()
    request = session.clear_manual_edits(1, Z1)
    assert np.array_equal(labels, edited)
    answer(session, request)
    expected = decoded(Prompts().click(3, 3), page_shape(Z1)) > 0.5
    assert np.array_equal(labels[1] == 1, expected)
    session.undo()
    assert np.array_equal(labels, edited)
    assert len(session.objects[1].edits[Z1]) == 3


def test_clearing_what_is_not_there_is_no_step():
    session, _ = started()
    assert session.clear_manual_edits(1, Z1) is None
    assert not session.can_undo


def test_the_largest_id_in_labels_leaves_smaller_ones_for_new_objects() -> None:
    session = Session(ArrayLabels(np.full((3, 3), 255, np.uint8)))
    assert session.accept_and_begin(255) == 1
    session.reopen(255)
    session.delete(1, 255)
    assert list(session.objects) == [2] and not session.labels.read(Plane()).any()
    session.undo()
    assert (session.labels.read(Plane()) == 255).all()


def test_labels_in_which_every_id_is_in_use_say_so() -> None:
    session = Session(ArrayLabels(np.arange(256).astype(np.uint8).reshape(16, 16)))
    with pytest.raises(ValueError, match="255, and all ids are in use"):
        session.new_object()
