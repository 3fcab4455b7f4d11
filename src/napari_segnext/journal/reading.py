"""What a journal holds after the program has ended, whichever way."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from napari_segnext.geometry.space import Space
from napari_segnext.journal.accumulated import Ledger
from napari_segnext.journal.coding import UNREADABLE, decode, from_line
from napari_segnext.labels.diffs import Diff
from napari_segnext.session import Labels, Record, Request, SegmentedObject, Session
from napari_segnext.session.state import Delta, Info

VERSION = 1
# More than the header of any journal, and than any other line, in bytes.
_HEADER, _LINE = 1 << 12, 1 << 31
_READ_AT_ONCE = 1 << 24


class DamagedJournalError(ValueError):
    """A file that is no journal, or whose very first line is damaged."""


@dataclass(frozen=True, slots=True)
class _Header:
    """The first line: shape of the labels, number of the change that is summed up.

    Attributes
    ----------
    lines
        How many lines after it belong to the sum. They were written at once with it,
        so that a journal with fewer of them is damaged.
    """

    shape: tuple[int, ...]
    number: int
    lines: int


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
        Whether more is missing than the one line that was being written at the end.
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
    _check_regular(path)
    with path.open("rb") as file:
        return _header(path, file.readline(_HEADER)).shape


def read_journal(path: Path) -> Saved:
    """Read a journal up to the first line that is damaged, or means nothing.

    Raises
    ------
    DamagedJournalError
        If not even its first line can be read.
    OSError
        If the file cannot be read.
    """
    _check_regular(path)
    with path.open("rb") as file:
        line = file.readline(_HEADER)
        header = _header(path, line)
        time = datetime.fromtimestamp(path.stat().st_mtime)
        saved = Saved(header.shape, header.number, len(line), time)
        space, summed = Space(header.shape), 0
        for line in _lines(file):
            try:
                _take(saved, from_line(line), space)
            except UNREADABLE:
                break
            summed += saved.number == header.number
            saved.size += len(line)
        file.seek(0, os.SEEK_END)
        saved.lost = file.tell() - saved.size
        file.seek(saved.size)
        saved.damaged = summed < header.lines or not _is_begun_line(file, saved.lost)
    return saved


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines, the last one as far as it can be one: without holes, not endless."""
    while True:
        pieces = list(_pieces(file))
        if not pieces:
            return
        yield b"".join(pieces)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    length = 0
    while piece := file.readline(_READ_AT_ONCE):
        yield piece
        length += len(piece)
        if piece.endswith(b"\n") or b"\0" in piece or length > _LINE:
            return


def _is_begun_line(file: BinaryIO, length: int) -> bool:
    """Tell whether what is left of a file may be the line that was being written."""
    pieces = iter(partial(file.read, _READ_AT_ONCE), b"")
    return length <= _LINE and not any(b"\n" in piece for piece in pieces)


def _check_regular(path: Path) -> None:
    # A pipe would be waited for without an end.
    if not stat.S_ISREG(path.stat().st_mode):
        raise DamagedJournalError(f"{path} is not a journal: it is no regular file")


def _header(path: Path, line: bytes) -> _Header:
    try:
        values = from_line(line)
        if values["journal"] != VERSION:
            raise ValueError(f"version {values['journal']} is not known")
        shape = tuple(map(int, values["shape"]))
        if not 2 <= len(shape) <= 32 or min(shape) < 1 or math.prod(shape) > 2**52:
            raise ValueError(f"{shape} is no shape of labels")
        # Those of older versions do not say how many; there is one at least.
        return _Header(shape, int(values["number"]), int(values.get("lines", 1)))
    except UNREADABLE as error:
        raise DamagedJournalError(f"{path} is not a journal: {error}") from error


def _take(saved: Saved, entry: dict[str, Any], space: Space) -> None:
    if entry["number"] not in (saved.number, saved.number + 1):
        raise ValueError("a line is missing")
    saved.ledger.add(decode(entry, saved.ledger.objects, space))
    saved.number = entry["number"]
