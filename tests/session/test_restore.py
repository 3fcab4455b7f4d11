"""All that a session knows can be told, and restored from that."""

import numpy as np

from napari_segnext.journal import Journal, read_journal
from napari_segnext.labels.chunked import LabelStore
from napari_segnext.session import ArrayLabels, Session
from tests.session.doubles import (
    SHAPE,
    X6,
    Y5,
    Z1,
    Picture,
    answer,
    ask,
    click,
    paint,
    started,
)


def restored(session):
    array = np.zeros(session.labels.shape, np.uint16)
    copy = Session(ArrayLabels(array), blank=True)
    return copy, array, copy.restore(session.records())


def test_all_that_there_is_can_be_told_and_restored():
    session, labels = started()
    click(session, Z1, (3, 3), (7, 8))
    click(session, Y5, (1, 6))
    paint(session, X6, [(1, 2), (2, 3)], 4)
    session.rename(1, "cortex")
    session.accept(4)
    copy, array, requests = restored(session)
    assert Picture.of(copy, array) == Picture.of(session, labels)
    assert copy.count(1) == session.count(1)
    assert requests == []
    assert not copy.can_undo
    assert copy.undo() is None


def test_all_that_was_recorded_is_what_there_is():
    session = Session(ArrayLabels(labels := np.zeros(SHAPE, np.uint16)))
    records = []
    session.recorders.append(records.append)
    click(session, Z1, (3, 3), (7, 8), number=session.new_object())
    paint(session, Z1, [(3, 3)], 0)
    session.undo()
    session.delete(1)
    session.undo()
    copy = Session(ArrayLabels(array := np.zeros(SHAPE, np.uint16)), blank=True)
    copy.restore(records)
    assert Picture.of(copy, array) == Picture.of(session, labels)


def test_prompts_without_an_answer_are_asked_for_after_restoring():
    session, _ = started()
    click(session, Z1, (3, 3))
    ask(session, Z1, (7, 8))
    ask(session, Y5, (1, 6))
    copy, array, requests = restored(session)
    assert {r.plane: len(r.prompts) for r in requests} == {Z1: 2, Y5: 1}
    for request in requests:
        answer(copy, request)
    assert array[1, 7, 8] == array[1, 5, 6] == 1
    assert copy.requests() == []
    click(copy, Z1, (0, 0))
    copy.undo()
    assert not copy.can_undo


def test_a_journal_without_a_voxel_at_first_is_resumed_on_stored_labels(tmp_path):
    session = Session(LabelStore(SHAPE), blank=True)
    session.new_object()
    journal = Journal(tmp_path / "journal", SHAPE)
    journal.follow(session)
    session.rename(1, "cortex")
    click(session, Z1, (3, 3))
    assert journal.close()
    again = read_journal(tmp_path / "journal").resume(LabelStore(SHAPE))
    assert again.objects[1].name == "cortex"
    np.testing.assert_array_equal(again.labels.read(Z1), session.labels.read(Z1))
    assert again.labels.read(Z1)[3, 3] == 1
