"""A session remembers by which taught model it is answered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_segnext import Plane, Prompts
from napari_segnext.journal import Journal, read_journal
from napari_segnext.journal.coding import from_line, to_line
from napari_segnext.journal.paths import taught_file
from napari_segnext.session import ArrayLabels, Session

SHAPE = (4, 6)
NAME = "a.tif.segnext-journal.taught-1.safetensors"


def blank() -> Session:
    session = Session(ArrayLabels(np.zeros(SHAPE, np.uint8)), blank=True)
    session.new_object()
    # Without any work there is no journal.
    session.set_prompts(Plane(0, 0), Prompts().click(2, 3))
    return session


def test_it_is_a_step_of_undo() -> None:
    session = blank()
    session.use_taught(NAME)
    session.use_taught(NAME)
    assert session.taught == NAME
    done = session.undo()
    assert done is not None
    assert (done.name, session.taught) == ("teach", "")
    session.redo()
    assert session.taught == NAME
    session.use_taught("")
    assert session.taught == ""
    session.undo()
    assert session.taught == NAME


@pytest.mark.parametrize("compacted", [False, True])
def test_it_comes_back_from_the_journal(tmp_path: Path, compacted: bool) -> None:
    session, path = blank(), tmp_path / "a.tif.segnext-journal"
    if compacted:
        session.use_taught(NAME)
    journal = Journal(path, SHAPE)
    journal.follow(session)
    session.use_taught(NAME)
    assert journal.close()
    again = read_journal(path).resume(ArrayLabels(np.zeros(SHAPE, np.uint8)))
    assert again.taught == NAME


@pytest.mark.parametrize("name", ["../a", "/a", "..", "a\\b", 3, None])
def test_a_name_that_leads_elsewhere_is_damage(tmp_path: Path, name: object) -> None:
    session, path = blank(), tmp_path / "a.segnext-journal"
    journal = Journal(path, SHAPE)
    journal.follow(session)
    session.use_taught(NAME)
    assert journal.close()
    *lines, last = path.read_bytes().splitlines(keepends=True)
    entry = from_line(last)
    assert entry["taught"] == NAME
    path.write_bytes(b"".join([*lines, to_line({**entry, "taught": name})]))
    saved = read_journal(path)
    assert saved.lost
    assert saved.ledger.taught == ""


def test_a_taught_model_takes_no_name_that_is_there(tmp_path: Path) -> None:
    journal = tmp_path / "a.tif.segnext-journal"
    assert taught_file(journal).name == NAME
    taught_file(journal).touch()
    assert taught_file(journal).name == NAME.replace("-1", "-2")
