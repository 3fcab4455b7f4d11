"""How far cases are, by journals alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_segnext.geometry.plane import Plane
from napari_segnext.journal import Journal
from napari_segnext.prompts import Prompts
from napari_segnext.series import Case, Modality, SeriesTable, State, read_progress
from napari_segnext.session import ArrayLabels, Session

SHAPE = (5, 12, 14)
JOURNAL = ".segnext-journal"


def disk(row: int = 3) -> np.ndarray:
    probability = np.zeros(SHAPE[1:], np.float32)
    probability[row : row + 3, 3:6] = 1
    return probability


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """Return a case whose images are never opened: there is nothing in them."""
    names = ("flair", "t1")
    images = tuple(Modality(n, tmp_path / f"p1_{n}.nii") for n in names)
    for _, path in images:
        path.write_bytes(b"no image")
    return Case("p1", images)


class Work:
    """A session with a journal."""

    def __init__(self, image: Path) -> None:
        self.session = Session(ArrayLabels(np.zeros(SHAPE, np.uint16)), blank=True)
        self.journal = Journal(image.with_name(image.name + JOURNAL), SHAPE)
        self.journal.follow(self.session)
        self.session.new_object()

    def click(self, index: int) -> None:
        prompts = Prompts().click(4, 4)
        request = self.session.set_prompts(Plane(0, index), prompts)
        assert request is not None
        self.session.commit(request, disk())

    def saved(self) -> None:
        assert self.journal.wait(timeout=30)


@pytest.fixture
def work(case):
    begun = Work(case.images[1].path)
    yield begun
    begun.journal.close()


def test_a_case_is_new_begun_doubtful_and_done(case, work):
    assert read_progress(case).state is State.NEW
    work.click(2)
    work.saved()
    known = read_progress(case)
    assert (known.state, known.objects, known.finished) == (State.BEGUN, 1, 0)
    assert known.image == case.images[1].path
    masks = {Plane(0, 1): disk(), Plane(0, 3): disk()}
    sure = {Plane(0, 1): 0.2, Plane(0, 3): 0.9}
    work.session.commit_planes(1, masks, "propagate", sure)
    work.saved()
    known = read_progress(case)
    assert (known.state, known.doubts) == (State.DOUBTFUL, 1)
    work.session.accept_and_begin(1)
    work.saved()
    known = read_progress(case)
    assert (known.state, known.objects, known.finished) == (State.DONE, 1, 1)
    work.click(0)
    work.saved()
    assert read_progress(case).state is State.BEGUN


def test_the_newest_journal_with_work_tells(case, work):
    work.click(2)
    work.saved()
    other = Work(case.images[0].path)
    other.saved()
    assert read_progress(case).image == case.images[1].path
    other.click(1)
    other.click(2)
    other.saved()
    assert read_progress(case).image == case.images[0].path
    other.journal.close()


def test_damage_and_problems_are_told(case, work):
    work.click(2)
    work.saved()
    newer = case.images[0].path.with_name(f"{case.images[0].path.name}{JOURNAL}")
    newer.write_bytes(b"nothing that is a journal")
    known = read_progress(case)
    assert known.state is State.BEGUN and "is not a journal" in known.told
    known = read_progress(Case("p2", (), problem="there is no file x"))
    assert (known.state, known.told) == (State.UNREADABLE, "there is no file x")
    lacking = Case("p1", case.images, ("t2",))
    assert "without t2" in read_progress(lacking).told


def test_a_table_takes_no_case_of_which_nothing_is_known(case, tmp_path):
    table = SeriesTable()
    assert table.add(case) == () and len(table) == 0
    with pytest.raises(ValueError, match="p2: there is no file"):
        table.add(Case("p2", (), problem="there is no file x"))
    table.write(tmp_path / "all.csv")
    assert (tmp_path / "all.csv").read_text() == "case,image\n"
