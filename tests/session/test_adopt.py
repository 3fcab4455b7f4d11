"""Objects of one session taken into another, as one step."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.files.categories import Category
from napari_segnext.prompts import Prompts
from napari_segnext.session import Session
from tests.session.doubles import Y5, Z1, Z2, Picture, answer, ask, click, started


def drawn() -> tuple[Session, np.ndarray]:
    """Two objects, of which the second covers a part of the first."""
    session, labels = started()
    click(session, Z1, (4, 4))
    click(session, Y5, (1, 4))
    session.new_object("second")
    click(session, Z1, (4, 7))
    return session, labels


def test_objects_keep_their_ids_where_nothing_has_been_done():
    other, drawn_labels = drawn()
    session, labels = started()
    ids = session.free_ids([8, 3])
    assert ids == {8: 8, 3: 3}
    session.adopt(other, {1: 8, 2: 3})
    assert list(session.objects) == [3, 8]
    assert session.objects[3].name == "second"
    assert session.current == 8
    np.testing.assert_array_equal(labels, np.array([0, 8, 3])[drawn_labels])
    assert session.objects[8].prompts == other.objects[1].prompts
    assert session.requests() == []
    assert session.count(8).voxels == (labels == 8).sum()


def test_import_is_one_step():
    other, _ = drawn()
    session, labels = started()
    click(session, Z2, (2, 2))
    before = Picture.of(session, labels)
    session.adopt(other, session.free_ids([1, 2]) | {2: 9})
    after = Picture.of(session, labels)
    session.undo()
    assert Picture.of(session, labels) == before
    session.redo()
    assert Picture.of(session, labels) == after


def test_what_is_there_stays():
    other, drawn_labels = drawn()
    session, labels = started()
    click(session, Z1, (5, 5))
    mine = labels == 1
    ids = session.free_ids([1, 2])
    assert ids == {1: 3, 2: 2}
    session.adopt(other, ids)
    assert (labels[mine] == 1).all()
    expected = np.array([0, 3, 2])[drawn_labels]
    np.testing.assert_array_equal(labels[~mine], expected[~mine])


def test_refinement_goes_on_from_the_imported_mask():
    other, _ = drawn()
    session, _ = started()
    session.adopt(other, {1: 1, 2: 2})
    here, there = (ask(s, Z1, (7, 4), number=1) for s in (session, other))
    np.testing.assert_array_equal(here.previous, there.previous)
    assert here.answered == there.answered == 1


def test_taking_away_prompts_gives_back_what_the_import_covered():
    other, _ = drawn()
    session, labels = started()
    session.adopt(other, {1: 5, 2: 6})
    session.set_prompts(Z1, Prompts(), 6)
    session.set_prompts(Z1, Prompts(), 5)
    assert not labels[1][:, 7:].any()


def test_late_mask_lies_beneath_an_import():
    session, labels = started()
    request = ask(session, Z1, (4, 4))
    other, _ = drawn()
    session.adopt(other, {1: 8, 2: 9})
    answer(session, request)
    instant, expected = started()
    click(instant, Z1, (4, 4))
    instant.adopt(other, {1: 8, 2: 9})
    np.testing.assert_array_equal(labels, expected)


def test_classes_that_contradict_each_other_are_refused():
    other, _ = drawn()
    other.categorise([1], Category(2, "cell"))
    session, labels = started()
    click(session, Z1, (4, 4))
    session.categorise([1], Category(2, "nucleus"))
    before = Picture.of(session, labels)
    with pytest.raises(ValueError, match="mistaken"):
        session.adopt(other, {1: 8, 2: 9})
    assert Picture.of(session, labels) == before


def test_ids_beyond_the_type_of_the_labels_are_replaced():
    session, _ = started(dtype=np.uint8)
    assert session.free_ids([300, 7]) == {300: 8, 7: 7}
