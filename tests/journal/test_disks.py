"""Disks that fail: what was done is kept, and saved once it can be."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_segnext.journal import Journal, JournalBusyError, read_journal
from tests.journal.doubles import Disk, annotate, journalled, resumed
from tests.session.doubles import SHAPE, Z1, Picture, click


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def test_full_disk_is_reported_and_all_is_saved_once_there_is_room(path):
    disk = Disk()
    journal, session, labels = journalled(path, retry_s=0.01, opener=disk.open)
    annotate(session)
    assert journal.wait(timeout=20)
    disk.room = 500
    click(session, Z1, *[(3, column) for column in range(12)])
    until(lambda: journal.problem is not None)
    assert "No space left" in journal.problem
    assert "Free some space" in journal.problem
    assert journal.saved < journal.number
    whole = read_journal(path)
    assert whole.number >= journal.saved > 0
    disk.room = float("inf")
    assert journal.wait(timeout=20)
    assert journal.problem is None
    journal.close()
    saved = read_journal(path)
    assert saved.lost == 0
    assert resumed(saved) == Picture.of(session, labels)


def test_journal_appears_whole_or_not_at_all(path):
    disk = Disk(room=100)
    journal, session, labels = journalled(path, retry_s=0.01, opener=disk.open)
    annotate(session)
    until(lambda: journal.problem is not None)
    assert not path.exists()
    assert journal.saved == 0
    disk.room = float("inf")
    assert journal.wait(timeout=20)
    journal.close()
    assert resumed(read_journal(path)) == Picture.of(session, labels)


def test_what_cannot_be_saved_at_the_end_is_told(path):
    disk = Disk(room=3000)
    journal, session, _ = journalled(path, retry_s=0.01, opener=disk.open)
    annotate(session)
    click(session, Z1, *[(3, column) for column in range(12)])
    assert not journal.close()
    assert "No space left" in journal.problem


def test_finished_journal_goes_on_trying_until_all_is_saved(path):
    disk = Disk(room=3000)
    journal, session, labels = journalled(path, retry_s=0.01, opener=disk.open)
    annotate(session)
    click(session, Z1, *[(3, column) for column in range(12)])
    journal.finish()
    until(lambda: journal.problem is not None)
    with pytest.raises(JournalBusyError):
        Journal(path, SHAPE)
    disk.room = float("inf")
    assert journal.wait(timeout=20)
    assert journal.close()
    assert resumed(read_journal(path)) == Picture.of(session, labels)


def test_end_of_the_program_waits_for_what_is_still_to_be_written(path):
    code = (
        "import os, sys, time, pathlib\n"
        "from tests.journal.doubles import annotate, journalled\n"
        "sync = os.fsync\n"
        "os.fsync = lambda handle: (time.sleep(0.3), sync(handle))\n"
        "journal, session, _ = journalled(pathlib.Path(sys.argv[1]))\n"
        "annotate(session)\n"
        "print(journal.number, journal.saved)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    number, saved = map(int, done.stdout.split())
    assert saved < number == read_journal(path).number


def test_lost_drive_that_comes_back_empty_gets_the_whole_journal(path):
    disk = Disk()
    journal, session, labels = journalled(path, retry_s=0.01, opener=disk.open)
    annotate(session)
    assert journal.wait(timeout=20)
    disk.gone = True
    click(session, Z1, (6, 6))
    until(lambda: journal.problem is not None)
    path.unlink()
    disk.gone = False
    assert journal.wait(timeout=20)
    click(session, Z1, (6, 7))
    journal.close()
    assert resumed(read_journal(path)) == Picture.of(session, labels)


@pytest.mark.skipif(os.name != "posix", reason="open files cannot be deleted")
def test_deleted_journal_is_written_again(path):
    journal, session, labels = journalled(path)
    annotate(session)
    assert journal.wait(timeout=20)
    path.unlink()
    click(session, Z1, (6, 6))
    journal.close()
    assert resumed(read_journal(path)) == Picture.of(session, labels)
