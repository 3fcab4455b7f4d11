"""Masks of several planes at once: one step, nothing protected is touched."""

import numpy as np
import pytest

from napari_segnext.geometry.plane import Plane
from napari_segnext.prompts import Prompts
from napari_segnext.session.checklist import doubtful
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
    decoded,
    page_shape,
    paint,
    started,
)

Z3 = Plane(0, 3)


def square(first: int, last: int, value: float = 0.9) -> np.ndarray:
    probability = np.full(SHAPE[1:], 0.1, np.float32)
    probability[first:last, first:last] = value
    return probability


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_planes_are_written_undone_and_redone_as_one(axis):
    session, labels = started()
    shape = [n for a, n in enumerate(SHAPE) if a != axis]
    maps = {Plane(axis, 1): np.zeros(shape, np.float32)}
    maps[Plane(axis, 2)], maps[Plane(axis, 3)] = (
        maps[Plane(axis, 1)] + p for p in (0.8, 1)
    )
    session.commit_planes(1, maps, "propagate")
    expected = np.zeros(SHAPE, bool)
    np.moveaxis(expected, axis, 0)[2:4] = True
    assert np.array_equal(labels == 1, expected)
    undone = session.undo()
    assert undone is not None
    assert undone.name == "propagate"
    assert not labels.any()
    session.redo()
    assert np.array_equal(labels == 1, expected)


def test_planes_that_got_prompts_meanwhile_are_left_to_these():
    session, labels = started()
    request = ask(session, Z1, (5, 5))
    session.commit_planes(1, {Z1: square(0, 2), Z2: square(0, 2)}, "propagate")
    assert not labels[1].any()
    assert labels[2].sum() == 4
    answer(session, request)
    assert labels[1].sum() == 25


def test_finished_objects_and_manual_edits_stay():
    session, labels = started()
    click(session, Z1, (2, 2))
    session.accept(1)
    number = session.new_object()
    paint(session, Z2, [(9, 9)], number)
    paint(session, Z2, [(0, 0), (0, 1)], number)
    paint(session, Z2, [(0, 0)], 0)
    session.commit_planes(number, {Z1: square(0, 6), Z2: square(0, 6)}, "propagate")
    assert np.array_equal(labels[1] == 1, square(0, 5) > 0.5)
    assert labels[2, 0, 0] == 0
    assert labels[2, 9, 9] == number
    with pytest.raises(ValueError, match="is finished"):
        session.commit_planes(1, {Z2: square(0, 6)}, "propagate")


def test_propagating_again_takes_back_what_no_longer_belongs():
    session, labels = started()
    click(session, Z1, (8, 8))
    number = session.new_object()
    session.commit_planes(number, {Z1: square(5, 9), Z2: square(0, 6)}, "propagate")
    session.commit_planes(number, {Z1: square(0, 0), Z2: square(0, 2)}, "propagate")
    assert np.array_equal(labels[1] == 1, square(6, 11) > 0.5)
    assert np.array_equal(labels[2] == number, square(0, 2) > 0.5)
    session.undo()
    assert np.array_equal(labels[1] == number, square(5, 9) > 0.5)


def test_a_late_mask_of_another_object_goes_beneath():
    session, labels = started()
    request = ask(session, Z2, (5, 5))
    number = session.new_object()
    session.commit_planes(number, {Z2: square(4, 6)}, "propagate")
    answer(session, request)
    assert np.array_equal(labels[2] == number, square(4, 6) > 0.5)
    session.undo()
    assert np.array_equal(labels[2] == 1, square(3, 8) > 0.5)


def test_a_correction_starts_from_the_mask_that_was_propagated():
    session, _ = started()
    session.commit_planes(1, {Z2: square(4, 6)}, "propagate")
    request = session.set_prompts(Z2, Prompts().click(8, 8))
    assert request is not None
    assert np.array_equal(request.previous > 0.5, square(4, 6) > 0.5)


