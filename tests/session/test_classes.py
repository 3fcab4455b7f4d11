"""Classes of objects: one value, one name, and no object lost between them."""

from __future__ import annotations

import pytest

from napari_segnext.files.categories import Category, Named, semantic_values
from napari_segnext.session import Session
from tests.session.doubles import SHAPE, Z1, ask, started

CELL, MITOCHONDRION = Category(1, "cell"), Category(2, "mitochondrion")


def test_class_is_given_to_several_objects_in_one_step():
    session, _ = started()
    session.new_object()
    session.categorise([1, 2], CELL)
    assert [each.category for each in session.objects.values()] == [CELL, CELL]
    session.undo()
    assert session.categories == []
    session.redo()
    assert session.categories == [CELL]


def test_next_object_has_the_class_of_the_one_before():
    session, _ = started()
    session.categorise([1], CELL)
    assert session.objects[session.accept_and_begin(1)].category == CELL
    assert session.objects[session.new_object()].category == CELL


@pytest.mark.parametrize("other", [Category(1, "nucleus"), Category(3, "cell")])
def test_class_that_would_be_mistaken_for_another_is_refused(other):
    session, _ = started()
    session.categorise([1], CELL)
    number = session.new_object()
    with pytest.raises(ValueError, match="one value and one name"):
        session.categorise([number], other)
    session.categorise([1, number], other)
    assert session.categories == [other]


def test_classes_come_back_from_what_is_recorded():
    session, _ = started()
    ask(session, Z1, (4, 5))
    session.categorise([1], MITOCHONDRION)
    again, _ = started(SHAPE)
    again.restore(list(session.records()))
    assert again.objects[1].category == MITOCHONDRION
    assert isinstance(again, Session)


def test_semantic_labels_have_one_value_per_class():
    legend = {3: Named("a", CELL), 5: Named("b", MITOCHONDRION), 9: Named("c", CELL)}
    assert semantic_values(legend) == {3: 1, 5: 2, 9: 1}
    with pytest.raises(ValueError, match="b has no class"):
        semantic_values({3: Named("a", CELL), 5: Named("b")})
    with pytest.raises(ValueError, match="mistaken"):
        semantic_values({3: Named("a", Category(2, "x")), 5: Named("b", MITOCHONDRION)})


def test_class_needs_a_value_above_zero_and_a_name():
    with pytest.raises(ValueError, match="at least 1"):
        Category(0, "background")
    with pytest.raises(ValueError, match="name"):
        Category(1, "")
