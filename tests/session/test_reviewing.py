"""Proposals become objects, or do not, each as one step."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.files.categories import Category
from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.prompts import Prompts
from napari_segnext.session import ArrayLabels, Session
from napari_segnext.session.proposed import Proposed
from tests.session.doubles import (
    SHAPE,
    Y5,
    Z0,
    Z1,
    Z2,
    Picture,
    answer,
    ask,
    click,
    started,
)

MITO, CELL = Category(1, "mito", inside=2), Category(2, "cell")


def square(
    plane: Plane,
    top: int,
    left: int,
    score: float = 0.9,
    category: Category | None = None,
    side: int = 3,
) -> Proposed:
    region = Region((top, left), np.ones((side, side), bool))
    return Proposed.of(plane, region, (top + 1, left + 1), score, category)


def waiting(session: Session) -> list[tuple[Plane, tuple[int, int]]]:
    found = session.findings.waiting.values()
    return [(each.plane, each.extent[:2]) for each in found]


def propose(session: Session, *found: Proposed) -> list[int]:
    """Propose in as many planes as there are; return the numbers."""
    before = set(session.findings.waiting)
    for plane in {each.plane for each in found}:
        here = [each for each in found if each.plane == plane]
        session.propose(plane, here[0].category, here)
    fresh = session.findings.waiting.keys() - before
    places = {n: session.findings.proposals[n] for n in fresh}
    order = [(each.plane, each.extent) for each in found]
    return sorted(fresh, key=lambda n: order.index((places[n].plane, places[n].extent)))


def numbers(array: np.ndarray, plane: Plane) -> set[int]:
    return set(np.unique(np.take(array, plane.index, plane.axis)).tolist()) - {0}


def test_a_proposal_is_no_object_and_changes_no_label():
    session, array = started()
    before = Picture.of(session, array)
    told = []
    session.recorders.append(told.append)
    assert len(session.propose(Z1, None, [square(Z1, 1, 1), square(Z1, 5, 5)])) == 2
    assert Picture.of(session, array) == before
    assert not session.can_undo
    assert [record.name for record in told] == ["proposals"]


def test_an_accepted_one_is_an_object_that_is_found_right_and_can_be_propagated():
    session, array = started()
    click(session, Z1, (7, 9))
    (number,) = propose(session, square(Z1, 1, 1))
    before = Picture.of(session, array)
    assert session.accept_proposals([number]) == 1
    assert session.current == 1
    made = session.objects[2]
    assert not made.finished
    assert made.results[Z1].checked
    assert made.prompts[Z1] == Prompts().click(2, 2)
    assert (array[1, 1:4, 1:4] == 2).all()
    assert np.count_nonzero(array == 2) == 9
    assert not session.requests()
    assert waiting(session) == []

    session.undo()
    assert Picture.of(session, array) == before
    assert waiting(session) == [(Z1, (1, 1))]
    session.redo()
    assert np.count_nonzero(array == 2) == 9
    assert waiting(session) == []
    # It goes on from what was proposed.
    request = ask(session, Z1, (2, 8), number=2)
    assert request.answered == 1
    assert request.patch.mask()[1:4, 1:4].all()


def test_in_a_2d_image_it_is_finished():
    array = np.zeros((10, 12), np.uint8)
    session = Session(ArrayLabels(array))
    session.new_object()
    session.accept_proposals(propose(session, square(Plane(), 1, 1)))
    assert session.objects[2].finished


def test_several_are_accepted_in_one_step_and_do_not_overlap():
    session, array = started()
    click(session, Z1, (7, 9))
    found = propose(
        session,
        square(Z1, 1, 1, 0.7, side=4),
        square(Z1, 1, 4, 0.9, side=4),
        square(Z1, 2, 4, 0.6),
        square(Z2, 1, 1),
    )
    assert session.accept_proposals(found, join=False) == 3
    assert list(session.objects) == [1, 2, 3, 4]
    assert np.count_nonzero(array[1, 1:5, 4:8]) == 16
    # What the better one takes is not taken from it.
    assert len(np.unique(array[1, 1:5, 4:8])) == 1
    assert waiting(session) == []
    session.undo()
    assert len(waiting(session)) == 4
    assert numbers(array, Z1) == {1}
    assert numbers(array, Z2) == set()


def test_it_takes_nothing_from_objects_finished_or_not():
    session, array = started()
    click(session, Z1, (2, 1))
    mine = array == 1
    found = propose(session, square(Z1, 2, 3, side=4))
    session.accept_proposals(found)
    assert (array[mine] == 1).all()
    assert (array == 2).sum() == 16 - mine[1, 2:6, 3:7].sum() < 16


def test_what_objects_cover_goes_and_comes_back_when_that_is_undone():
    session, _ = started()
    propose(session, square(Z1, 1, 1), square(Z1, 6, 8))
    request = ask(session, Z1, (2, 2))
    assert len(waiting(session)) == 2
    answer(session, request)
    assert waiting(session) == [(Z1, (6, 8))]
    session.undo()
    assert sorted(waiting(session)) == [(Z1, (1, 1)), (Z1, (6, 8))]
    session.redo()
    assert waiting(session) == [(Z1, (6, 8))]
    # In a plane that crosses too.
    click(session, Y5, (1, 9), (2, 9))
    session.commit_planes(1, {Plane(0, 1): np.ones(SHAPE[1:], np.float32)}, "x")
    assert waiting(session) == [(Z1, (6, 8))]
    session.new_object()
    session.commit_planes(2, {Plane(0, 1): np.ones(SHAPE[1:], np.float32)}, "x")
    assert waiting(session) == []


def test_rejected_ones_wait_no_more_and_are_not_proposed_again():
    session, array = started()
    first, second = propose(session, square(Z1, 1, 1), square(Z1, 5, 5))
    before = Picture.of(session, array)
    session.reject_proposals([first])
    assert waiting(session) == [(Z1, (5, 5))]
    again = square(Z1, 6, 8)
    assert session.propose(Z1, None, [square(Z1, 1, 2), again]) == [again]
    # What waited there has made room.
    assert waiting(session) == [(Z1, (6, 8))]
    session.undo()
    assert Picture.of(session, array) == before
    assert sorted(waiting(session)) == [(Z1, (1, 1)), (Z1, (6, 8))]
    with pytest.raises(ValueError, match="no proposal 2"):
        session.reject_proposals([second])


def test_proposals_of_other_kinds_and_planes_stay():
    session, _ = started()
    session.propose(Z1, MITO, [square(Z1, 1, 1, category=MITO)])
    session.propose(Z2, None, [square(Z2, 1, 1)])
    session.propose(Z1, None, [square(Z1, 5, 5)])
    assert len(waiting(session)) == 3
    session.propose(Z1, None, [])
    assert sorted(waiting(session)) == [(Z1, (1, 1)), (Z2, (1, 1))]


def test_one_that_continues_an_object_becomes_a_part_of_it():
    session, array = started()
    click(session, Z1, (2, 2))
    session.accept(1)
    (number,) = propose(session, square(Z2, 1, 1))
    assert session.continued(number) == 1
    session.accept_proposals([number])
    assert list(session.objects) == [1]
    assert session.objects[1].finished
    assert (array[2, 1:4, 1:4] == 1).all()
    session.undo()
    assert not array[2].any()
    session.accept_proposals([number], join=False)
    assert (array[2, 1:4, 1:4] == 2).all()


def test_nothing_is_continued_that_is_there_already_or_of_another_kind():
    session, _ = started()
    click(session, Z1, (2, 2))
    click(session, Z2, (7, 9))
    (number,) = propose(session, square(Z2, 1, 1))
    assert session.continued(number) == 0
    session.propose(Z0, MITO, [square(Z0, 1, 1, category=MITO)])
    (other,) = session.findings.waiting.keys() - {number}
    assert session.continued(other) == 0


def test_several_that_continue_each_other_become_one_from_the_known_slice_on():
    session, array = started()
    click(session, Z2, (2, 2))
    found = propose(
        session, square(Z0, 1, 1), square(Z1, 1, 1), square(Z1, 6, 8), square(Z0, 6, 8)
    )
    assert session.accept_proposals(found) == 4
    assert list(session.objects) == [1, 2]
    assert [numbers(array, plane) for plane in (Z0, Z1, Z2)] == [{1, 2}, {1, 2}, {1}]
    assert (array[:2, 6:9, 8:11] == 2).all()


def test_one_that_is_corrected_is_the_current_object_with_its_prompts():
    session, array = started()
    session.propose(Z1, None, [square(Z1, 1, 1), square(Z1, 6, 8)])
    first, second = session.findings.waiting
    before = Picture.of(session, array)
    assert session.correct_proposal(first) == []
    assert session.current == 1
    assert not session.objects[1].results[Z1].checked
    assert (array[1, 1:4, 1:4] == 1).all()
    # Another takes a new object, and is decoded if there are more prompts.
    more = Prompts().click(9, 11, positive=False)
    (request,) = session.correct_proposal(second, more)
    assert session.current == request.object_id == 2
    assert request.answered == 1
    assert request.prompts == Prompts().click(7, 9).click(9, 11, positive=False)
    answer(session, request)
    assert not session.requests()
    session.undo()
    session.undo()
    assert Picture.of(session, array) == before
    assert len(waiting(session)) == 2


def test_what_lies_on_an_object_around_its_kind_is_drawn_on_it():
    session, array = started()
    click(session, Z1, (2, 2), (2, 6))
    session.categorise([1], CELL)
    session.accept(1)
    session.new_object()
    click(session, Z2, (7, 9))
    session.categorise([2], MITO)
    session.propose(Z1, MITO, [square(Z1, 1, 1, category=Category(1, "mito"))])
    (number,) = session.findings.waiting
    session.accept_proposals([number])
    assert (array[1, 1:4, 1:4] == 3).all()
    assert session.objects[3].category == MITO
    session.discard(3)
    assert (array[1, 1:4, 1:4] == 1).all()


def test_a_slice_is_marked_complete_for_a_kind():
    session, _ = started()
    session.mark_complete(MITO, Z1, True)
    session.mark_complete(MITO, Z1, True)
    session.mark_complete(None, Z2, True)
    assert session.findings.complete == {(1, Z1), (0, Z2)}
    session.mark_complete(MITO, Z1, False)
    assert session.findings.complete == {(0, Z2)}
    for left in ({(1, Z1), (0, Z2)}, {(1, Z1)}, set()):
        session.undo()
        assert session.findings.complete == left
    assert not session.can_undo


def test_what_cannot_be_is_refused_and_changes_nothing():
    session, array = started()
    with pytest.raises(ValueError, match="outside"):
        session.propose(Z1, None, [square(Z1, 8, 10)])
    with pytest.raises(ValueError, match="score"):
        square(Z1, 1, 1, score=1.2)
    (number,) = propose(session, square(Z1, 1, 1))
    session.propose(Y5, None, [square(Y5, 1, 1)])
    before = Picture.of(session, array)
    for act in (session.accept_proposals, session.reject_proposals):
        with pytest.raises(ValueError, match="no proposal 9"):
            act([number, 9])
    with pytest.raises(ValueError, match="planes that cross"):
        session.accept_proposals(session.findings.waiting)
    with pytest.raises(ValueError, match="outside"):
        session.correct_proposal(number, Prompts().click(99, 1))
    assert Picture.of(session, array) == before
    assert not session.can_undo


def test_all_of_it_is_in_the_records():
    session, array = started()
    told = []
    session.recorders.append(told.append)
    session.propose(Z1, MITO, [square(Z1, 1, 1), square(Z1, 6, 8), square(Z1, 6, 2)])
    first, second, _ = session.findings.waiting
    session.accept_proposals([first])
    session.reject_proposals([second])
    session.mark_complete(MITO, Z2, True)
    for records in (told, list(session.records())):
        again, array_again = started()
        again.restore(records)
        assert Picture.of(again, array_again) == Picture.of(session, array)
        assert again.findings.complete == session.findings.complete
        assert again.findings.proposals == session.findings.proposals
