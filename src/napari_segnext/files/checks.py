"""What is asked of a file before it is believed, and what is told when it is not.

Whatever a library raises on a file becomes one sentence that names the file; and a
size that a file announces is compared with its length and with the memory before
anything is allocated.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

# No more than this comes out of a byte that was deflated.
DEFLATED = 1032
# What unpacks all that is not deflated.
_CODECS = "imagecodecs"


class FileError(ValueError):
    """What is wrong with a file, in a sentence that names it."""


@contextmanager
def explained(path: Path, kind: str) -> Iterator[None]:
    """Turn what a library raises on a file into one sentence.

    Parameters
    ----------
    kind
        What the file is taken for, with its article.

    Raises
    ------
    FileError
        If the file is damaged, of another kind, or too large for the memory.
    OSError
        If the system does not let it be read, or a package is missing.
    """
    try:
        yield
    except FileError:
        raise
    except MemoryError as error:
        raise FileError(f"{path} does not fit into memory{_reason(error)}") from error
    except Exception as error:
        if isinstance(error, ImportError) or _CODECS in str(error):
            raise OSError(
                f"{path} needs a package that is missing or broken{_reason(error)}: "
                f"pip install {_CODECS}"
            ) from error
        if isinstance(error, PermissionError):
            raise
        if not path.exists():
            raise FileNotFoundError(f"there is no file {path} any more") from error
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise FileError(
            f"{path} is damaged, incomplete or not {kind}{_reason(error)}"
        ) from error


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Make whatever goes wrong name the file that it is about.

    Its name becomes a note of the exception, unless the message has it already.
    """
    try:
        yield
    except Exception as error:
        if str(path) not in str(error):
            error.add_note(str(path))
        raise


def check_special(path: Path) -> None:
    """Check that a path is a file or a folder: a pipe would be waited for.

    Raises
    ------
    FileError
        If it is a pipe, a device or a socket.
    OSError
        If there is nothing.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise FileError(f"{path} is a pipe, a device or a socket, not a file")


def check_length(nbytes: int, held: int) -> None:
    """Check, within `explained`, that a file holds the bytes that it announces.

    Raises
    ------
    ValueError
        If it cannot.
    """
    if nbytes > held:
        raise ValueError(
            f"it announces {_gigabytes(nbytes)} of values and has room for "
            f"{_gigabytes(max(held, 0))}"
        )


def check_memory(nbytes: int) -> None:
    """Check, within `explained`, that so many bytes can be allocated.

    Raises
    ------
    MemoryError
        If they cannot.
    """
    free = psutil.virtual_memory().available
    if nbytes > free:
        raise MemoryError(
            f"it takes {_gigabytes(nbytes)}, and {_gigabytes(free)} are free"
        )


def _reason(error: Exception) -> str:
    """Return the first line of what an error says, in brackets."""
    lines = str(error).strip().splitlines()
    said = isinstance(error, OSError | ValueError | MemoryError | ImportError)
    name = type(error).__name__
    reason = lines[0] if lines and said else ": ".join([name, *lines[:1]])
    return f" ({reason})"


def _gigabytes(nbytes: int) -> str:
    return f"{nbytes / 1e9:.3g} GB"
