"""What is to be checked of all objects, and how it leaves the list and comes back."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.geometry.plane import Plane
from napari_segnext.journal import Journal, read_journal
from napari_segnext.labels.scan import Scanned, scan
from napari_segnext.prompts import Prompts
from napari_segnext.session import ArrayLabels, Session, checklist
from napari_segnext.session.checklist import CheckList, doubts_of
from napari_segnext.session.doubt import LEAST_DOUBT, Doubt
from tests.session.doubles import SHAPE, Y5, Z0, Z1, Z2, click, paint, started

Z3 = Plane(0, 3)
ALL = [(2, Z2), (1, Z1), (2, Z1)]


@pytest.fixture
def session() -> Session:
    """Doubt two objects that go through three slices."""
    labels = np.zeros(SHAPE, np.uint16)
    labels[:3, 1:4, 1:5], labels[:3, 5:9, 6:11] = 1, 2
    session = Session(ArrayLabels(labels))
    session.doubt(
        {
            (1, Z0): Doubt(LEAST_DOUBT / 2),
            (1, Z1): Doubt(0.7, like=2),
            (2, Z1): Doubt(0.6, parts=2),
            (2, Z2): Doubt(0.9),
            (2, Y5): Doubt(0.8),
        }
    )
    return session


@pytest.fixture
def listed(session: Session):
    follow = CheckList(session)
    return lambda like=Z0: [key for key, _ in follow.along(like)]


def test_all_objects_are_listed_along_an_axis_the_most_doubtful_first(listed) -> None:
    assert listed() == ALL
    assert listed(Y5) == [(2, Y5)]
    assert listed(Z3) == ALL


def test_what_is_right_or_finished_leaves_the_list(session, listed) -> None:
    session.check(2, Z2)
    assert listed() == ALL[1:]
    session.accept(1)
    assert listed() == ALL[2:]
    session.reopen(1)
    assert listed() == ALL[1:]
    session.delete(2)
    assert listed() == [(1, Z1)]
    session.undo()
    assert listed() == ALL[1:]


@pytest.mark.parametrize("how", ["prompt", "brush", "merge", "propagate", "clear"])
def test_a_mask_that_changes_is_doubted_no_more_until_that_is_undone(
    session, listed, how
) -> None:
    left = [key for key in ALL if key != (1, Z1)]
    match how:
        case "prompt":
            click(session, Z1, (2, 2), number=1)
        case "brush":
            paint(session, Z1, [(0, 0)], 1)
        case "propagate":
            found = np.zeros(SHAPE[1:], np.float32)
            found[1:4, 1:4] = 1
            session.commit_planes(1, {Z1: found}, "propagate")
        case "clear":
            session.clear_plane(1, Z1)
        case _:
            session.merge(1, 2)
            left = []
    assert listed() == left
    session.undo()
    assert listed() == ALL
    session.redo()
    assert listed() == left


def test_a_mask_that_undo_brings_is_not_the_one_that_was_doubted(session, listed):
    paint(session, Z1, [(0, 0)], 1)
    session.clear_manual_edits(1, Z1)
    session.doubt({(1, Z1): Doubt(0.95)})
    assert listed()[0] == (1, Z1)
    session.undo()
    session.undo()
    assert [d.degree for key, d in CheckList(session).along(Z0) if key == (1, Z1)] == [
        0.7
    ]


def test_doubts_come_back_from_the_journal(session, listed, tmp_path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path, SHAPE)
    journal.follow(session)
    session.check(2, Z2)
    session.set_prompts(Z1, Prompts().click(2, 2), 1)
    session.doubt({(2, Z3): Doubt(0.5, parts=0)})
    assert journal.close()
    again = read_journal(path).resume(ArrayLabels(np.zeros(SHAPE, np.uint16)))
    for number, each in session.objects.items():
        assert again.objects[number].doubts == each.doubts
    assert [key for key, _ in CheckList(again).along(Z0)] == listed()


def test_what_is_doubted_of_adopted_objects_comes_back_with_them() -> None:
    session, _ = started()
    labels = np.zeros(SHAPE, np.uint16)
    labels[:3, 1:4, 1:5] = 1
    session.adopt_labels(Scanned.of((runs for runs, _ in scan(labels)), {}))
    session.doubt({(1, Z0): Doubt(0.9), (1, Z1): Doubt(0.8)})
    for left in ([(1, Z0), (1, Z1)], [(1, Z1)]):
        session.undo()
        assert CheckList(session).along(Z0) == ()
        session.redo()
        assert [key for key, _ in CheckList(session).along(Z0)] == left
        session.check(1, Z0)


@pytest.mark.parametrize("degree", [-0.1, 1.5, float("nan")])
def test_impossible_doubts_are_refused(session, degree) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        Doubt(degree)
    with pytest.raises(ValueError, match="no object"):
        session.doubt({(7, Z0): Doubt(0.5)})
    with pytest.raises(ValueError, match="does not cut"):
        session.doubt({(1, Plane(0, 9)): Doubt(0.5)})


def test_objects_of_which_nothing_was_compared_are_not_looked_at(monkeypatch) -> None:
    looked: list[int] = []

    def look(known, like):
        looked.append(known.id)
        return doubts_of(known, like)

    monkeypatch.setattr(checklist, "doubts_of", look)
    session, _ = started()
    follow = CheckList(session)
    labels = np.arange(1, np.prod(SHAPE) + 1, dtype=np.uint16).reshape(SHAPE)
    session.adopt_labels(Scanned.of((runs for runs, _ in scan(labels)), {}))
    assert follow.along(Z0) == ()
    assert not looked
    session.doubt({(1, Z0): Doubt(0.9), (2, Z0): Doubt(0.8)})
    assert [key for key, _ in follow.along(Z0)] == [(1, Z0), (2, Z0)]
    assert sorted(looked) == [1, 2]
    looked.clear()
    assert len(follow.along(Z0)) == 2
    assert not looked
    assert follow.along(Y5) == ()
    assert len(follow.along(Z0)) == 2
    assert sorted(looked) == [1, 1, 2, 2]
    looked.clear()
    session.accept(7)
    session.delete(2, 8)
    assert [key for key, _ in follow.along(Z0)] == [(1, Z0)]
    session.undo()
    assert [key for key, _ in follow.along(Z0)] == [(1, Z0), (2, Z0)]
    assert looked == [2]
    session.undo()
    session.undo()
    assert follow.along(Z0) == ()
    follow.begin_anew()
    assert follow.along(Z0) == ()
    assert looked == [2]
