"""What waits for the disk goes on once that is done, or after 200 ms."""

import pytest

from napari_segnext.plugin.work.acknowledging import PATIENCE_MS, Acknowledgement


@pytest.fixture
def acknowledged(qapp):
    acknowledged = Acknowledgement()
    yield acknowledged
    acknowledged.close()


def test_nothing_waits_when_all_is_saved(acknowledged):
    done = []
    acknowledged.when_saved("key", lambda: done.append(1))
    acknowledged.take()
    acknowledged.save(1)
    acknowledged.when_saved("key", lambda: done.append(2))
    assert done == [1, 2]


def test_waits_for_what_was_taken_and_not_for_later_changes(acknowledged):
    done = []
    acknowledged.take()
    acknowledged.when_saved("key", lambda: done.append(1))
    acknowledged.take()
    assert done == []
    acknowledged.save(1)
    assert done == [1]
    assert not acknowledged.late


def test_newer_of_the_same_key_replaces_what_waits(acknowledged):
    done = []
    acknowledged.take()
    for name in "abc":
        acknowledged.when_saved(name == "b", lambda name=name: done.append(name))
    acknowledged.save(1)
    assert sorted(done) == ["b", "c"]


def test_slow_disk_is_marked_and_holds_nothing_up(acknowledged, qtbot):
    done = []
    acknowledged.take()
    acknowledged.when_saved("key", lambda: done.append(1))
    qtbot.wait(PATIENCE_MS // 4)
    assert done == []
    qtbot.waitUntil(lambda: acknowledged.late, timeout=5_000)
    assert done == [1]
    acknowledged.take()
    acknowledged.when_saved("key", lambda: done.append(2))
    assert done == [1, 2]
    acknowledged.save(2)
    assert not acknowledged.late


def test_patience_is_counted_from_each_change(acknowledged, qtbot):
    for number in range(1, 7):
        acknowledged.take()
        qtbot.wait(PATIENCE_MS // 4)
        if number > 1:
            acknowledged.save(number - 1)
        assert acknowledged.taken == number
        assert not acknowledged.late
