"""Get the file of a named model, and accept it only if it is what it should be."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from napari_segnext.weights.cache import (
    CACHE_VARIABLE,
    check_digest,
    entry_named,
    make_cache_folder,
    path_of,
    record_digest,
    sha256_of,
)
from napari_segnext.weights.catalogue import CATALOGUE, Entry
from napari_segnext.weights.errors import DownloadCancelled, DownloadError, WeightsError

if TYPE_CHECKING:
    from napari_segnext.weights.fetch import Progress


@dataclass(frozen=True, slots=True)
class Verified:
    """A file that is what it should be.

    Attributes
    ----------
    tensors, values
        How many tensors it holds, and how many numbers in all of them.
    """

    path: Path
    sha256: str
    tensors: int
    values: int


def file_of(name_or_path: str | Path) -> Path | None:
    """Return the file that a model is read from, None for one to `download`.

    A name of the catalogue comes before a file so called.

    Raises
    ------
    FileNotFoundError
        If it is no name and there is no such file.
    DownloadError
        If it is the name of a model whose file is not there and cannot be fetched.
    """
    if str(name_or_path) in CATALOGUE and not isinstance(name_or_path, Path):
        entry = entry_named(str(name_or_path))
        if entry.unpublished and not path_of(entry).is_file():
            place = path_of(entry)
            raise DownloadError(f"{place} is missing. {_how_to_place(entry, place)}")
        return None
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        path /= "model.safetensors"
    if not path.is_file():
        raise FileNotFoundError(
            f"{str(path)!r} is neither a file nor a known model; known: "
            f"{', '.join(CATALOGUE)}"
        )
    return path


def download(
    name: str,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> Path:
    """Return the file of a model of the catalogue, fetching it if needed.

    A file already there is compared with its sha256, and inspected if none is
    known yet. Several processes may ask at once: one fetches, the others wait.

    Parameters
    ----------
    name
        See `CATALOGUE`.
    progress
        Called with the bytes that have arrived and the bytes in total (None if the
        server does not say), in the calling thread.
    cancel
        Set from another thread to stop; the next call goes on from there.

    Raises
    ------
    ValueError
        If there is no such name; its kind `MissingLibrary` if the model runs in a
        library that is not installed.
    WeightsError
        If the file is not the model's; a wrong one that was fetched is deleted.
    DownloadError
        If it cannot be fetched; the message says which file to put where.
    DownloadCancelled
        If `cancel` was set.
    """
    entry = entry_named(name)
    path = path_of(entry)
    if entry.bundled:
        if not path.is_file():
            raise DownloadError(f"{path} is missing: install napari-segnext again")
        return path
    if entry.in_transformers:
        # Before hundreds of megabytes are fetched, and here, as in `_inspect`.
        from napari_segnext.models.research.sam.library import require_transformers

        require_transformers()
    if path.is_file() and check_digest(path, entry.sha256):
        return path
    file_of(name)
    cancel = cancel or threading.Event()
    make_cache_folder()
    with _alone(path, cancel):
        if not path.is_file():
            _fetch_and_accept(entry, path, progress, cancel)
        elif not check_digest(path, entry.sha256):
            _inspect(entry, path)
            record_digest(path)
    return path


def how_to_get(entry: Entry) -> str:
    """Return in a line how to get a model; empty if it can be used here and now.

    It can if its file is there or can be fetched, and what it runs in is installed.
    """
    ways = []
    if entry.in_transformers and find_spec("transformers") is None:
        ways.append("pip install 'napari-segnext[sam]' and start anew")
    if entry.unpublished and not path_of(entry).is_file():
        ways.append(entry.training)
    return "; then ".join(ways)


def verify(name: str) -> Verified:
    """Check the file of a named model: sha256, names, shapes and values of tensors.

    Raises
    ------
    ValueError
        If there is no such name; its kind `WeightsError` if the file is not the
        model's.
    FileNotFoundError
        If it is not on this machine.
    """
    entry = entry_named(name)
    path = path_of(entry)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. {_how_to_place(entry, path)}")
    known = check_digest(path, entry.sha256)
    verified = _inspect(entry, path)
    if not known and not entry.bundled:
        record_digest(path)
    return verified


@contextmanager
def _alone(path: Path, cancel: threading.Event) -> Iterator[None]:
    """Hold the lock on a file of the cache; give up waiting when cancelled."""
    lock = FileLock(path.with_name(path.name + ".lock"))
    try:
        lock.acquire(poll_interval=0.1, cancel_check=cancel.is_set)
    except Timeout as error:
        raise DownloadCancelled(f"{path.name}: cancelled") from error
    try:
        yield
    finally:
        lock.release()


def _fetch_and_accept(
    entry: Entry, path: Path, progress: Progress | None, cancel: threading.Event
) -> None:
    # Not under its final name before it is accepted.
    incoming = path.with_name(path.name + ".incoming")
    try:
        _require_space(entry, path.parent)
        # Here, because what it needs takes as long to import as the rest of a panel.
        from napari_segnext.weights.fetch import fetch

        fetch(str(entry.url), incoming, progress, cancel)
    except DownloadError as error:
        raise DownloadError(f"{error}. {_how_to_place(entry, path)}") from error
    try:
        check_digest(incoming, entry.sha256)
        _inspect(entry, incoming)
    except WeightsError as error:
        incoming.unlink()
        raise WeightsError(
            f"what {entry.url} sent was refused and deleted: {error}. "
            f"{_how_to_place(entry, path)}"
        ) from error
    incoming.replace(path)
    record_digest(path)


def _require_space(entry: Entry, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < entry.size:
        raise DownloadError(
            f"{folder} has {free / 1e6:.0f} MB left, {entry.name} needs "
            f"{entry.size / 1e6:.0f} MB; free some, or name another folder in the "
            f"environment variable {CACHE_VARIABLE}"
        )


def _inspect(entry: Entry, path: Path) -> Verified:
    """Read the whole file; `WeightsError` unless it holds the entry's model."""
    # Here, so that listing and fetching models do without torch until the end.
    from napari_segnext.models.reference import reference_config
    from napari_segnext.weights.checkpoint import (
        check_shapes,
        expected_shapes,
        read_checkpoint,
    )

    tensors = read_checkpoint(path).tensors
    if entry.reference is not None:
        wanted = expected_shapes(reference_config(entry.reference))
        found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        check_shapes(path, found, wanted)
    values = sum(tensor.numel() for tensor in tensors.values())
    return Verified(path, sha256_of(path), len(tensors), values)


def _how_to_place(entry: Entry, path: Path) -> str:
    if entry.unpublished:
        return (
            f"As for {entry.name!r}, {entry.unpublished} and put the "
            f"model.safetensors that it writes at {path}, or give its path"
        )
    return (
        f"By hand: fetch {entry.file} ({entry.size / 1e6:.0f} MB) from {entry.url} "
        f"with a browser and put it at {path}, or give its path in place of the name "
        f"{entry.name!r}"
    )
