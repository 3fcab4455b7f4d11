"""What is proposed, rejected and complete is in the journal."""

import json

import numpy as np
import pytest

from napari_segnext.files.categories import Category
from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.space import Space
from napari_segnext.journal import Journal, read_journal
from napari_segnext.journal.coding import UNREADABLE, decode, encode
from napari_segnext.session import ArrayLabels, Record
from napari_segnext.session.proposed import Proposed
from tests.journal.doubles import journalled
from tests.session.doubles import SHAPE, Z1, Z2, Picture, click, started

MITO = Category(1, "mito", inside=2)


def proposed(top, left, score=0.87654321, category=MITO):
    mask = np.ones((2, 3), bool)
    mask[0, 0] = False
    return Proposed.of(
        Z1, Region((top, left), mask), (top + 0.96, left + 1), score, category
    )


def told(findings):
    """Return all that is found, as it is written."""
    return findings.complete, {
        number: (
            each.plane,
            each.region,
            tuple(round(at, 1) for at in each.click),
            round(each.score, 4),
            each.category,
            each.rejected,
        )
        for number, each in findings.proposals.items()
    }


def reviewed(path):
    journal, session, labels = journalled(path)
    click(session, Z1, (8, 1))
    found = [proposed(0, 0), proposed(3, 4), proposed(6, 8)]
    session.propose(Z1, MITO, found)
    session.propose(Z2, None, [])
    session.mark_complete(MITO, Z2, True)
    session.mark_complete(None, Z1, True)
    session.accept_proposals([1])
    session.reject_proposals([2])
    session.reject_proposals([3])
    session.undo()
    return journal, session, labels


def test_it_is_resumed_as_it_was_and_goes_on(path):
    journal, session, labels = reviewed(path)
    journal.close()
    saved = read_journal(path)
    again = np.zeros(SHAPE, np.uint16)
    copy = saved.resume(ArrayLabels(again))
    assert Picture.of(copy, again) == Picture.of(session, labels)
    assert told(copy.findings) == told(session.findings)
    assert list(copy.findings.waiting) == [3]

    journal = Journal(path, SHAPE, saved)
    journal.follow(copy)
    copy.mark_complete(None, Z1, False)
    copy.propose(Z1, None, [proposed(3, 8, category=None)])
    assert list(copy.findings.waiting) == [3, 4]
    copy.correct_proposal(4)
    journal.close()
    last = read_journal(path).resume(ArrayLabels(np.zeros(SHAPE, np.uint16)))
    assert told(last.findings) == told(copy.findings)


def test_it_is_there_after_the_journal_was_written_anew(path):
    _, session, _ = reviewed(path)
    copy, _ = started()
    copy.restore(
        decode(json.loads(json.dumps(encode(each, {}))), {}, Space(SHAPE))
        for each in session.records()
    )
    assert told(copy.findings) == told(session.findings)


@pytest.mark.parametrize(
    "change",
    [
        {"plane": [0, 4]},
        {"click": [0, 12]},
        {"score": 1.5},
        {"rejected": 1},
        {"class": [0, "nothing"]},
        {"region": [[9, 0], [2, 3], "eJxjYAAAAAIAAQ=="]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_cannot_be_is_refused(path, change):
    _, session, _ = reviewed(path)
    (record, *_) = session.records()
    entry = json.loads(json.dumps(encode(Record("all", record.delta, record.diff), {})))
    space = Space(SHAPE)
    assert decode(entry, {}, space).delta.proposals
    entry["proposals"][0][1] |= change
    with pytest.raises(UNREADABLE):
        decode(entry, {}, space)
