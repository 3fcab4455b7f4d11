"""Classes inside others: drawn on top, counted to both."""

import numpy as np
import pytest

from napari_segnext.files.categories import Category
from napari_segnext.journal.coding import decode, encode, from_line, to_line
from napari_segnext.repair.box import ObjectBox
from napari_segnext.repair.rules import grown
from napari_segnext.session import ArrayLabels, Session
from napari_segnext.session.exchange import exported
from tests.session.doubles import (
    SHAPE,
    Y5,
    Z1,
    Picture,
    answer,
    ask,
    click,
    paint,
    started,
)

WHOLE, CORE, ENHANCING = Category(2, "whole"), Category(1, "core"), Category(4, "enh")


@pytest.fixture
def tumour():
    """A finished whole tumour, 1, and a core, 2, that may be drawn in it."""
    session, array = started()
    session.categorise([1], WHOLE)
    ask(session, Z1, (5, 5))
    answer(session, session.request(1, Z1), radius=4)
    session.accept(1)
    session.new_object()
    session.categorise([2], CORE)
    session.nest(CORE.value, WHOLE.value)
    return session, array


def test_an_inner_object_is_drawn_on_a_finished_outer_one(tumour):
    session, array = tumour
    whole = np.count_nonzero(array)
    click(session, Z1, (5, 5))
    core = session.count(2).voxels
    assert core == 25
    assert (array[1, 3:8, 3:8] == 2).all()
    assert session.count(1).voxels == whole - core
    assert session.with_inner(1) == [1, 2]
    assert session.with_inner(2) == [2]
    session.undo()
    assert np.count_nonzero(array == 1) == whole


def test_the_outer_object_is_back_where_the_inner_one_goes(tumour):
    session, array = tumour
    whole = array.copy()
    click(session, Z1, (5, 5), (3, 3, False))
    assert (array[1, 3:6, 3:6] == 1).all()
    assert array[1, 6, 6] == 2
    session.delete(2)
    np.testing.assert_array_equal(array, whole)


def test_without_nesting_a_finished_object_keeps_its_voxels(tumour):
    session, array = tumour
    session.nest(CORE.value, 0)
    click(session, Z1, (5, 5))
    assert not (array == 2).any()
    session.undo()
    session.undo()
    assert session.objects[2].category.inside == WHOLE.value
    click(session, Z1, (5, 5))
    assert (array == 2).any()


def test_the_outer_object_takes_nothing_from_those_on_top(tumour):
    session, array = tumour
    click(session, Z1, (5, 5))
    session.reopen(1)
    click(session, Z1, (5, 6), number=1)
    click(session, Y5, (1, 5), number=1)
    session.commit_planes(1, {Z1: np.ones(array.shape[1:], np.float32)}, "found")
    assert np.count_nonzero(array == 2) == 25


def test_regions_nest_over_more_than_one_level(tumour):
    session, array = tumour
    session.accept(2)
    number = session.new_object()
    session.categorise([number], ENHANCING)
    session.nest(ENHANCING.value, CORE.value)
    click(session, Z1, (5, 5), number=number)
    assert np.count_nonzero(array == number) == 25
    assert session.with_inner(1) == [1, 2, number]
    with pytest.raises(ValueError, match="cannot lie inside a class that lies"):
        session.nest(WHOLE.value, ENHANCING.value)
    with pytest.raises(ValueError, match="cannot lie inside"):
        session.nest(WHOLE.value, WHOLE.value)
    with pytest.raises(ValueError, match="there is no class 9"):
        session.nest(9, WHOLE.value)


def test_what_was_painted_for_the_outer_object_is_drawn_on(tumour):
    session, array = tumour
    session.reopen(1)
    paint(session, Z1, [(5, 5), (5, 6)], 1)
    click(session, Z1, (5, 5), number=2)
    assert (array[1, 5, 5:7] == 2).all()


