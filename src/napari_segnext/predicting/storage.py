"""Where embeddings are kept. No torch, so that a window can ask for it at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# What a panel starts with, in GB.
MEMORY_VARIABLE = "NAPARI_SEGNEXT_MEMORY_GB"


@dataclass(frozen=True, slots=True)
class StoragePolicy:
    """Where embeddings are kept.

    Attributes
    ----------
    memory_gb
        Memory for them, in GB.
    folder
        Of those on disk.
    on_disk
        Whether new ones are written there. What is there is used all the same.
    """

    memory_gb: float
    folder: Path
    on_disk: bool
