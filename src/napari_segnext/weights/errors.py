"""What can go wrong with a file of weights, in three kinds."""

from __future__ import annotations

# Characters of a message that quotes a file.
_LONGEST = 240


class WeightsError(ValueError):
    """A file of weights cannot be used; the message says why and what to do."""


class DownloadError(OSError):
    """A file could not be fetched or written; the message says where to get it."""


class DownloadCancelled(Exception):
    """The download was cancelled; what has arrived is kept for the next try."""


def in_short(said: object) -> str:
    """Return what was said, in one line of moderate length."""
    text = " ".join(str(said).split()) or type(said).__name__
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
