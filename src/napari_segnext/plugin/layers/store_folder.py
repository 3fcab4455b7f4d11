"""Where the zarr store of a large section's labels lies."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

from napari_segnext.journal.paths import SUFFIX


def store_folder(journal: Path | None) -> Path:
    """Return a folder beside a journal, or a temporary one if there is none."""
    if journal is not None:
        name = journal.name.replace(SUFFIX, ".segnext-labels")
        return journal.with_name(f"{name}.zarr")
    temporary = tempfile.mkdtemp(prefix="napari-segnext-")
    # After the mirror's own end, which is registered later.
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return Path(temporary) / "labels.zarr"
