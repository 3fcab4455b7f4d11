"""Where the journals of an image lie."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_data_path

SUFFIX = ".segnext-journal"
FOLDER_VARIABLE = "NAPARI_SEGNEXT_DATA"

# What follows the name: the number of a further viewer, or the time of an earlier one.
_LATER = re.compile(r"(\.\d+(-\d+)*)*")
_SAMPLE = 256


@dataclass(frozen=True, slots=True)
class Subject:
    """The image that a journal is about.

    Attributes
    ----------
    file
        File or folder that it was read from, if from any.
    name
        What to call its journal if it was not.
    shape
        Of its labels.
    """

    file: Path | None
    name: str
    shape: tuple[int, ...]

    def places(self) -> list[Path]:
        """Return where its journal may lie, the best first; touches no disk.

        Next to the image, else in the user's data folder, or the folder that the
        environment variable ``NAPARI_SEGNEXT_DATA`` names.
        """
        if self.file is None:
            return [_data_folder() / f"{_plain(self.name)}{SUFFIX}"]
        place = Path(os.path.abspath(self.file))
        digest = hashlib.blake2b(str(place).encode(), digest_size=6).hexdigest()
        elsewhere = f"{_plain(place.name)}-{digest}{SUFFIX}"
        return [place.with_name(place.name + SUFFIX), _data_folder() / elsewhere]

    def journals(self) -> list[Path]:
        """Return all of its journals that there are, the newest first."""
        found: dict[Path, float] = {}
        for place in self.places():
            try:
                names = [entry.name for entry in os.scandir(place.parent)]
            except OSError:
                continue
            for name in names:
                rest = name.removeprefix(place.name)
                if name.startswith(place.name) and _LATER.fullmatch(rest):
                    path = place.with_name(name)
                    # Another viewer may just have taken it away.
                    with contextlib.suppress(FileNotFoundError):
                        found[path] = path.stat().st_mtime
        return sorted(found, key=found.__getitem__, reverse=True)


def sample_key(data: Any) -> str:
    """Name an image that was not read from a file by type, shape and few pixels.

    Parameters
    ----------
    data
        Array of at least two axes, of which only a middle piece is read, or the
        levels of a pyramid.

    Returns
    -------
    12 hexadecimal digits
    """
    array = data[-1] if isinstance(data, Sequence) else data
    largest = sorted(np.argsort(array.shape, kind="stable")[-2:].tolist())
    where = tuple(
        slice(max(n // 2 - _SAMPLE // 2, 0), n // 2 + _SAMPLE // 2, 4)
        if axis in largest
        else n // 2
        for axis, n in enumerate(array.shape)
    )
    digest = hashlib.blake2b(f"{array.dtype} {array.shape}".encode(), digest_size=6)
    digest.update(np.ascontiguousarray(array[where]).tobytes())
    return digest.hexdigest()


def image_of(journal: Path) -> Path | None:
    """Return the image beside a journal that it is named after, if it is there."""
    name, suffix, rest = journal.name.rpartition(SUFFIX)
    image = journal.with_name(name) if name else journal
    return image if suffix and _LATER.fullmatch(rest) and image.exists() else None


def check_name(name: Any) -> str:
    """Return the name of a file beside a journal, or an empty one for none.

    Raises
    ------
    ValueError
        If it is none, or leads to another folder.
    """
    if not isinstance(name, str) or re.search(r"[/\\\0]|^\.+$", name):
        raise ValueError(f"{name!r} is no name of a file")
    return name


def taught_file(journal: Path) -> Path:
    """Return a name beside a journal, that nothing has yet, for a taught model."""
    names = (f"{journal.name}.taught-{number}.safetensors" for number in count(1))
    return next(p for p in map(journal.with_name, names) if not os.path.lexists(p))


def dated(path: Path) -> Path:
    """Return the name under which a journal is set aside: with when it was written.

    Nothing has that name yet.
    """
    written = datetime.fromtimestamp(path.stat().st_mtime)
    name = f"{path.name}.{written:%Y%m%d-%H%M%S-%f}"
    further = (f"{name}-{number}" for number in count(1))
    return next(
        place
        for place in map(path.with_name, chain([name], further))
        if not os.path.lexists(place)
    )


def permissions(file: Path | None) -> int:
    """Return who may read and write the journal of an image: who may its file.

    Parameters
    ----------
    file
        The image's; without one nobody else may.
    """
    try:
        mode = 0 if file is None else file.stat().st_mode
    except OSError:
        mode = 0
    return 0o600 | mode & 0o666


def _data_folder() -> Path:
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named).expanduser() / "journals"
    return user_data_path("napari-segnext", appauthor=False) / "journals"


def _plain(name: str) -> str:
    kept = "".join(c if c.isalnum() or c in "-_. " else "_" for c in name)
    return kept.strip(". ")[:80] or "image"
