"""Labels as they were, whatever is done before, while and after they are read."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.space import Space
from napari_segnext.labels.runs import Runs
from napari_segnext.session import ArrayLabels, Session
from napari_segnext.session.snapshot import Snapshot
from tests.session.doubles import Y5, Z1, Z2, answer, ask, click, paint, started


def drawn():
    session, labels = started()
    click(session, Z1, (4, 4))
    session.new_object()
    click(session, Z1, (4, 8))
    return session, labels


def whole(snapshot):
    space = Space(snapshot.shape)
    return np.array([snapshot.read(plane) for plane in space.planes()])


def change(session):
    """Do one of everything that changes labels."""
    click(session, Y5, (1, 6))
    paint(session, Z2, [(1, 1), (1, 2)], 1)
    session.undo()
    session.merge(1, 2)
    session.undo()
    session.delete(1)
    answer(session, ask(session, Z1, (2, 9)))


def test_what_is_done_later_is_not_seen():
    session, labels = drawn()
    before = labels.copy()
    snapshot = Snapshot(session)
    change(session)
    assert not np.array_equal(labels, before)
    np.testing.assert_array_equal(whole(snapshot), before)


@pytest.mark.parametrize("plane", [Z1, Y5, Plane(2, 4)])
def test_part_of_any_plane_is_that_of_the_whole(plane):
    session, labels = drawn()
    before, extent = labels.copy(), Extent(1, 2, 4, 9)
    snapshot = Snapshot(session)
    change(session)
    page = np.take(before, plane.index, plane.axis)
    np.testing.assert_array_equal(snapshot.read(plane), page)
    np.testing.assert_array_equal(snapshot.read(plane, extent), page[extent.slices])


@pytest.mark.parametrize("at", range(4))
def test_what_is_done_while_it_is_read_is_not_seen(at):
    session, labels = drawn()
    before, read = labels.copy(), session.labels.read

    def interrupted(plane, extent=None):
        if plane == Plane(0, at):
            session.labels.read = read
            change(session)
        return read(plane, extent)

    snapshot = Snapshot(session)
    session.labels.read = interrupted
    np.testing.assert_array_equal(whole(snapshot), before)
    assert not np.array_equal(labels, before)


def test_closed_snapshot_notes_nothing_more():
    session, _ = drawn()
    snapshot = Snapshot(session)
    snapshot.close()
    assert session.watchers == []
    snapshot.close()


def test_what_is_being_written_is_not_seen():
    session, labels = drawn()
    before, write, seen = labels.copy(), session.labels.write, []
    snapshot = Snapshot(session)

    def written(*given):
        write(*given)
        # As another thread may find it.
        seen.append(whole(snapshot))

    session.labels.write = written
    click(session, Y5, (1, 6))
    session.merge(1, 2)
    session.undo()
    session.delete(1)
    session.clear_plane(2, Z1)
    assert len(seen) > 4
    for each in seen:
        np.testing.assert_array_equal(each, before)


def test_reading_after_a_large_change_looks_at_little(monkeypatch):
    labels = np.zeros((40, 64, 64), np.uint16)
    labels[:, 8:56, 8:56] = 1
    before, session = labels.copy(), Session(ArrayLabels(labels))
    snapshot, looked = Snapshot(session), []
    session.delete(1)
    expand = Runs.expand
    monkeypatch.setattr(Runs, "expand", lambda r: looked.append(r.size) or expand(r))
    np.testing.assert_array_equal(snapshot.read(Plane(0, 7)), before[7])
    assert sum(looked) < 64 * 64