def test_a_brush_paints_an_inner_object_on_a_finished_one_and_no_other(tumour):
    session, array = tumour
    assert paint(session, Z1, [(5, 5)], 2) is None
    assert array[1, 5, 5] == 2
    assert paint(session, Z1, [(5, 6)], 0) is not None
    assert array[1, 5, 6] == 1
    third = session.new_object()
    session.categorise([third], Category(7, "vessel"))
    assert paint(session, Z1, [(5, 7)], third) is not None
    assert array[1, 5, 7] == 1


def test_of_several_outer_objects_it_counts_to_the_one_that_it_is_drawn_on(tumour):
    session, _ = tumour
    other = session.new_object()
    session.categorise([other], WHOLE)
    click(session, Z1, (8, 10), number=other)
    click(session, Z1, (4, 4), number=2)
    assert session.with_inner(1) == [1, 2]
    assert session.with_inner(other) == [other]


def test_new_members_of_a_class_lie_where_the_others_do(tumour):
    session, _ = tumour
    assert session.objects[session.new_object()].category.inside == WHOLE.value
    session.categorise([1], None)
    session.categorise([1], CORE)
    assert session.objects[1].category.inside == WHOLE.value
    assert session.categories == [Category(1, "core", 2)]


def test_nesting_is_one_step_and_comes_back_from_what_is_recorded(tumour):
    session, array = tumour
    click(session, Z1, (5, 5))
    again, copy = started()
    lines = [to_line(encode(record, {})) for record in session.records()]
    for line in lines:
        again.restore([decode(from_line(line), again.objects, again.space)])
    assert Picture.of(again, copy) == Picture.of(session, array)
    assert exported(again)[1].category.inside == WHOLE.value
    session.undo()
    assert session.undo().name == "nest"
    assert session.objects[2].category == CORE


@pytest.fixture(params=[1, 2], ids=["one tumour", "tumour and necrosis"])
def taken_in(request):
    """Labels of a finished whole tumour, 1, with a core, 2, as they are adopted."""
    array = np.zeros(SHAPE, np.uint16)
    array[:, 1:9, 1:11], array[:, 3:7, 3:8] = 1, 2
    session = Session(ArrayLabels(array))
    session.categorise([1], WHOLE)
    session.categorise([2], CORE)
    session.nest(CORE.value, WHOLE.value)
    if request.param == 2:
        third = session.new_object()
        session.categorise([third], ENHANCING)
        session.nest(ENHANCING.value, WHOLE.value)
    session.accept(1)
    return session, array


@pytest.mark.parametrize("by", [2, -1])
def test_an_inner_label_taken_in_grows_over_the_outer_one_and_gives_it_back(
    taken_in, by
):
    session, array = taken_in
    before, whole = Picture.of(session, array), np.count_nonzero(array)
    box = ObjectBox.read(
        session.labels, 2, session.place(2, Z1, whole=True), 0, (1, 1, 1), {}, 5
    )
    session.reshape(2, "repair", *box.change(grown(box, by)))
    assert (np.count_nonzero(array == 2) > np.count_nonzero(before.labels == 2)) == (
        by > 0
    )
    assert np.count_nonzero(array) == whole
    after = Picture.of(session, array)
    again, copy = started()
    assert not again.restore(session.records())
    assert Picture.of(again, copy) == after
    session.undo()
    assert Picture.of(session, array) == before
    session.redo()
    assert Picture.of(session, array) == after
    # A click refines it, and what it leaves is again the outer one's.
    click(session, Z1, (3, 3, False), number=2)
    assert array[1, 3, 3] == 1
    session.delete(2)
    np.testing.assert_array_equal(array, (before.labels > 0).astype(array.dtype))


def test_one_of_several_outer_objects_is_not_guessed(taken_in):
    session, array = taken_in
    number = session.new_object()
    session.categorise([number], WHOLE)
    assert session.place(2, Z1, whole=True).outer == ()
    session.delete(2)
    assert not array[:, 3:7, 3:8].any()


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_outer_and_inner_object_go_together(taken_in, order):
    session, array = taken_in
    session.reopen(1)
    click(session, Z1, (5, 5), number=2)
    session.delete(*order)
    assert not array.any()
