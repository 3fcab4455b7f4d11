"""Undo takes back prompts and masks together; late masks find their step."""

import numpy as np
import pytest

from napari_segnext.geometry.plane import Plane
from napari_segnext.prompts import Prompts
from napari_segnext.session import PlaneDiff
from tests.session.doubles import (
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

ACTIONS = {
    "prompts": lambda s: click(s, Z1, (3, 4)),
    "moved": lambda s: answer(s, s.set_prompts(Z1, Prompts().click(6, 6))),
    "emptied": lambda s: s.set_prompts(Z1, Prompts()),
    "other plane": lambda s: click(s, Y5, (1, 3)),
    "stroke": lambda s: paint(s, Z1, [(3, 3), (0, 0)], 2),
    "erased": lambda s: paint(s, Y5, [(1, 3), (0, 0)], 0),
    "clear edits": lambda s: answer(s, s.clear_manual_edits(1, Z2)),
    "new object": lambda s: s.new_object(),
    "accept": lambda s: s.accept(1),
    "rename": lambda s: s.rename(1, "hippocampus"),
    "recolour": lambda s: s.recolour(1, (1.0, 0.5, 0.0)),
    "discard": lambda s: s.discard(1),
    "delete": lambda s: s.delete(1),
    "delete all": lambda s: s.delete(1, 2),
    "merge": lambda s: s.merge(1, 2),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_is_one_step_that_can_be_undone_and_redone(action):
    session, labels = started()
    click(session, Z1, (3, 3))
    click(session, Z2, (3, 3))
    paint(session, Z2, [(9, 0)], 1)
    session.new_object()
    click(session, Z1, (3, 6))
    session.select(1)
    before = Picture.of(session, labels)
    ACTIONS[action](session)
    after = Picture.of(session, labels)
    with pytest.raises(AssertionError):
        assert before == after
    session.undo()
    assert Picture.of(session, labels) == before
    session.redo()
    assert Picture.of(session, labels) == after
    assert not session.can_redo


def test_nothing_to_undo_or_redo():
    session, _ = started()
    assert session.undo() is None
    assert session.redo() is None


def test_undo_tells_what_it_did():
    session, _ = started()
    click(session, Z1, (3, 3), (7, 8))
    undone = session.undo()
    assert (undone.name, undone.object_id, undone.plane) == ("prompts", 1, Z1)
    assert undone.prompts == Prompts().click(3, 3)
    assert undone.request is None


def test_undo_goes_to_the_object_that_was_current():
    session, _ = started()
    click(session, Z1, (3, 3))
    session.new_object()
    session.undo()
    assert session.current == 1
    session.redo()
    assert session.current == 2


def test_new_step_ends_what_can_be_redone():
    session, _ = started()
    click(session, Z1, (3, 3))
    session.undo()
    click(session, Z1, (5, 5))
    assert not session.can_redo


def test_probability_from_before_comes_back():
    session, _ = started()
    click(session, Z1, (3, 3), (3, 6))
    session.undo()
    request = ask(session, Z1, (3, 6))
    assert request.answered == 1
    assert request.previous[3, 8] < 0.5 < request.previous[3, 5] < 1


# Several planes at once


def test_prompts_of_several_planes_are_one_step():
    session, labels = started()
    click(session, Z1, (3, 3))
    click(session, Z2, (3, 3), (7, 8))
    before = Picture.of(session, labels)
    changes = {Z1: Prompts(), Z2: Prompts().click(7, 8)}
    (request,) = session.change_prompts(changes)
    assert request.plane == Z2
    answer(session, request)
    assert not labels[1].any()
    after = Picture.of(session, labels)
    undone = session.undo()
    assert Picture.of(session, labels) == before
    assert not undone.requests
    session.redo()
    assert Picture.of(session, labels) == after


def test_undo_of_prompts_in_several_planes_asks_for_what_was_not_decoded():
    session, _ = started()
    ask(session, Z1, (3, 3))
    ask(session, Z2, (3, 3))
    session.change_prompts({Z1: Prompts(), Z2: Prompts()})
    assert {r.plane for r in session.undo().requests} == {Z1, Z2}


def test_planes_that_cross_are_not_changed_at_once():
    session, _ = started()
    with pytest.raises(ValueError, match="cross"):
        session.change_prompts({Z1: Prompts().click(1, 1), Y5: Prompts().click(1, 1)})
    assert not session.can_undo


def test_stroke_through_several_planes_is_one_step_and_protects_what_is_finished():
    session, labels = started()
    click(session, Z1, (3, 3))
    paint(session, Y5, [(1, 3), (2, 3)], 1)
    session.accept(1)
    session.new_object()
    before = Picture.of(session, labels)
    parts = []
    for plane in (Z1, Z2):
        rows, columns = np.array([3, 5, 9]), np.array([3, 3, 9])
        old = labels[plane.index, rows, columns].copy()
        labels[plane.index, rows, columns] = 2
        parts.append(PlaneDiff(plane, rows, columns, old, np.full(3, 2, np.uint16)))
    (first, second) = session.record_strokes(parts)
    assert (first.plane, len(first), second.plane, len(second)) == (Z1, 2, Z2, 1)
    assert labels[1, 9, 9] == labels[2, 3, 3] == labels[2, 9, 9] == 2
    assert labels[1, 3, 3] == labels[2, 5, 3] == 1
    assert set(session.objects[2].edits) == {Z1, Z2}
    session.undo()
    assert Picture.of(session, labels) == before


# Clicks that share a decode


def test_fast_clicks_are_a_step_each_and_their_mask_belongs_to_the_last():
    session, labels = started()
    click(session, Z1, (3, 3))
    one = labels.copy()
    answer(session, ask(session, Z1, (3, 6), (3, 9), (7, 9)))
    four = Picture.of(session, labels)
    undone = session.undo()
    assert np.array_equal(labels, one)
    assert len(undone.prompts) == 3
    assert undone.request.prompts == undone.prompts
    assert undone.request.answered == 1
    answer(session, undone.request)
    three = labels.copy()
    assert np.array_equal(
        labels[1] == 1, decoded(undone.prompts, labels[1].shape) > 0.5
    )
    assert session.undo().request is not None
    assert np.array_equal(labels, one)
    assert session.undo().request is None
    assert np.array_equal(labels, one)
    session.redo()
    session.redo()
    assert np.array_equal(labels, three)
    session.redo()
    assert Picture.of(session, labels) == four


def test_redo_of_a_click_that_was_never_answered_asks_for_it():
    session, labels = started()
    ask(session, Z1, (3, 3))
    session.undo()
    request = session.redo().request
    answer(session, request)
    assert labels.sum() == 25


# Answers that are late


def test_answer_to_an_undone_click_is_not_written():
    session, labels = started()
    request = ask(session, Z1, (3, 3))
    session.undo()
    assert answer(session, request) is None
    assert not labels.any()


def test_answer_is_written_once():
    session, _ = started()
    request = ask(session, Z1, (3, 3))
    assert answer(session, request) is not None
    assert answer(session, request) is None


def test_older_answer_is_shown_until_the_newer_comes_and_not_after():
    session, labels = started()
    first = ask(session, Z1, (3, 3))
    second = ask(session, Z1, (7, 8))
    assert answer(session, first) is not None
    assert labels.sum() == 25
    answer(session, second)
    assert labels.sum() == 50
    session.undo()
    assert labels.sum() == 25
    session.undo()
    assert not labels.any()
    session.redo()
    session.redo()
    first, second = ask(session, Z1, (0, 0)), ask(session, Z1, (9, 0))
    answer(session, second)
    assert answer(session, first) is None


@pytest.mark.parametrize("operation", ["discard", "delete"])
def test_answer_for_an_object_that_is_gone_is_not_written(operation):
    session, labels = started()
    session.new_object()
    request = ask(session, Z1, (3, 3))
    getattr(session, operation)(2)
    assert answer(session, request) is None
    assert not labels.any()
    session.undo()
    (request,) = session.requests()
    answer(session, request)
    assert (labels == 2).sum() == 25


def test_answer_after_all_prompts_were_taken_away_is_not_written():
    session, labels = started()
    request = ask(session, Z1, (3, 3))
    session.set_prompts(Z1, Prompts())
    assert answer(session, request) is None
    assert not labels.any()
    request = session.undo().request
    answer(session, request)
    assert labels.sum() == 25
    session.redo()
    assert not labels.any()
    session.undo()
    assert labels.sum() == 25


def test_late_answer_belongs_to_its_step_and_not_to_the_last():
    session, labels = started()
    request = ask(session, Z1, (3, 3))
    session.new_object()
    click(session, Z2, (7, 8))
    answer(session, request)
    assert labels[1].sum() == 25
    session.undo()
    assert labels[1].sum() == 25
    assert not labels[2].any()
    session.undo()
    session.undo()
    assert not labels.any()
    for _ in range(3):
        session.redo()
    assert (labels == 1).sum() == (labels == 2).sum() == 25


def test_stroke_during_a_decode_stays_and_undo_shows_the_mask_beneath():
    session, labels = started()
    request = ask(session, Z1, (3, 3))
    paint(session, Z1, [(9, 9)], 1)
    click(session, Z2, (3, 3))
    paint(session, Z1, [(3, 3)], 1)
    paint(session, Z1, [(3, 3)], 0)
    answer(session, request)
    assert labels[1, 3, 3] == 0
    assert labels[1, 9, 9] == 1
    assert labels[1].sum() == 25
    session.undo()
    session.undo()
    assert labels[1, 3, 3] == 1
    while session.undo():
        pass
    assert not labels.any()


def test_crossing_plane_decoded_first_keeps_the_shared_line():
    session, labels = started()
    click(session, Y5, (1, 6))
    start = labels.copy()
    first = session.set_prompts(Z1, Prompts().click(0, 0))
    second = session.set_prompts(Y5, Prompts().click(1, 6).click(1, 1))
    answer(session, second)
    shared = labels[1, 5].copy()
    answer(session, first)
    assert np.array_equal(labels[1, 5, :4], shared[:4])
    session.undo()
    session.undo()
    assert np.array_equal(labels, start)


@pytest.mark.parametrize("gone", [(2, 3), (3, 2), (1, 3), (3, 1), (1, 2), (1, 2, 3)])
def test_objects_deleted_at_once_leave_what_they_leave_one_after_the_other(gone):
    found = []
    for steps in ((gone,), [(number,) for number in gone]):
        session, labels = started()
        for number, column in ((1, 3), (2, 4), (3, 5)):
            if number > 1:
                session.new_object()
            click(session, Z1, (3, column), number=number)
        before = labels.copy()
        for numbers in steps:
            session.delete(*numbers)
        found.append((labels.copy(), list(session.objects), session.current))
    assert not np.isin(labels, gone).any()
    np.testing.assert_array_equal(found[0][0], found[1][0])
    if len(gone) < 3:
        assert found[0][1:] == found[1][1:]
    for _ in gone:
        session.undo()
    np.testing.assert_array_equal(labels, before)


def test_object_deleted_during_a_decode_leaves_no_hole():
    session, labels = started()
    session.new_object()
    click(session, Z1, (3, 4), number=2)
    session.select(1)
    request = ask(session, Z1, (3, 3), number=1)
    session.delete(2)
    answer(session, request)
    assert (labels[1] == 1).sum() == 25
    assert labels.sum() == 25
    session.undo()
    assert (labels[1] == 1).sum() == 25
    session.undo()
    assert (labels[1] == 2).sum() == 25


def test_object_accepted_during_a_decode_of_another_is_protected():
    session, labels = started()
    session.new_object()
    click(session, Z1, (3, 4), number=2)
    request = ask(session, Z1, (3, 3), number=1)
    session.accept(2)
    answer(session, request)
    assert (labels == 2).sum() == 25
    assert (labels == 1).sum() == 5


def test_accepting_while_the_last_click_is_decoded_still_gets_its_mask():
    session, labels = started()
    request = ask(session, Z1, (3, 3))
    session.accept(1)
    session.new_object()
    answer(session, request)
    assert labels.sum() == 25
    assert session.objects[1].finished


def test_a_step_keeps_only_what_changed():
    session, _ = started((3, 400, 400))
    plane = Plane(0, 1)
    prompts = Prompts().click(200, 200)
    request = session.set_prompts(plane, prompts)
    probability = decoded(prompts, page_shape(plane, (3, 400, 400)), radius=10)
    probability[probability < 0.5] = 0
    session.commit(request, probability)
    result = session.objects[1].results[plane]
    assert result.probability.levels.nbytes == 21 * 21
    assert len(result.base) == 21 * 21
