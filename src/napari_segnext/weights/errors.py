"""What can go wrong with a file of weights, in three kinds."""

from __future__ import annotations


class WeightsError(ValueError):
    """A file of weights cannot be used; the message says why and what to do."""


class DownloadError(OSError):
    """A file could not be fetched or written; the message says where to get it."""


class DownloadCancelled(Exception):
    """The download was cancelled; what has arrived is kept for the next try."""
