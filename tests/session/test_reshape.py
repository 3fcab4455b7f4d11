"""Objects that get another shape without prompts."""

import numpy as np
import pytest

from napari_segnext.files.categories import Category
from napari_segnext.geometry.plane import Plane
from napari_segnext.prompts import Prompts
from napari_segnext.repair.box import ObjectBox
from napari_segnext.repair.rules import grown
from napari_segnext.session import ArrayLabels, Session
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
    paint,
    started,
)

NOTHING = np.zeros(0, np.int64)


def numbers(*where):
    """Return the sorted numbers of voxels, given by an index of the volume."""
    return np.arange(np.prod(SHAPE)).reshape(SHAPE)[where].ravel().astype(np.int64)


@pytest.fixture
def adopted():
    """A session with two labels as objects: 1 in the middle, 2 beside it."""
    array = np.zeros(SHAPE, np.uint16)
    array[0:3, 2:6, 2:6], array[0:3, 2:6, 7:9] = 1, 2
    return Session(ArrayLabels(array)), array


def test_voxels_come_and_go_in_one_step(adopted):
    session, array = adopted
    before = Picture.of(session, array)
    gained, lost = numbers(slice(3), 6, slice(2, 6)), numbers(1, 3, slice(3, 5))
    assert session.reshape(1, "smooth", gained, lost) == 3 * 4 + 2
    assert (array[:3, 6, 2:6] == 1).all()
    assert not array[1, 3, 3:5].any()
    after = Picture.of(session, array)
    done = session.undo()
    assert (done.name, done.object_id, done.plane) == ("smooth", 1, None)
    assert Picture.of(session, array) == before
    session.redo()
    assert Picture.of(session, array) == after


def test_nothing_is_taken_from_others_finished_or_not(adopted):
    session, array = adopted
    session.accept(2)
    assert session.reshape(1, "grow", numbers(0, 3, slice(6, 9)), NOTHING) == 1
    np.testing.assert_array_equal(array[0, 3, 5:9], [1, 1, 2, 2])
    session.reopen(2)
    assert not session.reshape(1, "grow", numbers(0, 3, slice(7, 9)), NOTHING)
    assert not session.reshape(1, "shrink", NOTHING, numbers(0, 3, slice(7, 9)))
    assert (array[0, 3, 7:9] == 2).all()


def test_what_a_prediction_had_covered_of_another_comes_back(adopted):
    session, array = adopted
    click(session, Z1, (4, 6), number=1)
    assert array[1, 4, 7] == 1
    session.reshape(1, "shrink", NOTHING, numbers(1, 4, slice(7, 9)), Z1)
    assert (array[1, 4, 7:9] == 2).all()


def test_a_finished_object_and_one_without_its_mask_stay_as_they_are(adopted):
    session, array = adopted
    session.accept(1)
    with pytest.raises(ValueError, match="is finished; reopen it"):
        session.reshape(1, "shrink", NOTHING, numbers(0, 3, 3))
    session.reopen(1)
    ask(session, Z1, (3, 3), number=1)
    for act in (
        lambda: session.reshape(1, "shrink", NOTHING, numbers(0, 3, 3)),
        lambda: session.split(1, numbers(0, 3, 3)),
        lambda: session.place(1, Z0, whole=False),
    ):
        with pytest.raises(ValueError, match="has no mask yet"):
            act()
    assert np.count_nonzero(array == 1) == 3 * 16


def test_the_next_prompt_refines_what_was_repaired():
    session, array = started()
    click(session, Z1, (4, 4))
    session.reshape(1, "fill holes", numbers(1, 8, slice(4, 7)), numbers(1, 2, 2), Z1)
    request = ask(session, Z1, (5, 5))
    assert request.answered == 1
    np.testing.assert_array_equal(request.previous, array[1] == 1)
    assert request.previous[8, 4:7].all()
    assert not request.previous[2, 2]


def test_without_its_prompts_nothing_of_the_repair_is_left():
    session, array = started()
    click(session, Z1, (4, 4))
    session.reshape(1, "grow", numbers(1, 8, slice(4, 7)), NOTHING, Z1)
    session.set_prompts(Z1, Prompts())
    assert not array.any()


def test_a_repair_wins_over_what_was_painted_and_erased():
    session, array = started()
    click(session, Z1, (4, 4))
    paint(session, Z1, [(9, 9), (9, 10)], 1)
    paint(session, Z1, [(4, 4)], 0)
    session.reshape(1, "keep part", numbers(1, 4, 4), numbers(1, 9, 9), Z1)
    click(session, Z1, (5, 5))
    assert array[1, 4, 4] == 1
    np.testing.assert_array_equal(array[1, 9, 9:11], [0, 1])


def test_the_place_of_an_object_is_a_plane_or_all_of_it(adopted):
    session, _ = adopted
    place = session.place(1, Y5, whole=False)
    assert place.planes == (Y5,)
    assert place.extent.holds(session.space.extent(Y5, session.voxels(1)))
    assert session.place(1, Y5, whole=True).planes == (Z0, Z1, Z2)


