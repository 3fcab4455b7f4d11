"""A stroke that the session has not heard of comes before whatever is done next."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.files.categories import Category
from napari_segnext.prompts import Prompts
from napari_segnext.session import ArrayLabels, PlaneDiff, Session

from .doubles import SHAPE, Z0, Z1, Z2, answer, ask, decoded

PAGE = SHAPE[1:]


class Brushed(ArrayLabels):
    """Labels in which somebody else paints too, as the user does in a layer."""

    def __init__(self) -> None:
        super().__init__(np.zeros(SHAPE, np.uint16))
        self.session: Session | None = None
        self.pending: list[PlaneDiff] = []

    def paint(self, plane, row, column, new) -> None:
        at = np.array([row]), np.array([column])
        old = self.read(plane)[at].copy()
        self.array[plane.index][at] = new
        self.pending.append(PlaneDiff(plane, *at, old, np.array([new])))

    def settle(self) -> None:
        pending, self.pending = self.pending, []
        if pending:
            self.session.record_strokes(pending)

    def read(self, plane, extent=None):
        assert not self.pending, "the labels were read as they no longer are"
        return super().read(plane, extent)

    def write(self, plane, rows, columns, values) -> None:
        assert not self.pending, "a step was in the middle of another"
        super().write(plane, rows, columns, values)


VERBS = {
    "set_prompts": lambda s, _: s.set_prompts(Z2, Prompts().click(8, 8)),
    "change_prompts": lambda s, _: s.change_prompts({Z2: Prompts().click(8, 8)}),
    "commit": lambda s, request: answer(s, request),
    "commit_planes": lambda s, _: s.commit_planes(
        1, {Z2: decoded(Prompts().click(5, 5), PAGE)}, "found"
    ),
    "clear_plane": lambda s, _: s.clear_plane(1, Z0),
    "clear_manual_edits": lambda s, _: s.clear_manual_edits(1, Z1),
    "records": lambda s, _: list(s.records()),
    "restore": lambda s, _: s.restore([]),
    "request": lambda s, _: s.request(1, Z1),
    "requests": lambda s, _: s.requests(),
    "undo": lambda s, _: s.undo(),
    "redo": lambda s, _: s.redo(),
    "check": lambda s, _: s.check(1, Z0),
    "view_by_class": lambda s, _: s.view_by_class(True),
    "new_object": lambda s, _: s.new_object(),
    "begin": lambda s, _: s.begin(),
    "planes_of": lambda s, _: s.planes_of(1, Z0),
    "select": lambda s, _: s.select(1),
    "accept": lambda s, _: s.accept(1),
    "accept_and_begin": lambda s, _: s.accept_and_begin(1),
    "reopen": lambda s, _: s.reopen(1),
    "rename": lambda s, _: s.rename(1, "left"),
    "recolour": lambda s, _: s.recolour(1, (1.0, 0.0, 0.0)),
    "categorise": lambda s, _: s.categorise([1], Category(3, "cell")),
    "discard": lambda s, _: s.discard(1),
    "delete": lambda s, _: s.delete(1),
    "merge": lambda s, _: s.merge(1, 2),
    "free_ids": lambda s, _: s.free_ids([1]),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_stroke_is_a_step_before_what_follows_it(verb):
    labels = Brushed()
    session = labels.session = Session(labels, blank=True)
    session.new_object()
    answer(session, ask(session, Z0, (4, 5)))
    session.new_object()
    session.select(1)
    request = ask(session, Z1, (4, 5))
    told: list[str] = []
    session.recorders.append(lambda record: told.append(record.name))
    labels.paint(Z1, 9, 11, 1)
    VERBS[verb](session, request)
    assert told[0] == "stroke"
    assert told.count("stroke") == 1
    assert not labels.pending


def test_an_import_comes_after_a_stroke_of_the_object_whose_place_it_would_take():
    labels = Brushed()
    session = labels.session = Session(labels, blank=True)
    session.new_object()
    other = Session(ArrayLabels(np.zeros(SHAPE, np.uint16)), blank=True)
    other.new_object("imported")
    labels.paint(Z1, 9, 11, 1)
    session.adopt(other, session.free_ids([1]))
    assert {n: each.name for n, each in session.objects.items()} == {
        1: "Object 1",
        2: "imported",
    }
    assert labels.read(Z1)[9, 11] == 1


def test_what_is_being_drawn_is_not_ended_by_a_mask_that_arrives():
    labels = Brushed()
    session = labels.session = Session(labels, blank=True)
    session.new_object()
    request = ask(session, Z0, (4, 5))
    ended: list[str] = []
    session.settlers.append(lambda: ended.append("polygon"))
    answer(session, request)
    assert ended == []
    session.undo()
    assert ended == ["polygon"]
