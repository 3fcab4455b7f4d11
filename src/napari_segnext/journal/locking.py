"""One viewer at a time writes a journal."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from filelock import FileLock, Timeout


class JournalBusyError(OSError):
    """Another viewer has the journal open."""


class JournalLock:
    """The right to write a journal, until it is released or the process ends.

    Parameters
    ----------
    timeout
        Seconds to wait for another viewer that is just closing.

    Raises
    ------
    JournalBusyError
        If another viewer has it.
    OSError
        If nothing can be written there.
    """

    def __init__(self, path: Path, timeout: float = 0) -> None:
        self._file = path.with_name(path.name + ".lock")
        self._lock = FileLock(self._file, thread_local=False)
        try:
            self._lock.acquire(timeout=timeout)
        except Timeout as error:
            raise JournalBusyError(
                f"{path.name} is in use: the image is open in another viewer"
            ) from error

    def release(self) -> None:
        """Give it back, and leave no file behind."""
        if os.name == "posix":
            # While it is held: who waits for it notices, and makes a new one.
            with contextlib.suppress(OSError):
                self._file.unlink()
        self._lock.release()
