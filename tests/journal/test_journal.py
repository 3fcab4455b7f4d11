"""What a session did is on disk, whatever happens to the disk."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from napari_segnext.journal import (
    DamagedJournalError,
    Journal,
    JournalBusyError,
    read_journal,
)
from napari_segnext.prompts import Prompts
from napari_segnext.session import ArrayLabels
from tests.journal.doubles import annotate, annotated, journalled, resumed
from tests.session.doubles import SHAPE, Z1, Picture, ask, click, paint


def test_session_is_resumed_as_it_was(path):
    journal, session, labels = journalled(path)
    annotate(session)
    assert journal.close()
    saved = read_journal(path)
    assert resumed(saved) == Picture.of(session, labels)
    assert saved.lost == 0
    assert saved.number == journal.number == journal.saved


def test_phrase_survives_with_its_clicks_and_its_undo(path):
    journal, session, _ = journalled(path)
    session.new_object()
    for prompts in (
        Prompts().text("dark nucleus"),
        Prompts().text("dark nucleus").click(3, 4),
        Prompts().text("bright nucleus").click(3, 4),
    ):
        session.set_prompts(Z1, prompts)
    session.undo()
    assert journal.close()
    copy = read_journal(path).resume(ArrayLabels(np.zeros(SHAPE, np.uint16)))
    (request,) = copy.requests()
    assert request.prompts == Prompts().text("dark nucleus").click(3, 4)
    assert request.prompts == session.objects[session.current].prompts[Z1]


def test_what_was_still_to_be_decoded_is_asked_for(path):
    journal, session, _ = journalled(path)
    annotate(session)
    journal.close()
    copy = read_journal(path).resume(ArrayLabels(np.zeros(SHAPE, np.uint16)))
    (request,) = copy.requests()
    assert request.prompts == session.objects[1].prompts[Z1]
    (original,) = session.requests()
    assert request.answered == original.answered
    np.testing.assert_array_equal(request.previous, original.previous)


def test_journal_goes_on_after_resuming(path):
    journal, session, _ = journalled(path)
    annotate(session)
    journal.close()
    for column in (2, 9):
        saved = read_journal(path)
        labels = np.zeros(SHAPE, np.uint16)
        session = saved.resume(ArrayLabels(labels))
        journal = Journal(path, SHAPE, saved)
        journal.follow(session)
        click(session, Z1, (5, column))
        paint(session, Z1, [(9, column)], 1)
        journal.close()
        assert resumed(read_journal(path)) == Picture.of(session, labels)


def test_journal_of_labels_that_were_there_before_holds_them(path):
    session, labels = annotated()
    journal = Journal(path, SHAPE)
    journal.follow(session)
    click(session, Z1, (6, 6))
    journal.close()
    assert resumed(read_journal(path)) == Picture.of(session, labels)


def test_nothing_to_resume_before_the_first_prompt(path):
    journal, session, _ = journalled(path)
    journal.wait()
    assert read_journal(path).empty
    ask(session, Z1, (3, 3))
    assert journal.close()
    assert not read_journal(path).empty


def test_labels_of_another_shape_or_a_narrow_type_are_refused(path):
    journal, session, _ = journalled(path)
    paint(session, Z1, [(1, 1)], 300)
    journal.close()
    with pytest.raises(ValueError, match="shape"):
        read_journal(path).resume(ArrayLabels(np.zeros((4, 4), np.uint16)))
    with pytest.raises(ValueError, match="300"):
        read_journal(path).resume(ArrayLabels(np.zeros(SHAPE, np.uint8)))


def test_prompts_are_not_written_again_with_each_new_one(path):
    journal, session, _ = journalled(path)
    assert journal.wait(timeout=20)
    ask(session, Z1, *[(at % 10, at % 12) for at in range(40)])
    journal.close()
    lines = path.read_bytes().splitlines()
    assert max(map(len, lines[-20:])) < min(map(len, lines[3:8])) + 10


def test_a_change_is_saved_once_it_is_synced(path, monkeypatch):
    journal, session, _ = journalled(path)
    assert journal.wait(timeout=20)
    may_sync, sync = threading.Event(), os.fsync

    def slow(handle):
        assert may_sync.wait(20)
        sync(handle)

    monkeypatch.setattr(os, "fsync", slow)
    ask(session, Z1, (3, 3))
    assert not journal.wait(timeout=0.05)
    assert journal.saved < journal.number
    may_sync.set()
    assert journal.wait(timeout=20)
    journal.close()


def test_recording_waits_for_no_disk(path, monkeypatch):
    journal, session, labels = journalled(path)
    assert journal.wait(timeout=20)
    may_sync, sync = threading.Event(), os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (may_sync.wait(20), sync(handle)))
    click(session, Z1, *[(3, column) for column in range(10)])
    assert not may_sync.is_set()
    may_sync.set()
    journal.close()
    assert resumed(read_journal(path)) == Picture.of(session, labels)


def test_watchers_hear_what_is_saved(path):
    journal, session, _ = journalled(path)
    heard = []
    journal.watchers.append(lambda: heard.append((journal.saved, journal.problem)))
    ask(session, Z1, (3, 3))
    journal.close()
    assert heard[-1] == (journal.number, None)


def test_closed_journal_no_longer_follows(path):
    journal, session, _ = journalled(path)
    annotate(session)
    journal.close()
    before = path.read_bytes()
    click(session, Z1, (3, 3))
    assert path.read_bytes() == before


# Written anew


def test_journal_is_written_anew_when_it_has_grown(path):
    journal, session, labels = journalled(path, compact_at=20_000)
    largest = 0
    for column in range(12):
        for row in range(10):
            click(session, Z1, (row, column))
        assert journal.wait(timeout=20)
        largest = max(largest, path.stat().st_size)
    journal.close()
    assert resumed(read_journal(path)) == Picture.of(session, labels)
    assert largest < 200_000
    assert len(path.read_bytes().splitlines()) < 240


def test_failing_to_write_anew_keeps_the_journal(path, monkeypatch):
    journal, session, labels = journalled(path, compact_at=1000)
    assert journal.wait(timeout=20)

    def refuse(*_):
        raise OSError("no")

    monkeypatch.setattr(os, "replace", refuse)
    for column in range(12):
        click(session, Z1, (3, column))
        assert journal.wait(timeout=20)
    assert journal.problem is None
    journal.close()
    assert resumed(read_journal(path)) == Picture.of(session, labels)
    assert [p.name for p in path.parent.iterdir() if p.suffix == ".new"] == []


# Damage


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(
    "damage", ["cut", "garbage", "flipped", "line missing", "zeros"]
)
def test_damaged_tail_costs_only_what_follows_it(path, damage):
    journal, session, labels = journalled(path)
    annotate(session)
    journal.wait()
    before = Picture.of(session, labels)
    whole = path.stat().st_size
    click(session, Z1, (6, 6))
    journal.close()
    content = path.read_bytes()
    tail = content[whole:].splitlines(keepends=True)
    flipped = bytearray(content[whole:])
    flipped[20] ^= 1
    damaged = {
        "cut": content[whole:-9][: len(tail[0]) - 4],
        "garbage": b"\xff\x00{}\n",
        "flipped": bytes(flipped),
        "line missing": tail[1],
        "zeros": bytes(4096),
    }[damage]
    path.write_bytes(content[:whole] + damaged)
    saved = read_journal(path)
    assert saved.lost == len(damaged)
    assert saved.damaged == (damage not in ("cut", "zeros"))
    assert resumed(saved) == before
    labels = np.zeros(SHAPE, np.uint16)
    session = saved.resume(ArrayLabels(labels))
    journal = Journal(path, SHAPE, saved)
    journal.follow(session)
    click(session, Z1, (9, 9))
    journal.close()
    assert read_journal(path).lost == 0
    assert resumed(read_journal(path)) == Picture.of(session, labels)


@pytest.mark.parametrize("content", [b"", b"\x00" * 50, b"{}", b"hello\n"])
def test_what_is_no_journal_is_refused_and_set_aside(path, content):
    path.write_bytes(content)
    with pytest.raises(DamagedJournalError, match="not a journal"):
        read_journal(path)
    journal, session, _ = journalled(path)
    annotate(session)
    journal.close()
    assert not read_journal(path).empty
    (aside,) = path.parent.glob(path.name + ".2*")
    assert aside.read_bytes() == content


def test_journal_without_any_work_leaves_no_file(path):
    journal, session, _ = journalled(path)
    session.new_object()
    session.select(1)
    journal.close()
    assert list(path.parent.iterdir()) == []


def test_journal_that_is_not_continued_is_set_aside(path):
    journal, session, labels = journalled(path)
    annotate(session)
    journal.close()
    journalled(path)[0].close()
    (aside,) = path.parent.glob(path.name + ".2*")
    assert resumed(read_journal(aside)) == Picture.of(session, labels)


# Two viewers


def test_second_viewer_of_an_image_is_told(path):
    journal, _, _ = journalled(path)
    with pytest.raises(JournalBusyError, match="another viewer"):
        Journal(path, SHAPE)
    journal.close()
    Journal(path, SHAPE).close()


def test_second_process_is_told_and_the_lock_ends_with_the_first(path):
    code = (
        "import sys, pathlib, time; from napari_segnext.journal import Journal;"
        "Journal(pathlib.Path(sys.argv[1]), (4, 10, 12)); print('open', flush=True);"
        "time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "open\n"
        with pytest.raises(JournalBusyError):
            Journal(path, SHAPE)
        other.kill()
        other.wait()
    Journal(path, SHAPE).close()
