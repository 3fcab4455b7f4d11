"""Where the journal of an image lies."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from pathlib import Path

from platformdirs import user_data_path

SUFFIX = ".segnext-journal"


def find_journal(image: Path | None, name: str = "image") -> Path:
    """Return the journal's path: next to the image, or in the user's data folder.

    The latter if nothing can be written next to the image; a journal that lies
    there is copied then.

    Parameters
    ----------
    image
        File or folder that the image was read from, if from any.
    name
        What to call the journal of an image that was not read from a file.
    """
    if image is None:
        return _data_folder() / f"{_plain(name)}{SUFFIX}"
    place = Path(os.path.abspath(image))
    beside = place.with_name(place.name + SUFFIX)
    if _is_writable(place.parent):
        return beside
    digest = hashlib.blake2b(str(place).encode(), digest_size=6).hexdigest()
    elsewhere = _data_folder() / f"{_plain(place.name)}-{digest}{SUFFIX}"
    if beside.is_file() and not elsewhere.exists():
        shutil.copy2(beside, elsewhere)
    return elsewhere


def _data_folder() -> Path:
    folder = user_data_path("napari-segnext", appauthor=False) / "journals"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _is_writable(folder: Path) -> bool:
    """Try it: rights do not tell about read-only disks and network drives."""
    probe = folder / f".{uuid.uuid4().hex}"
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError:
        return False
    return True


def _plain(name: str) -> str:
    kept = "".join(c if c.isalnum() or c in "-_. " else "_" for c in name)
    return kept.strip(". ")[:80] or "image"
