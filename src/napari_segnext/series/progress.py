"""How far a case is, as its journals tell; its images are not opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path

from napari_segnext.journal import DamagedJournalError, Saved, Subject, read_journal
from napari_segnext.series.cases import Case
from napari_segnext.session.checklist import doubts_of
from napari_segnext.session.state import SegmentedObject


class State(Enum):
    """How far a case is."""

    NEW = "new"
    BEGUN = "begun"
    DOUBTFUL = "doubtful"
    DONE = "done"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Progress:
    """What the journals of a case tell.

    Attributes
    ----------
    objects, finished
        How many there is more of than name and class, and how many are finished.
    doubts
        In how many slices one that is not finished is to be checked.
    image
        Which of its images was worked on last, None for none.
    time
        When it was saved last.
    told
        What else the user should know.
    """

    state: State
    objects: int = 0
    finished: int = 0
    doubts: int = 0
    image: Path | None = None
    time: datetime | None = None
    told: str = ""


def read_progress(case: Case) -> Progress:
    """Return how far a case is: by the newest of its journals that tells of work.

    It is done when all of its objects are finished, and doubtful while something of
    one that is not is to be checked.
    """
    if case.problem:
        return Progress(State.UNREADABLE, told=case.problem)
    told = f"without {', '.join(case.lacks)}" if case.lacks else ""
    for image, journal in _journals(case):
        try:
            saved = read_journal(journal)
        except (DamagedJournalError, OSError) as error:
            told = "; ".join(filter(None, [told, str(error)]))
            continue
        if not saved.empty:
            return _told_by(saved, image, told)
    return Progress(State.NEW, told=told)


def _journals(case: Case) -> list[tuple[Path, Path]]:
    """Return images with a journal each, the newest first."""
    found = [
        (image, journal)
        for _, image in case.images
        for journal in Subject(image, image.name, ()).journals()
    ]
    return sorted(found, key=lambda each: _written(each[1]), reverse=True)


def _written(journal: Path) -> float:
    try:
        return journal.stat().st_mtime
    except OSError:
        # Another viewer has just taken it away.
        return 0.0


def _told_by(saved: Saved, image: Path, told: str) -> Progress:
    objects = [each for each in saved.worked if _counts(each)]
    left = [each for each in objects if not each.finished]
    doubts = _to_check(left)
    if objects and not left:
        state = State.DONE
    else:
        state = State.DOUBTFUL if doubts else State.BEGUN
    if saved.damaged:
        told = "; ".join(filter(None, [told, "its journal is damaged"]))
    finished = len(objects) - len(left)
    return Progress(state, len(objects), finished, doubts, image, saved.time, told)


def _counts(known: SegmentedObject) -> bool:
    """Tell whether there is more of an object than its name and class.

    The one that is begun when another is accepted has both from the start; one that was
    adopted from labels has its value.
    """
    return bool(known.finished or known.planes) or known.info.value is not None


def _to_check(objects: Sequence[SegmentedObject]) -> int:
    """Count slices to check, whichever axis they were followed along."""
    count = 0
    for each in objects:
        likes = {(p.axis, p.fixed): p for p in (*each.results, *each.doubts)}
        count += sum(len(doubts_of(each, like)) for like in likes.values())
    return count
