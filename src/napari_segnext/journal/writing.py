"""The thread that brings a session's changes to disk."""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from weakref import WeakSet

from napari_segnext.journal.accumulated import Ledger
from napari_segnext.journal.coding import encode, to_line
from napari_segnext.journal.locking import JournalLock
from napari_segnext.journal.paths import dated
from napari_segnext.journal.reading import VERSION, Saved, is_worked
from napari_segnext.session import Record, Session

# A journal is written anew when it is this large and has grown this much.
_COMPACT_AT = 16 << 20
_GROWTH = 4
_RETRY_S = 2.0
# How long the end of the program waits for what is still to be written.
_PARTING_S = 5.0
_WHAT_TO_DO = {
    errno.ENOSPC: "Free some space on the disk",
    errno.EDQUOT: "Free some space on the disk",
    errno.EACCES: "Allow writing to its folder",
    errno.EPERM: "Allow writing to its folder",
    errno.EROFS: "Allow writing to its folder",
}


def open_file(path: Path, mode: str) -> BinaryIO:
    """Open a file whose writes go straight to the system; no link is followed."""

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)

    return open(path, mode, buffering=0, opener=opener)  # type: ignore[return-value]


class Journal:
    """An append-only file of a session's changes, written by a thread of its own.

    A change is *saved* once its line has been synced to disk. What cannot be
    written stays in memory and is tried again, until there is room or the drive is
    back; `problem` says so meanwhile.

    Parameters
    ----------
    path
        A file that is there and not continued is set aside under another name.
    shape
        Of the labels.
    saved
        What was read from the file, to go on from there.
    compact_at
        Size in bytes from which the file is written anew when it has grown
        fourfold.
    retry_s
        Seconds between attempts when it cannot be written.
    opener
        Opens the files that are written.
    lock
        For `path`, if it is held already; it is released in the end.
    spare
        Where all is written by `close` if it cannot be written to `path`.
    permissions
        Of a file that is made.

    Attributes
    ----------
    aside
        Where the file that was there is now, if one was set aside.
    problem
        Why changes are not saved, None if they are.
    watchers
        Called without arguments, from the journal's thread, when something was
        saved or `problem` has changed.

    Raises
    ------
    JournalBusyError
        If another viewer has it open.
    OSError
        If nothing can be written there.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        saved: Saved | None = None,
        *,
        compact_at: int = _COMPACT_AT,
        retry_s: float = _RETRY_S,
        opener: Callable[[Path, str], BinaryIO] = open_file,
        lock: JournalLock | None = None,
        spare: Path | None = None,
        permissions: int = 0o600,
    ) -> None:
        self.path = path
        self.aside: Path | None = None
        self.problem: str | None = None
        self.watchers: list[Callable[[], None]] = []
        self._shape, self._opener, self._spare = shape, opener, spare
        self._permissions = permissions
        self._unwritten = ""
        self._compact_at, self._retry_s = compact_at, retry_s
        self._lock = lock or JournalLock(path)
        self._ledger = saved.ledger if saved else Ledger()
        self._continued = saved is not None
        self._number = self._told = self._saved = saved.number if saved else 0
        # A damaged one is written anew: what is missing in it stays missing.
        whole = saved is not None and not saved.damaged
        self._size = self._compact_size = saved.size if saved and whole else 0
        self._file: BinaryIO | None = None
        self._queue: list[tuple[int, Record]] = []
        self._closing = self._patient = False
        self._worth = saved is not None and not saved.empty
        self._sessions: list[Session] = []
        self._changed = threading.Condition()
        if saved is None and path.exists():
            self.aside = path.rename(dated(path))
        self._thread = threading.Thread(
            target=self._work, name="segnext-journal", daemon=True
        )
        _running.add(self)
        self._thread.start()

    # Any thread

    def follow(self, session: Session) -> None:
        """Record a session from now on, and first what it knows already.

        The latter not if the session was resumed from this journal.
        """
        if not self._continued:
            # At once: a part of it would look like all that there is.
            with self._changed:
                for record in session.records():
                    self.append(record)
        session.recorders.append(self.append)
        self._sessions.append(session)

    def append(self, record: Record) -> int:
        """Take a change to be saved; return its number. Waits for nothing."""
        with self._changed:
            if self._closing:
                raise ValueError("the journal is closed")
            self._number += 1
            self._queue.append((self._number, record))
            self._changed.notify_all()
            return self._number

    @property
    def number(self) -> int:
        """Number of the last change that was taken."""
        return self._number

    @property
    def saved(self) -> int:
        """Number of the last change that is on disk."""
        return self._saved

    def wait(self, number: int | None = None, timeout: float | None = None) -> bool:
        """Wait until a change is saved, by default the last; tell whether it is."""
        with self._changed:
            wanted = self._number if number is None else number
            return self._changed.wait_for(lambda: self._saved >= wanted, timeout)

    def finish(self) -> None:
        """Follow no session any more; end once all is saved. Waits for nothing."""
        self._end(patient=True)

    def join(self, timeout: float) -> bool:
        """Wait for the end that `finish` asks for; tell whether all is saved."""
        self._thread.join(timeout)
        return not self._thread.is_alive() and self._saved == self._number

    def close(self, timeout: float = 10) -> bool:
        """Follow no session any more, save what is left if that can be done, and end.

        Returns
        -------
        Whether all is saved; in `spare` if `problem` says so. If not, it says why.
        """
        self._end(patient=False)
        self._thread.join(timeout)
        return self._saved == self._number

    def _end(self, patient: bool) -> None:
        for session in self._sessions:
            session.recorders.remove(self.append)
        self._sessions.clear()
        with self._changed:
            self._closing, self._patient = True, patient
            self._changed.notify_all()

    # The journal's thread

    def _work(self) -> None:
        try:
            self._run()
        except Exception as error:
            self._tell(self._saved, f"Not saved any more: {error!r}")
            raise
        finally:
            self._drop_file()
            if not self._worth:
                # Nobody would miss it.
                with contextlib.suppress(OSError):
                    self.path.unlink(missing_ok=True)
            self._lock.release()

    def _run(self) -> None:
        lines: list[bytes] = []
        while True:
            last, ending = self._take(lines)
            try:
                if lines:
                    self._write(b"".join(lines))
                    lines.clear()
            except OSError as error:
                self._drop_file()
                self._tell(self._saved, _explain(error))
                if ending and not self._patient:
                    self._save_elsewhere(last)
                    return
                self._pause()
                continue
            self._tell(last, self._unwritten or None)
            if ending:
                return
            if self._size > max(self._compact_at, _GROWTH * self._compact_size):
                self._compact()

    def _pause(self) -> None:
        """Wait before the next attempt, or until it is to be the last."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closing and not self._patient, self._retry_s
            )

    def _take(self, lines: list[bytes]) -> tuple[int, bool]:
        """Turn what has come into lines; wait for something if there are none."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or lines or self._closing)
            taken, self._queue = self._queue, []
            last, ending = self._number, self._closing
        for number, record in taken:
            try:
                entry = encode(record, self._ledger.objects)
                lines.append(to_line({"number": number, **entry}))
                self._ledger.add(record)
                self._worth = self._worth or _is_work(record)
            except (ValueError, TypeError, LookupError, AttributeError) as error:
                # One change that cannot be told must not cost all later ones.
                lines.append(to_line({"number": number, "what": "unwritten"}))
                self._unwritten = f"A change ({record.name}) was not saved: {error}"
        self._told = last
        return last, ending

    def _tell(self, saved: int, problem: str | None) -> None:
        with self._changed:
            new = (saved, problem) != (self._saved, self.problem)
            self._saved, self.problem = saved, problem
            self._changed.notify_all()
        if new:
            for watcher in self.watchers:
                watcher()

    def _write(self, lines: bytes) -> None:
        """Append lines; all are on disk afterwards, or none counts."""
        if self._file is not None and os.fstat(self._file.fileno()).st_nlink == 0:
            # It was deleted; what is written to it now nobody would find.
            self._drop_file()
        if self._file is None:
            there = self.path.stat().st_size if self.path.exists() else 0
            if not self._size or there < self._size:
                # It is new, or was lost with its drive: it appears with all there is,
                # or not at all. The ledger has everything, these lines too.
                self._write_anew()
                return
            self._file = self._opener(self.path, "r+b")
        # What follows the last whole line is left from an attempt that failed.
        self._file.seek(self._size)
        self._file.truncate()
        _write_all(self._file, lines)
        os.fsync(self._file.fileno())
        self._size += len(lines)

    def _compact(self) -> None:
        with contextlib.suppress(OSError):
            self._write_anew()
        # Also when there was no room for it: what there is stays good.
        self._compact_size = self._size

    def _write_anew(self) -> None:
        """Replace the file, in one go, by one that holds the sum of all changes."""
        self._size = self._compact_size = self._write_sum(self.path)

    def _save_elsewhere(self, last: int) -> None:
        if self._spare is None:
            return
        with contextlib.suppress(OSError):
            self._spare.parent.mkdir(0o700, parents=True, exist_ok=True)
            self._write_sum(self._spare)
            self._tell(last, f"Saved in {self._spare}, since {self.path} has failed")

    def _write_sum(self, path: Path) -> int:
        """Write the sum of all changes to a file, in one go; return its size."""
        part = path.with_name(path.name + ".new")
        header = {
            "journal": VERSION,
            "shape": self._shape,
            "number": self._told,
            "lines": len(self._ledger),
        }
        try:
            # What a killed writer left, or somebody else put there to be followed.
            part.unlink(missing_ok=True)
            with self._opener(part, "x+b") as file:
                os.chmod(part, self._permissions)
                size = _write_all(file, to_line(header))
                for record in self._ledger.records():
                    line = to_line({"number": self._told, **encode(record, {})})
                    size += _write_all(file, line)
                os.fsync(file.fileno())
            self._drop_file()
            os.replace(part, path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
        return size

    def _drop_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            # A drive that is gone lets no file be closed in peace.
            with contextlib.suppress(OSError):
                file.close()


def _write_all(file: BinaryIO, content: bytes) -> int:
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
    return len(content)


def _sync_folder(folder: Path) -> None:
    """Bring a new or renamed file's name to disk, where the system lets one."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    # Some network drives cannot do it.
    with contextlib.suppress(OSError):
        os.fsync(handle)
    os.close(handle)


def _is_work(record: Record) -> bool:
    """Tell whether it would be missed, unlike a first object without anything."""
    delta = record.delta
    known = len(record.diff) or delta.prompts or delta.edits or delta.results
    return bool(known) or is_worked(delta.objects)


def _explain(error: OSError) -> str:
    what = error.strerror or str(error)
    advice = _WHAT_TO_DO.get(error.errno or 0, "See that the drive is connected")
    return f"Not saved: {what}. {advice}; all is kept in memory and written then"


_running: WeakSet[Journal] = WeakSet()


@atexit.register
def _part() -> None:
    """Give journals that are still writing a little time when the program ends."""
    end = time.monotonic() + _PARTING_S
    for journal in list(_running):
        journal.close(max(end - time.monotonic(), 0))