def test_what_is_doubtful_comes_and_goes_with_the_step_that_found_it():
    session, _ = started()
    maps = {plane: square(2, 6) for plane in (Z0, Z1, Z2, Z3)}

    def follow(*sure):
        session.commit_planes(1, maps, "propagate", dict(zip(maps, sure, strict=True)))

    def listed():
        return doubtful(session.objects[1], Z0)

    follow(0.3, 0.9, 0.9, 0.2)
    assert listed() == [Z3, Z0]
    session.check(1, Z3)
    assert listed() == [Z0]
    follow(0.9, 0.3, 0.9, 0.1)
    assert listed() == [Z3, Z1]
    session.undo()
    assert listed() == [Z0]
    session.check(1, Z0)
    session.redo()
    assert listed() == [Z3, Z1]
    session.check(1, Z1)
    for _ in range(2):
        session.undo()
    assert listed() == []
    session.redo()
    assert listed() == []
    session.redo()
    assert listed() == [Z3]
    session.delete(1)
    session.undo()
    assert listed() == [Z3]
    assert doubtful(session.objects[1], Y5) == []
    paint(session, Z3, [(9, 9)], 1)
    assert listed() == []


@pytest.mark.parametrize("sure", [-0.1, 1.1, float("nan"), float("inf")])
def test_impossible_confidence_is_refused_and_nothing_changes(sure):
    session, labels = started()
    with pytest.raises(ValueError, match="from 0 to 1"):
        session.commit_planes(1, {Z1: square(0, 3)}, "propagate", {Z1: sure})
    assert not labels.any()
    assert not session.can_undo


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({Z1: np.zeros((3, 3), np.float32)}, "is finite and of shape"),
        ({Z1: square(0, 2, np.nan)}, "is finite and of shape"),
        ({Z1: square(0, 2), Y5: np.ones((4, 12), np.float32)}, "cross"),
        ({Plane(0, 4): square(0, 2)}, "does not cut"),
    ],
)
def test_impossible_masks_are_refused_and_nothing_changes(maps, message):
    session, labels = started()
    with pytest.raises(ValueError, match=message):
        session.commit_planes(1, {Z0: square(0, 3), **maps}, "propagate")
    assert not labels.any()
    assert not session.can_undo


def test_nothing_to_write_is_no_step():
    session, _ = started()
    request = ask(session, Z1, (5, 5))
    assert request is not None
    session.commit_planes(1, {Z1: square(0, 2)}, "propagate")
    session.undo()
    assert not session.objects[1].prompts


def disks() -> dict[Plane, np.ndarray]:
    return {
        plane: decoded(Prompts().click(5, at), page_shape(plane))
        for at, plane in enumerate((Z0, Z1, Z2), 3)
    }


def test_masks_written_in_turns_are_one_step_after_the_last():
    session, array = started()
    records = []
    session.recorders.append(records.append)
    shares = []
    for share in session.commit_planes_in_turns(1, disks(), "interpolate"):
        shares.append(share)
        assert not array.any()
    assert shares == [1 / 3, 2 / 3, 1]
    assert [record.name for record in records] == ["interpolate"]
    again, copy = started()
    again.commit_planes(1, disks(), "interpolate")
    assert Picture.of(session, array) == Picture.of(again, copy)
    assert session.undo().name == "interpolate"
    assert not array.any()


def test_masks_left_between_two_turns_change_nothing():
    session, array = started()
    turns = session.commit_planes_in_turns(1, disks(), "interpolate")
    next(turns)
    turns.close()
    assert not array.any()
    assert not session.can_undo
    assert not session.recorders


def test_what_changes_between_two_turns_is_heeded():
    session, array = started()
    turns = session.commit_planes_in_turns(1, disks(), "interpolate")
    next(turns)
    second = session.new_object()
    paint(session, Z0, [(5, 3)], second)
    click(session, Z1, (1, 1), number=1)
    assert list(turns) == []
    assert array[0, 5, 3] == second
    assert (array[1] == 1).sum() == 16
    assert (array[2] == 1).sum() == 25


def test_an_object_that_goes_between_two_turns_gets_nothing():
    session, array = started()
    turns = session.commit_planes_in_turns(1, disks(), "interpolate")
    next(turns)
    session.accept(1)
    with pytest.raises(ValueError, match="is finished"):
        next(turns)
    assert not array.any()
