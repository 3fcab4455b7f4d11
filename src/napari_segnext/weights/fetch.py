"""Fetch one file over HTTP(S) or from Google Drive, going on where it stopped."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path

import gdown
import requests
from gdown.exceptions import DownloadError as GdownError
from gdown.exceptions import FileURLRetrievalError

from napari_segnext.weights.errors import DownloadCancelled, DownloadError

Progress = Callable[[int, int | None], None]

ATTEMPTS = 4
# Seconds: to connect, and between two pieces of data.
TIMEOUT = (10.0, 30.0)
# Seconds before the second attempt; doubled before every further one.
DELAY = 0.5
_WORTH_A_RETRY = {408, 425, 429}


def fetch(
    url: str, path: Path, progress: Progress | None, cancel: threading.Event
) -> None:
    """Fetch a file; what has arrived survives every failure and is gone on from.

    `pooch.HTTPDownloader` cannot resume, gdown can, asks Google Drive for the file
    behind its "cannot scan for viruses" page, and takes plain addresses too. It
    retries broken connections alone and does not start over when a server ignores
    the range asked for; both are done here.

    Parameters
    ----------
    url
        A plain address, or that of a file's page on Google Drive.
    path
        Written in one step when the last byte is there; partial data lies beside
        it under this name with something appended.
    progress
        Called with the bytes on disk and in total (None if the server does not
        say), in the calling thread.
    cancel
        Set from another thread to stop, also in the middle of a stall.

    Raises
    ------
    DownloadError
        If it does not succeed in a few attempts, is refused, or cannot be written.
    DownloadCancelled
        If `cancel` was set.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            cancel.wait(DELAY * 2 ** (attempt - 1))
        before = _arrived(path)
        try:
            gdown.download(
                url,
                str(path),
                quiet=True,
                use_cookies=False,
                resume=True,
                timeout=TIMEOUT,
                progress=progress,
                cancel=cancel,
            )
            return
        except gdown.exceptions.DownloadCancelled as error:
            raise DownloadCancelled(f"{url}: cancelled") from error
        except (GdownError, requests.RequestException) as error:
            reason = error
            if _is_final(error):
                break
            if _arrived(path) == before and _is_refusal(error):
                _start_over(path)
        except OSError as error:
            raise _unwritable(path, error) from error
    raise DownloadError(f"{url}: {_summary(reason)}") from reason


def _start_over(path: Path) -> None:
    for part in _parts(path):
        part.unlink(missing_ok=True)


def _parts(path: Path) -> list[Path]:
    return list(path.parent.glob(f"{path.name}*.part"))


def _arrived(path: Path) -> int:
    return sum(part.stat().st_size for part in _parts(path))


def _is_refusal(error: Exception) -> bool:
    """Whether the server would not go on from where the last attempt stopped.

    gdown has one kind of error for this and for a body that is cut short, which is
    to be gone on from.
    """
    return isinstance(error, GdownError) and "incomplete" not in str(error)


def _is_final(error: Exception) -> bool:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
        return status < 500 and status not in _WORTH_A_RETRY
    return isinstance(
        error,
        FileURLRetrievalError
        | requests.exceptions.SSLError
        | requests.exceptions.ProxyError,
    )


def _unwritable(path: Path, error: OSError) -> DownloadError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        reason = "no space is left; free some and try again, it goes on from there"
    else:
        reason = str(error)
    return DownloadError(f"cannot write to {path.parent}: {reason}")


def _summary(error: Exception) -> str:
    """Say in one line what gdown and requests say in many."""
    if isinstance(error, requests.Timeout):
        return "the server does not answer"
    if isinstance(error, requests.ConnectionError):
        return "no connection, or it breaks again and again"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        answer = error.response
        return f"the server answers {answer.status_code} {answer.reason}"
    if isinstance(error, FileURLRetrievalError):
        return "Google Drive does not hand the file out (removed, or too many asked)"
    return " ".join(str(error).split())
