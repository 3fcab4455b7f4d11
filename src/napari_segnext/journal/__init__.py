"""Whatever a session knows is on disk a moment later, and comes back after a crash.

A journal is a text file of one change a line; see `Journal` and `read_journal`. Which
file that is for an image, and what of earlier work there is: `start`, `resume`.
"""

from napari_segnext.journal.locking import JournalBusyError
from napari_segnext.journal.opening import (
    Earlier,
    describe,
    find_earlier,
    resume,
    start,
)
from napari_segnext.journal.paths import Subject, sample_key
from napari_segnext.journal.reading import DamagedJournalError, Saved, read_journal
from napari_segnext.journal.writing import Journal

__all__ = [
    "DamagedJournalError",
    "Earlier",
    "Journal",
    "JournalBusyError",
    "Saved",
    "Subject",
    "describe",
    "find_earlier",
    "read_journal",
    "resume",
    "sample_key",
    "start",
]
