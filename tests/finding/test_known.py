"""What a session knows of a kind becomes examples."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.files.categories import Category
from napari_segnext.finding.known import Knowledge, spread
from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.labels.scan import Scanned, scan
from napari_segnext.session import ArrayLabels, Session
from napari_segnext.session.proposed import Proposed
from napari_segnext.session.snapshot import Snapshot

MITO, CELL, GOLGI = Category(1, "mito"), Category(2, "cell"), Category(3, "golgi")
SHAPE = (4, 20, 24)
Z0, Z1, Z2 = Plane(0, 0), Plane(0, 1), Plane(0, 2)
WHOLE = Extent(0, 0, 20, 24)


@pytest.fixture
def session() -> Session:
    """Return a session with three mitochondria, one of them finished, in a cell."""
    labels = np.zeros(SHAPE, np.uint16)
    labels[1, 2:5, 2:5] = 1
    labels[2, 2:5, 2:5] = 1
    labels[1, 10:14, 2:6] = 2
    labels[2, 10:14, 10:14] = 3
    labels[1:3, 15:20, 15:24] = 4
    labels[1, 0:2, 20:24] = 5
    session = Session(ArrayLabels(np.zeros(SHAPE, np.uint16)))
    session.adopt_labels(Scanned.of((runs for runs, _ in scan(labels)), {}))
    session.categorise([1, 2, 3], MITO)
    session.categorise([4], CELL)
    session.categorise([5], GOLGI)
    session.accept(1)
    return session


def examples(session: Session, category: Category | None = MITO, like: Plane = Z1):
    snapshot = Snapshot(session)
    known = Knowledge(session, category, like).planes()
    found = {each.plane: each.example(snapshot, session.space) for each in known}
    snapshot.close()
    return found


def places(regions) -> list[tuple[int, int, int, int]]:
    return [tuple(region.extent) for region in regions]


def test_finished_objects_are_examples_and_other_classes_are_none(session: Session):
    found = examples(session)
    assert list(found) == [Z1, Z2]
    assert places(found[Z1].objects) == [(2, 2, 5, 5)]
    assert places(found[Z1].others) == [(15, 15, 20, 24), (0, 20, 2, 24)]
    assert found[Z1].complete == ()
    assert places(found[Z2].others) == [(15, 15, 20, 24)]


def test_what_lies_around_the_kind_is_no_counter_example(session: Session):
    session.nest(1, 2)
    assert places(examples(session)[Z1].others) == [(0, 20, 2, 24)]
    told = Knowledge(session, MITO, Z1).taken(session.labels, Z1)(WHOLE)
    assert told[3, 3] and told[0, 21] and not told[16, 16] and not told[8, 8]


def test_what_lies_inside_an_object_belongs_to_it(session: Session):
    session.nest(3, 1)
    square = Proposed.of(Z1, Region((3, 3), np.ones((1, 1), bool)), (3, 3), 0.9, GOLGI)
    session.propose(Z1, GOLGI, [square])
    session.accept_proposals(session.findings.waiting)
    (region,) = examples(session)[Z1].objects
    assert region.pixels.all() and region.pixels.shape == (3, 3)


def test_accepted_proposals_are_examples_and_rejected_ones_counter_examples(
    session: Session,
):
    pixels = np.ones((3, 4), bool)
    at = [(6, 10), (6, 18)]
    found = [Proposed.of(Z0, Region(p, pixels), p, 0.9, MITO) for p in at]
    session.propose(Z0, MITO, found)
    right, wrong = session.findings.waiting
    session.accept_proposals([right])
    session.reject_proposals([wrong])
    known = examples(session)
    assert places(known[Z0].objects) == [(6, 10, 9, 14)]
    assert places(known[Z0].others) == [(6, 18, 9, 22)]
    assert Z0 not in examples(session, like=Plane(1, 3))


def test_in_a_complete_slice_all_of_the_kind_count(session: Session):
    session.mark_complete(MITO, Z1, True)
    session.mark_complete(CELL, Z2, True)
    known = examples(session)
    assert places(known[Z1].objects) == [(2, 2, 5, 5), (10, 2, 14, 6)]
    assert known[Z1].complete == (WHOLE,)
    assert known[Z2].complete == ()
    assert Knowledge(session, MITO, Z1).complete == {Z1}


def test_a_snapshot_makes_examples_of_what_was_known(session: Session):
    snapshot = Snapshot(session)
    known = Knowledge(session, MITO, Z1).planes()
    session.delete(1)
    assert places(known[0].example(snapshot, session.space).objects) == [(2, 2, 5, 5)]
    snapshot.close()


def test_without_an_accepted_object_it_is_said_what_to_do(session: Session):
    for category in (CELL, None):
        with pytest.raises(ValueError, match="accept one first"):
            Knowledge(session, category, Z1).planes()


def test_planes_are_chosen_evenly():
    planes = [Plane(0, index) for index in range(100)]
    chosen = [plane.index for plane in spread(planes, 5)]
    assert chosen == [0, 25, 50, 74, 99]
    assert spread(planes[:3], 5) == planes[:3]
    assert spread([], 5) == []
