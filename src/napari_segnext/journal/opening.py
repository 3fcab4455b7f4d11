"""Finding earlier work on an image, going on with it, or starting new."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from napari_segnext.journal.locking import JournalBusyError, JournalLock
from napari_segnext.journal.paths import Subject, dated, permissions
from napari_segnext.journal.reading import (
    DamagedJournalError,
    Saved,
    read_header,
    read_journal,
)
from napari_segnext.journal.writing import Journal, open_file

# How many viewers of one image have a journal each.
_VIEWERS = 9
# A viewer that was stopped a moment ago may still be writing its last line.
_CLOSING_S = 1.0


@dataclass(frozen=True, slots=True)
class Earlier:
    """Work on an image that can be resumed.

    Attributes
    ----------
    time
        When it was written last.
    objects, prompts, planes
        How much there is.
    damaged
        Whether some of it is missing.
    """

    path: Path
    time: datetime
    objects: int
    prompts: int
    planes: int
    damaged: bool = False


def find_earlier(subject: Subject) -> list[Path]:
    """Return the journals of an image that may hold earlier work, the newest first.

    Those that another viewer is writing, or that are about another shape, are not
    among them. Only first lines are read.
    """
    return [path for path in subject.journals() if _is_free(path, subject.shape)]


def describe(path: Path) -> Earlier | None:
    """Read a journal; return what is in it, None if there is nothing to resume.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    try:
        saved = read_journal(path)
    except DamagedJournalError:
        return None
    objects = saved.worked
    if not objects:
        return None
    pages = [prompts for each in objects for prompts in each.prompts.values()]
    planes = {plane for each in objects for plane in each.planes}
    prompts = sum(map(len, pages))
    return Earlier(path, saved.time, len(objects), prompts, len(planes), saved.damaged)


def start(subject: Subject, **options: Any) -> Journal:
    """Begin a journal; one that is there already is set aside under another name.

    Parameters
    ----------
    options
        For `Journal`.

    Returns
    -------
    It lies in the first place that can be written to. If another viewer has that
    one, its name ends with a number.

    Raises
    ------
    OSError
        If nothing can be written anywhere.
    """
    problem: OSError | None = None
    for place in subject.places():
        try:
            place.parent.mkdir(0o700, parents=True, exist_ok=True)
            return _start_at(place, subject, **options)
        except OSError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def resume(subject: Subject, path: Path, **options: Any) -> tuple[Journal, Saved]:
    """Go on with a journal.

    Where it cannot be written any more, or another viewer has it by now, what it
    holds goes into a new one. A damaged one is kept aside as it is.

    Returns
    -------
    The journal that goes on, and what to restore before it follows the session.

    Raises
    ------
    DamagedJournalError, OSError
        If it cannot be read, or nothing can be written anywhere.
    """
    try:
        lock = _lock_to_write(path)
    except OSError:
        saved = read_journal(path)
        saved.ledger.fold()
        return start(subject, **options), saved
    try:
        saved = read_journal(path)
        saved.ledger.fold()
        if saved.damaged:
            shutil.copy2(path, dated(path))
        options = {**_defaults(subject, path, lock), **options}
        return Journal(path, subject.shape, saved, **options), saved
    except BaseException:
        lock.release()
        raise


def _lock_to_write(path: Path) -> JournalLock:
    """Take the right to write a journal, or raise OSError where it cannot be."""
    lock = JournalLock(path, _CLOSING_S)
    try:
        open_file(path, "r+b").close()
    except OSError:
        lock.release()
        raise
    return lock


def _defaults(subject: Subject, path: Path, lock: JournalLock) -> dict[str, Any]:
    return {
        "lock": lock,
        "spare": _spare(subject, path),
        "permissions": permissions(subject.file),
    }


def _start_at(place: Path, subject: Subject, **options: Any) -> Journal:
    for viewer in range(1, _VIEWERS + 1):
        path = place if viewer == 1 else place.with_name(f"{place.name}.{viewer}")
        try:
            lock = JournalLock(path, _CLOSING_S if viewer == 1 else 0)
        except JournalBusyError:
            continue
        try:
            if path.exists() and _holds_nothing(path):
                path.unlink()
            options = {**_defaults(subject, path, lock), **options}
            return Journal(path, subject.shape, **options)
        except BaseException:
            lock.release()
            raise
    raise JournalBusyError(f"{place.name} is open in {_VIEWERS} viewers")


def _spare(subject: Subject, path: Path) -> Path | None:
    """Return a name in the user's data folder, for when a journal's folder fails."""
    place = subject.places()[-1]
    if place.parent == path.parent:
        return None
    return place.with_name(f"{place.name}.{datetime.now():%Y%m%d-%H%M%S-%f}")


def _holds_nothing(path: Path) -> bool:
    try:
        saved = read_journal(path)
    except DamagedJournalError:
        return path.is_file() and path.stat().st_size == 0
    return saved.empty and not saved.damaged and not saved.lost


def _is_free(path: Path, shape: tuple[int, ...]) -> bool:
    try:
        if read_header(path) != shape:
            return False
        JournalLock(path, _CLOSING_S).release()
    except (JournalBusyError, DamagedJournalError):
        return False
    except OSError:
        # Where nothing can be written, nobody writes.
        pass
    return True
