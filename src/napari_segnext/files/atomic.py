"""Files appear whole or not at all, and replace only what they may.

What is being written lies in a hidden folder beside the output, with a lock in it that
its writer holds. Of a writer that was killed only that folder is left; the next one
that writes there finds the lock free, puts things right and takes the folder away.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

ZARR_FILES = ("zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata")
_PREFIX, _SUFFIX = ".segnext-", ".part"
_WORKPLACE = re.compile(r"\.segnext-[a-z0-9_]{8}\.part")
_LOCK, _FORMER = "lock", "former"
# A writer may need so long from making its folder to holding the lock.
_BEGINNING_S = 60.0
# Names of chunks, beside the folder "c" of version 3.
_CHUNK = re.compile(r"c|c?\d+([./]\d+)*")
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@contextmanager
def replacing(
    path: Path, like: Path | None = None, folder: bool = False
) -> Iterator[Path]:
    """Yield a place to write to, which becomes `path` once all is written.

    What was at `path` before stays until then, and for good if writing fails. Through
    a symbolic link the file that it leads to is replaced.

    Parameters
    ----------
    path
        What is there keeps its permissions.
    like
        A new file may be read by nobody who may not read this one.
    folder
        Whether a zarr is written, not a file.

    Raises
    ------
    OSError
        As `check_replaceable`, or if something cannot be written: it names `path`.
    """
    target = Path(os.path.realpath(path))
    with _told_of(path):
        check_replaceable(path, folder)
        clear_up(target.parent)
        with _workplace(target.parent) as place:
            part = place / target.name
            yield part
            _permit(part, target, like)
            _flush(part)
            _publish(part, target, place / _FORMER)
            _flush_entry(target.parent)


def check_replaceable(path: Path, folder: bool = False) -> None:
    """Check that what is at a path, if anything, may be replaced by an output.

    Only a file is replaced by a file, and only a zarr, with nothing else in it, by a
    zarr.

    Raises
    ------
    OSError
        If it is something else.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISDIR(mode):
        if not folder or not is_zarr(path):
            raise IsADirectoryError(
                f"{path} is a folder, which is never replaced; choose another name"
            )
        stranger = next(_strangers(path), None)
        if stranger is not None:
            raise IsADirectoryError(
                f"{path} holds {stranger}, which is no part of a zarr, and is never "
                "replaced; choose another name"
            )
    elif folder or not stat.S_ISREG(mode):
        what = "a file, not a zarr folder" if stat.S_ISREG(mode) else "not a file"
        raise FileExistsError(f"{path} is {what}, and stays; choose another name")


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a zarr."""
    return any((path / name).is_file() for name in ZARR_FILES)


def try_out(path: Path, write: Callable[[Path], object]) -> None:
    """Write something small where an output is to go, and take it away.

    Parameters
    ----------
    write
        Called with a hidden place whose name is that of the output.

    Raises
    ------
    OSError
        If nothing can be written there: it names `path` and says why.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        if os.path.lexists(target.parent):
            raise NotADirectoryError(
                f"{path} cannot be written: {target.parent} is not a folder"
            )
        raise FileNotFoundError(
            f"{path} cannot be written: there is no folder {target.parent}; make it "
            "first"
        )
    with _told_of(path), _workplace(target.parent) as place:
        write(place / target.name)


def clear_up(parent: Path) -> None:
    """Take away what killed writers left in a folder, and give back what they moved."""
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if _WORKPLACE.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                with suppress(OSError, NotImplementedError):
                    _clear(Path(entry.path))


def _clear(place: Path) -> None:
    lock = place / _LOCK
    young = time.time() - place.stat().st_mtime < _BEGINNING_S
    if young and not any(place.iterdir()):
        # Its writer may be about to take the lock, which comes first in it.
        return
    # While its writer lives this is a TimeoutError.
    with FileLock(lock, timeout=0):
        for former in (place / _FORMER).glob("*"):
            if not os.path.lexists(place.parent / former.name):
                former.rename(place.parent / former.name)
    # Only now, since Windows deletes no file that is open, as the lock's is while held.
    shutil.rmtree(place)


def _strangers(path: Path) -> Iterator[str]:
    """Yield what lies in a zarr and does not belong to it."""
    for entry in path.iterdir():
        known = entry.name in (*ZARR_FILES, ".DS_Store") or _CHUNK.fullmatch(entry.name)
        if not known and not is_zarr(entry):
            yield entry.name


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    """Make errors tell of an output, not of the hidden file that becomes it."""
    try:
        yield
    except OSError as error:
        if str(path) in str(error):
            raise
        reason = error.strerror or str(error)
        if "requested and" in reason:
            # What numpy says of a write that was cut short.
            reason = "No space left on device"
        told = type(error)(
            f"{path} was not written: {reason}. What was there before, if anything, "
            "still is"
        )
        told.errno = error.errno
        raise told from error


@contextmanager
def _workplace(parent: Path) -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(_SUFFIX, _PREFIX, parent))
    lock = FileLock(place / _LOCK)
    # Without locks nobody can tell that the writer is dead, and the folder stays.
    with suppress(OSError, NotImplementedError):
        lock.acquire(timeout=0)
    try:
        yield place
    finally:
        lock.release()
        shutil.rmtree(place, ignore_errors=True)


def _permit(part: Path, target: Path, like: Path | None) -> None:
    """Give a part the permissions of what it replaces, or no more than another file."""
    for entry in _all_in(part):
        mode, owner = entry.stat().st_mode, 0o700 if entry.is_dir() else 0o600
        if target.exists():
            mode = _mode(target, entry.is_dir()) | (owner & 0o100)
        elif like is not None and like.exists():
            mode &= _mode(like, entry.is_dir()) | owner
        entry.chmod(stat.S_IMODE(mode))


def _mode(path: Path, of_folder: bool) -> int:
    """Return the permissions of a file or a folder, as for a folder or a file."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if path.is_dir() == of_folder:
        return mode
    if of_folder:
        return mode | (mode & 0o444) >> 2
    inside = next((path / n for n in ZARR_FILES if (path / n).is_file()), None)
    return mode & 0o666 if inside is None else stat.S_IMODE(inside.stat().st_mode)


def _publish(part: Path, target: Path, former: Path) -> None:
    if not target.is_dir():
        os.replace(part, target)
    elif not _exchange(part, target):
        # A writer that is killed between the two leaves this to `clear_up`.
        former.mkdir()
        target.rename(former / target.name)
        try:
            part.rename(target)
        except BaseException:
            (former / target.name).rename(target)
            raise


def _exchange(part: Path, target: Path) -> bool:
    """Swap two names in one step; False where the system cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    names = _AT_FDCWD, os.fsencode(part), _AT_FDCWD, os.fsencode(target)
    return bool(rename(*names, _RENAME_EXCHANGE) == 0)


def _flush(part: Path) -> None:
    """Bring a file, or all of a folder, to the disk, before it gets its name."""
    for entry in _all_in(part):
        _flush_entry(entry)


def _flush_entry(path: Path) -> None:
    windows = os.name == "nt"
    if windows and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if windows else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _all_in(path: Path) -> Iterator[Path]:
    """Yield a file, or a folder and all that is in it, the folder last."""
    if path.is_dir():
        yield from path.rglob("*")
    yield path
