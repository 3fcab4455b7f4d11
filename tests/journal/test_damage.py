"""Journals that were cut, crafted, put there by others or written by older versions."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import stat
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest

from napari_segnext.files import write_prompts
from napari_segnext.files.categories import Category
from napari_segnext.geometry.plane import Plane
from napari_segnext.journal import (
    DamagedJournalError,
    Subject,
    describe,
    find_earlier,
    opening,
    read_journal,
    resume,
    start,
)
from napari_segnext.journal.coding import to_line
from napari_segnext.labels.diffs import Diff
from napari_segnext.prompts import Prompts
from napari_segnext.session import ArrayLabels, Record, Session
from napari_segnext.session.exchange import exported
from napari_segnext.session.state import Delta
from tests.journal.doubles import annotate, journalled, resumed
from tests.session.doubles import SHAPE, Z1, Picture, click

OLDER = Path(__file__).parent / "written_by_0_1"
FIRST = {"journal": 1, "shape": SHAPE, "number": 0}
MADE = {
    "number": 1,
    "what": "new",
    "current": 1,
    "objects": {"1": {"name": "soma", "finished": False, "colour": None}},
}


@pytest.fixture
def subject(tmp_path) -> Subject:
    file = tmp_path / "brain.nii.gz"
    file.write_bytes(b"x")
    return Subject(file, "brain", SHAPE)


def begun() -> Session:
    session = Session(ArrayLabels(np.zeros(SHAPE, np.uint16)), blank=True)
    session.new_object()
    return session


def written_at_once(subject: Subject) -> tuple[Path, bytes]:
    """Return a journal as its first writing, or a compaction, leaves it."""
    session = begun()
    annotate(session)
    journal = start(subject)
    journal.follow(session)
    assert journal.close()
    return journal.path, journal.path.read_bytes()


@pytest.mark.parametrize("name", ["changes", "sum"])
def test_journals_of_the_first_version_come_back_as_they_were(name, tmp_path):
    labels = np.zeros(SHAPE, np.uint16)
    saved = read_journal(OLDER / f"{name}.segnext-journal")
    assert not saved.damaged
    session = saved.resume(ArrayLabels(labels))
    np.testing.assert_array_equal(labels, np.load(OLDER / "labels.npy"))
    write_prompts(tmp_path / "prompts.json", exported(session))
    expected = json.loads((OLDER / "prompts.json").read_text())
    assert json.loads((tmp_path / "prompts.json").read_text()) == expected


def test_journal_cut_anywhere_is_never_deleted_and_never_offered_as_whole(subject):
    path, whole = written_at_once(subject)
    header = whole.index(b"\n") + 1
    for cut in sorted({*range(1, len(whole), 97), header, whole.index(b"\n", header)}):
        for other in path.parent.glob("brain.nii.gz.*"):
            other.unlink()
        path.write_bytes(whole[:cut])
        offered = [describe(found) for found in find_earlier(subject)]
        assert all(each is None or each.damaged for each in offered), cut
        if any(offered):
            journal, _ = resume(subject, path)
        else:
            journal = start(subject)
        journal.follow(begun())
        journal.close()
        kept = [file.read_bytes() for file in path.parent.iterdir()]
        assert whole[:cut] in kept, cut


def test_damaged_journal_that_is_gone_on_with_is_whole_again(subject):
    path, whole = written_at_once(subject)
    path.write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1])
    assert read_journal(path).damaged
    journal, saved = resume(subject, path)
    labels = np.zeros(SHAPE, np.uint16)
    session = saved.resume(ArrayLabels(labels))
    journal.follow(session)
    click(session, Z1, (5, 5))
    assert journal.close()
    again = read_journal(path)
    assert not again.damaged
    assert resumed(again) == Picture.of(session, labels)


def test_change_that_cannot_be_told_costs_no_other(path):
    journal, session, _ = journalled(path)
    journal.append(Record("odd", Delta(objects={1: object()}), Diff()))
    session.rename(1, "soma")
    assert journal.wait(timeout=20)
    assert "was not saved" in journal.problem
    journal.close()
    saved = read_journal(path)
    assert not saved.lost
    assert saved.ledger.objects[1].name == "soma"


def test_numbers_of_numpy_are_saved(path):
    journal, session, labels = journalled(path)
    click(session, Plane(0, np.argmax([0, 1])), (np.int64(3), np.float32(3)))
    session.recolour(np.int64(1), tuple(np.array([0.5, 0.25, 1])))
    assert journal.close()
    assert journal.problem is None
    assert resumed(read_journal(path)) == Picture.of(session, labels)


def packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode()


def runs(*rows) -> str:
    return packed(np.array(rows, "<i8").tobytes())


def result(**changed) -> list:
    values = {
        "answered": [],
        "shape": SHAPE[1:],
        "offset": [0, 0],
        "size": [1, 1],
        "levels": packed(b"\xff"),
        "section": [[0, 0], [1, 1], packed(b"\x80")],
        "base": runs([0], [1], [0]),
    }
    return [[1, [0, 1], {**values, **changed}]]


@pytest.mark.parametrize(
    "entry",
    [
        {"labels": runs([0], [2**40], [1])},
        {"labels": runs([-5], [3], [1])},
        {"labels": runs([0, 0], [9, 9], [1, 1])},
        {"labels": packed(bytes(50_000_000))},
        {"labels": packed(b"123")},
        {"labels": "no base64!"},
        {"labels": None},
        {"current": -1},
        {"current": 10**30},
        {"objects": {"1": {"name": "x"}}},
        {"objects": {"9": None}},
        {"objects": []},
        {"prompts": [[1, [0, 99], [0, []]]]},
        {"prompts": [[1, [0, 1], [0, [{"type": "click", "at": [1, 10**400]}]]]]},
        {"prompts": [[1, [0, 1, 5], [0, []]]]},
        {"results": result(shape=[60_000, 60_000])},
        {"results": result(size=[60_000, 60_000])},
        {"results": result(offset=[-1, 0])},
        {"results": result(levels=packed(bytes(10_000_000)))},
        {"results": result(section=[[0, 0], [60_000, 60_000], packed(b"")])},
        {"results": [[1, [0, 1], []]]},
        {"results": result(confidence=1.5)},
        {"results": result(confidence=-1)},
        {"results": result(confidence=10**400)},
        {"results": result(confidence="0.5")},
        {"results": result(confidence=True)},
        {"results": result(confidence=[0.5])},
        {"results": result(checked=1)},
        {"results": result(checked=None)},
        {"semantic": 1},
        {"semantic": "yes"},
        {"semantic": None},
    ],
)
def test_line_that_means_nothing_ends_what_is_read(subject, entry):
    path = subject.places()[0]
    good = to_line(FIRST) + to_line(MADE)
    path.write_bytes(good + to_line({"number": 2, "what": "crafted", **entry}))
    saved = read_journal(path)
    assert (saved.size, saved.damaged) == (len(good), True)
    assert describe(path).damaged
    start(subject).close()


@pytest.mark.parametrize("number", ["NaN", "1e400", "-Infinity"])
def test_confidence_that_is_no_number_ends_what_is_read(path, number):
    good = to_line(FIRST) + to_line(MADE)
    entry = {"number": 2, "what": "crafted", "results": result(confidence=0.125)}
    text = to_line(entry).split(b" ", 1)[1][:-1]
    assert b"0.125" in text
    text = text.replace(b"0.125", number.encode())
    path.write_bytes(good + b"%08x %b\n" % (zlib.crc32(text), text))
    assert read_journal(path).size == len(good)


def test_confidence_check_and_view_are_not_known_unless_they_are_told(path):
    told = {"results": result(confidence=0.125, checked=True), "semantic": True}
    for entry, known in ((told, (0.125, True, True)), ({"results": result()}, ())):
        line = to_line({"number": 2, "what": "crafted", "later": [], **entry})
        path.write_bytes(to_line(FIRST) + to_line(MADE) + line)
        saved = read_journal(path)
        assert not saved.lost
        found = saved.ledger.objects[1].results[Z1]
        seen = found.confidence, found.checked, saved.ledger.semantic
        assert seen == (known or (None, False, False))


@pytest.mark.parametrize("shape", [[], [0, 5], [10**9] * 8, ["a", 4], None])
def test_header_of_no_labels_is_no_journals(path, shape):
    path.write_bytes(to_line({**FIRST, "shape": shape}))
    with pytest.raises(DamagedJournalError):
        read_journal(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_pipe_in_the_place_of_a_journal_is_not_waited_for(subject):
    path = subject.places()[0]
    os.mkfifo(path)
    assert find_earlier(subject) == []
    journal = start(subject)
    journal.close()
    assert any(stat.S_ISFIFO(p.stat().st_mode) for p in path.parent.iterdir())


def test_link_in_the_place_of_what_is_written_is_not_followed(subject, tmp_path):
    precious = tmp_path / "precious.txt"
    precious.write_text("precious")
    path = subject.places()[0]
    path.with_name(path.name + ".new").symlink_to(precious)
    written_at_once(subject)
    assert precious.read_text() == "precious"
    assert not path.is_symlink()


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
@pytest.mark.parametrize(("image", "expected"), [(0o600, 0o600), (0o640, 0o640)])
def test_journal_is_read_by_nobody_who_may_not_read_the_image(subject, image, expected):
    subject.file.chmod(image)
    path, _ = written_at_once(subject)
    assert stat.S_IMODE(path.stat().st_mode) == expected


def test_journal_in_the_data_folder_is_the_users_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SEGNEXT_DATA", str(tmp_path / "data"))
    path, _ = written_at_once(Subject(None, "Jane Doe", SHAPE))
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent)]
    assert modes == [0o600, 0o700]


def test_journal_that_may_only_be_read_is_gone_on_with_in_a_new_one(
    subject, monkeypatch
):
    path, whole = written_at_once(subject)

    def refuse(path, mode):
        raise PermissionError("Permission denied")

    monkeypatch.setattr(opening, "open_file", refuse)
    journal, saved = resume(subject, path)
    session = saved.resume(ArrayLabels(np.zeros(SHAPE, np.uint16)))
    journal.follow(session)
    click(session, Z1, (5, 5))
    assert journal.wait(timeout=20)
    journal.close()
    assert whole in [file.read_bytes() for file in path.parent.iterdir()]
    assert read_journal(journal.path).ledger.objects[1].prompts == (
        session.objects[1].prompts
    )


def test_journals_of_one_moment_are_all_kept(subject):
    held = []
    for _ in range(4):
        path, whole = written_at_once(subject)
        os.utime(path, (1e9, 1e9))
        held.append(whole)
    kept = [p.read_bytes() for p in path.parent.iterdir()]
    assert sum(each in held for each in kept) == 4


def test_journal_that_vanishes_while_it_is_looked_for_is_passed_over(
    subject, monkeypatch
):
    path, _ = written_at_once(subject)
    scan = os.scandir

    def scandir(folder):
        entries = list(scan(folder))
        path.unlink(missing_ok=True)
        return entries

    monkeypatch.setattr(os, "scandir", scandir)
    assert subject.journals() == []


PAINTED = {"size": [60000, 60000], "counts": [3_600_000_000]}


@pytest.mark.parametrize("kind", ["mask", "scribble"])
def test_pixels_beyond_the_plane_are_refused_before_there_are_any(subject, kind):
    prompt = {"type": kind, "positive": True, "rle": PAINTED}
    bad = {"number": 2, "what": "x", "prompts": [[1, [0, 1], [0, [prompt]]]]}
    subject.places()[0].write_bytes(b"".join(map(to_line, (FIRST, MADE, bad))))
    tracemalloc.start()
    saved = read_journal(subject.places()[0])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert saved.damaged and saved.number == 1 and peak < 1e8


@pytest.mark.parametrize("tail", [b"", b"01234567 {"])
def test_a_hole_in_a_journal_takes_no_memory(subject, tail):
    path = subject.places()[0]
    good = to_line(FIRST) + to_line(MADE)
    path.write_bytes(good + tail)
    os.truncate(path, 3 << 30)
    tracemalloc.start()
    saved = read_journal(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert saved.damaged and saved.number == 1 and saved.size == len(good)
    assert saved.lost == (3 << 30) - len(good) and peak < 2e8
    journal = start(subject)
    assert journal.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda session: session.recolour(1, np.array([0.1, 0.2, 0.3])),
        lambda session: session.recolour(1, "red"),
        lambda session: session.recolour(1, (float("nan"), 0, 0)),
        lambda session: session.select(1.0),
        lambda session: session.set_prompts(Z1, Prompts().click(5, 5), 1.0),
        lambda session: session.set_prompts(Z1, Prompts().click(5, 5), np.int16(1)),
        lambda session: session.rename(1, np.str_("a")),
        lambda session: session.categorise([1], Category(1.5, "a")),
        lambda session: session.categorise([1], Category(np.int64(3), "a")),
    ],
)
def test_what_python_gives_is_refused_or_read_back(subject, change):
    session = begun()
    journal = start(subject)
    journal.follow(session)
    with contextlib.suppress(ValueError):
        change(session)
    session.rename(1, "last")
    assert journal.close() and journal.problem is None
    saved = read_journal(journal.path)
    assert saved.number == journal.number and not saved.lost
    again = saved.resume(ArrayLabels(np.zeros(SHAPE, np.uint16)))
    assert [each.info for each in again.objects.values()] == [
        each.info for each in session.objects.values()
    ]
    assert exported(again) == exported(session)
