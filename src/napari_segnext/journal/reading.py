"""What a journal holds after the program has ended, whichever way."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from napari_segnext.journal.coding import decode, from_line
from napari_segnext.journal.ledger import Ledger
from napari_segnext.session import Labels, Record, Request, SegmentedObject, Session
from napari_segnext.session.sparse import Diff
from napari_segnext.session.state import Delta, Info

VERSION = 1


class DamagedJournalError(ValueError):
    """A file that is no journal, or whose very first line is damaged."""


@dataclass(slots=True)
class Saved:
    """What was read from a journal.

    Attributes
    ----------
    shape
        Of the labels that it is about.
    ledger
        All that it tells.
    number
        Of the last change that it tells.
    size
        How many bytes are whole.
    lost
        How many bytes after them are not, and were left out.
    damaged
        Whether these are more than the one line that was being written at the end.
    time
        When it was written last.
    """

    shape: tuple[int, ...]
    number: int
    size: int
    time: datetime
    lost: int = 0
    damaged: bool = False
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to resume: no prompt, edit, mask or name."""
        return not self.worked

    @property
    def worked(self) -> list[SegmentedObject]:
        """The objects that something was done with."""
        objects = self.ledger.objects.values()
        return [e for e in objects if e.planes or is_worked({e.id: e.info})]

    def resume(self, labels: Labels) -> Session:
        """Return the session as it was; `requests` has what is still to be decoded.

        Parameters
        ----------
        labels
            Empty ones, into which the masks are written.

        Raises
        ------
        ValueError
            As `restore`.
        """
        session = Session(labels, blank=True)
        self.restore(session)
        return session

    def restore(self, session: Session) -> list[Request]:
        """Make a session what it was, in place of what it knows.

        Parameters
        ----------
        session
            Its labels are empty.

        Returns
        -------
        What is still to be decoded.

        Raises
        ------
        ValueError
            If the labels' shape is another, or their type too narrow.
        """
        shape = tuple(session.labels.shape)
        if shape != self.shape:
            raise ValueError(
                f"the journal is about an image of shape {self.shape}, not {shape}"
            )
        return session.restore(self._records(session))

    def _records(self, session: Session) -> Iterator[Record]:
        objects = dict.fromkeys(session.objects)
        yield Record("forget", Delta(objects=dict(objects)), Diff())
        yield from self.ledger.records()


def is_worked(infos: Mapping[int, Info | None]) -> bool:
    """Tell whether any object is not just as it was made."""
    return any(info != Info(f"Object {number}") for number, info in infos.items())


def read_header(path: Path) -> tuple[int, ...]:
    """Read what shape of labels a journal is about; quick.

    Raises
    ------
    DamagedJournalError, OSError
        As `read_journal`.
    """
    with path.open("rb") as file:
        return _header(path, file.readline())[0]


def read_journal(path: Path) -> Saved:
    """Read a journal up to the first line that is damaged.

    Raises
    ------
    DamagedJournalError
        If not even its first line can be read.
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        line = file.readline()
        shape, number = _header(path, line)
        time = datetime.fromtimestamp(path.stat().st_mtime)
        saved = Saved(shape, number, len(line), time)
        for line in file:
            try:
                _take(saved, from_line(line))
            except (ValueError, KeyError, TypeError, zlib.error):
                break
            saved.size += len(line)
        file.seek(saved.size)
        rest = file.read()
        saved.lost, saved.damaged = len(rest), b"\n" in rest
    return saved


def _header(path: Path, line: bytes) -> tuple[tuple[int, ...], int]:
    try:
        header = from_line(line)
        if header["journal"] != VERSION:
            raise ValueError(f"version {header['journal']} is not known")
        return tuple(map(int, header["shape"])), int(header["number"])
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedJournalError(f"{path} is not a journal: {error}") from error


def _take(saved: Saved, entry: dict[str, Any]) -> None:
    if entry["number"] not in (saved.number, saved.number + 1):
        raise ValueError("a line is missing")
    saved.ledger.add(decode(entry, saved.ledger.objects))
    saved.number = entry["number"]
