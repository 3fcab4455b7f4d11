"""Whatever a session knows is on disk a moment later, and comes back after a crash.

A journal is a text file of one change a line; see `Journal` and `read_journal`.
"""

from napari_segnext.journal.place import find_journal
from napari_segnext.journal.reading import DamagedJournalError, Saved, read_journal
from napari_segnext.journal.writing import Journal, JournalBusyError

__all__ = [
    "DamagedJournalError",
    "Journal",
    "JournalBusyError",
    "Saved",
    "find_journal",
    "read_journal",
]