def test_a_split_makes_two_objects_in_one_step():
    session, array = started()
    session.categorise([1], None)
    click(session, Z1, (4, 3), (4, 8))
    click(session, Z0, (4, 3))
    paint(session, Z1, [(9, 9), (9, 2)], 1)
    before = Picture.of(session, array)
    right = session.voxels(1)
    right = right[right % SHAPE[2] >= 6]
    new = session.split(1, right)
    assert (array[:, :, 6:] != 1).all()
    assert (array[:, :, :6] != new).all()
    assert np.count_nonzero(array == new) == len(right)
    assert session.current == 1
    one, other = session.objects[1], session.objects[new]
    assert one.prompts == {
        Z0: Prompts().click(4, 3),
        Z1: Prompts().click(4, 3),
    }
    assert other.prompts == {Z1: Prompts().click(4, 8)}
    assert not session.requests()
    assert other.edits[Z1].voxels.tolist() == numbers(1, 9, slice(9, 10)).tolist()
    assert session.undo().name == "split"
    assert Picture.of(session, array) == before


@pytest.mark.parametrize("half", [0, 1])
def test_the_next_prompt_refines_a_half(half):
    session, array = started()
    click(session, Z1, (4, 3), (4, 8))
    right = session.voxels(1)
    new = session.split(1, right[right % SHAPE[2] >= 6])
    number = (1, new)[half]
    request = ask(session, Z1, (5, 5), number=number)
    assert request.answered == 1
    np.testing.assert_array_equal(request.previous, array[1] == number)
    answer(session, request)
    session.set_prompts(Z1, Prompts(), number)
    assert not (array == number).any()
    assert (array == (new, 1)[half]).any()


def test_a_half_of_nothing_is_refused(adopted):
    session, _ = adopted
    for voxels in (NOTHING, session.voxels(1), session.voxels(2)):
        with pytest.raises(ValueError, match="would be left on one side"):
            session.split(1, voxels)
    assert not session.can_undo


def test_a_late_mask_of_another_object_comes_beneath_repair_and_split(adopted):
    session, array = adopted
    late = ask(session, Z1, (3, 6), number=2)
    session.reshape(1, "grow", numbers(1, 3, slice(6, 7)), NOTHING, Z1)
    new = session.split(1, numbers(1, slice(2, 6), 5))
    answer(session, late)
    assert array[1, 3, 6] == 1
    assert (array[1, 2:6, 5] == new).all()
    session.undo()
    session.undo()
    assert array[1, 3, 6] == 2
    assert (array[1, 2:6, 5] == 2).all()


def test_records_bring_a_repaired_and_split_object_back():
    session, array = started()
    records = list(session.records())
    session.recorders.append(records.append)
    click(session, Z1, (4, 3), (4, 8))
    session.reshape(1, "grow", numbers(2, 4, slice(3, 9)), NOTHING)
    right = session.voxels(1)
    session.split(1, right[right % SHAPE[2] >= 6])
    again, copy = started()
    assert not again.restore(records)
    assert Picture.of(again, copy) == Picture.of(session, array)


def test_voxels_of_planes_along_any_axis_are_found():
    session, _ = started((2, 3, 4, 5))
    voxels = np.array([0, 7, 21, 60, 119], np.int64)
    for axis in range(3):
        found = session.space.parted(axis, voxels)
        assert sorted(np.concatenate(list(found.values())).tolist()) == [*range(5)]
        for plane, here in found.items():
            inside = session.space.within(plane, voxels)
            assert np.flatnonzero(inside).tolist() == here.tolist()
    assert session.space.parted(0, voxels).keys() >= {Plane(0, 0, (0,))}


def test_what_lies_inside_an_object_is_no_hole_in_its_shape():
    array = np.zeros(SHAPE, np.uint16)
    array[:, 1:9, 1:11] = 1
    session = Session(ArrayLabels(array))
    session.categorise([1], Category(1, "whole"))
    core = session.new_object()
    session.categorise([core], Category(2, "core", inside=1))
    click(session, Z1, (4, 5))
    place = session.place(1, Z1, whole=False)
    assert place.inner == (core,)
    box = ObjectBox.read(session.labels, 1, place, 0, (1, 1, 1), {}, 3)
    session.reshape(1, "shrink", *box.change(grown(box, -1)), Z1)
    right = np.zeros(SHAPE[1:], np.uint16)
    right[2:8, 2:10], right[2:7, 3:8] = 1, core
    np.testing.assert_array_equal(array[1], right)


@pytest.mark.parametrize("finished", [False, True])
def test_what_lies_inside_grows_over_what_it_was_drawn_on_and_gives_it_back(finished):
    array = np.zeros(SHAPE, np.uint16)
    array[:, 1:9, 1:11] = 1
    session = Session(ArrayLabels(array))
    session.categorise([1], Category(1, "whole"))
    core = session.new_object()
    session.categorise([core], Category(2, "core", inside=1))
    if finished:
        session.accept(1)
    click(session, Z1, (4, 5))
    before = Picture.of(session, array)
    place = session.place(core, Z1, whole=True)
    assert place.outer == (1,)
    box = ObjectBox.read(session.labels, core, place, 0, (1, 1, 1), {}, 3)
    gained, lost = box.change(grown(box, 1))
    session.reshape(core, "grow", gained, lost)
    ring = array[1, 1:8, 2:9] == core
    assert ring[0].any()
    assert ring[:, -1].any()
    assert (array[[0, 2]] == core).any(axis=(1, 2)).all()
    session.reshape(core, "shrink", NOTHING, np.sort(gained))
    np.testing.assert_array_equal(array, before.labels)
    session.undo()
    session.undo()
    assert Picture.of(session, array) == before
