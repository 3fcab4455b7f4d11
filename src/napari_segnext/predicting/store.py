"""What is kept of a tile once it is embedded: bounded memory, then a zarr store.

An entry is named by `embedding_key`, which covers everything that its content
depends on, so an entry is never wrong: it is there or it is missing.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import threading
import time
import uuid
import warnings
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segnext.images.intensity import Window
from napari_segnext.models.base import Cancelled, Embedding

if TYPE_CHECKING:
    from napari_segnext.predicting.tiles import Tile

# Raised whenever code between the image and the embedding changes its result.
ENCODING_VERSION = 1

_PART = ".part-"
_ABANDONED_S = 24 * 3600
# Left free on a disk for what cannot be computed again.
_SPARE = 1_000_000_000


def embedding_key(
    plane_key: str, tile: Tile, window: Window, model_fingerprint: str
) -> str:
    """Name an embedding by all that it depends on.

    Parameters
    ----------
    plane_key
        Identity of the plane's pixels.
    tile
        Which part of the plane the model sees.
    window
        Intensity range mapped to the model's input.
    model_fingerprint
        See `model_fingerprint`.

    Returns
    -------
    40 hexadecimal digits
    """
    place = [tile.level, tile.row, tile.column]
    parts = [ENCODING_VERSION, plane_key, place, window.low, window.high]
    text = json.dumps([*parts, model_fingerprint])
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


class EmbeddingStore:
    """Embeddings by key: the recent ones in memory, all of them on disk.

    Safe to use from several threads, and with several processes writing to the
    same folder.

    Parameters
    ----------
    budget_gb
        Memory for embeddings, in GB (10^9 bytes), counted as they are held. The
        least recently used go first; the newest one always stays.
    folder
        A zarr v3 group with one subgroup per key, tensors in half precision. None:
        memory alone. The user alone can read what is written, unless others may write
        to the folder as well.
    writing
        Whether new embeddings are written to the folder, which is then made when
        missing. Otherwise what is in it is read all the same.

    Attributes
    ----------
    budget
        In bytes; may be changed at any time.
    folder, writing
        As given; see `use_folder`.
    disk_error
        Why the last write to the folder failed, or None. Embeddings stay in
        memory then. The last GB of a disk is never written.
    """

    def __init__(
        self,
        budget_gb: float = 2.0,
        folder: str | Path | None = None,
        writing: bool = True,
    ):
        if not budget_gb > 0:
            raise ValueError(f"the memory budget must be positive, not {budget_gb} GB")
        self.budget = int(budget_gb * 1e9)
        self.folder: Path | None
        self.disk_error: OSError | None = None
        self._held: OrderedDict[str, Embedding] = OrderedDict()
        self._nbytes = 0
        self._lock = threading.Lock()
        self.use_folder(folder, writing)

    def use_folder(self, folder: str | Path | None, writing: bool = True) -> None:
        """Go on with another folder; what memory holds stays.

        Raises
        ------
        OSError, ValueError
            If the folder cannot be made or listed, or holds something else. Nothing
            is read or written on disk from then on.
        """
        self.folder, self.writing, self._on_disk = None, writing, set()
        if folder is None:
            return
        place = Path(folder)
        if writing:
            _make_private(place)
            _remove_abandoned(place)
        if place.is_dir():
            with os.scandir(place) as entries:
                self._on_disk = {entry.name for entry in entries if entry.is_dir()}
        self.folder, self.disk_error = place, None

    def save_held(self, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Write what memory holds to the folder.

        Raises
        ------
        napari_segnext.models.Cancelled
            If `cancelled` said so. What was written until then is kept.
        """
        with self._lock:
            held = list(self._held.items())
        for key, embedding in held:
            if cancelled():
                raise Cancelled
            self._save(key, embedding)

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        return self._nbytes

    def __len__(self) -> int:
        """Return how many embeddings memory holds."""
        return len(self._held)

    def __contains__(self, key: str) -> bool:
        """Tell whether `get` will very likely find the key, without a look at the disk.

        What other processes have written since the store was opened is not known.
        """
        return key in self._held or key in self._on_disk

    def get(self, key: str, device: torch.device | None = None) -> Embedding | None:
        """Return an embedding, or None if it is missing.

        Parameters
        ----------
        device
            Where an embedding that comes from disk is put; default: the CPU.
        """
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        arrays = self._read(key)
        if arrays is None:
            return None
        embedding = Embedding.from_numpy(arrays, device or torch.device("cpu"))
        self._hold(key, embedding)
        return embedding

    def put(self, key: str, embedding: Embedding) -> None:
        """Keep an embedding in memory and, with a folder, on disk.

        A disk that cannot be written is warned about once and noted in
        `disk_error`; the embedding is kept in memory all the same.
        """
        self._hold(key, embedding)
        self._save(key, embedding)

    def clear(self) -> None:
        """Forget what memory holds; the folder stays as it is."""
        with self._lock:
            self._held.clear()
            self._nbytes = 0

    def _hold(self, key: str, embedding: Embedding) -> None:
        with self._lock:
            former = self._held.pop(key, None)
            self._nbytes -= former.nbytes if former else 0
            self._held[key] = embedding
            self._nbytes += embedding.nbytes
            while self._nbytes > self.budget and len(self._held) > 1:
                self._nbytes -= self._held.popitem(last=False)[1].nbytes

    def _save(self, key: str, embedding: Embedding) -> None:
        if self.folder is None or not self.writing or key in self._on_disk:
            return
        try:
            if not (self.folder / key / "zarr.json").exists():
                self._write(self.folder, key, embedding)
            self.disk_error = None
        except OSError as error:
            if self.disk_error is None:
                warnings.warn(
                    f"embeddings cannot be written to {self.folder} ({error}); "
                    "they are kept in memory only",
                    stacklevel=3,
                )
            self.disk_error = error

    def _write(self, folder: Path, key: str, embedding: Embedding) -> None:
        # Here, as below: zarr takes long to import, and memory alone needs none.
        from napari_segnext.predicting.entries import write_entry

        arrays = embedding.numpy()
        if not all(np.isfinite(a).all() for a in arrays.values()):
            # Values beyond half precision: on disk they would be another embedding.
            return
        size = sum(array.nbytes for array in arrays.values())
        _make_private(folder)
        if shutil.disk_usage(folder).free < _SPARE + size:
            raise OSError(errno.ENOSPC, "less than 1 GB would be left on the disk")
        part = folder / f"{_PART}{uuid.uuid4().hex}"
        try:
            part.mkdir(mode=0o700)
            write_entry(part, arrays)
            _open_as(part, folder)
            try:
                part.rename(folder / key)
            except OSError:
                if not (folder / key).exists():
                    raise
                # Another process wrote the same key meanwhile.
            self._on_disk.add(key)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _read(self, key: str) -> dict[str, NDArray[Any]] | None:
        if self.folder is None:
            return None
        from napari_segnext.predicting.entries import read_entry

        try:
            if not (self.folder / key).exists():
                self._on_disk.discard(key)
                return None
            arrays = read_entry(self.folder / key)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                return None  # the drive's trouble, not the entry's
            arrays = {}
        except Exception:  # zarr raises whatever the damage leads to
            arrays = {}
        # A lost chunk reads as the fill value, NaN; a damaged one fails its CRC.
        if arrays and all(np.isfinite(array).all() for array in arrays.values()):
            return arrays
        self._discard(self.folder, key)
        return None

    def _discard(self, folder: Path, key: str) -> None:
        """Remove a damaged entry, so that it can be written again."""
        self._on_disk.discard(key)
        part = folder / f"{_PART}{uuid.uuid4().hex}"
        try:
            (folder / key).rename(part)
        except OSError:
            return
        shutil.rmtree(part, ignore_errors=True)


def _make_private(folder: Path) -> None:
    """Make a folder for embeddings that its owner alone can read, if there is none."""
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / "zarr.json").exists():
        from napari_segnext.predicting.entries import make_group

        make_group(folder)


def _open_as(part: Path, folder: Path) -> None:
    """Let others read an entry only where they may write to the folder as well.

    An embedding shows what is in an image; a folder that several people fill is
    shared on purpose.
    """
    mode = stat.S_IMODE(folder.stat().st_mode) | stat.S_IRWXU
    for shift in (3, 0):  # the group, and everybody
        if not mode >> shift & stat.S_IWOTH:
            mode &= ~(stat.S_IRWXO << shift)
    for path in (part, *part.rglob("*")):
        path.chmod(mode if path.is_dir() else mode & 0o666)


def _remove_abandoned(folder: Path) -> None:
    """Remove what processes killed while writing have left, after a day."""
    for part in folder.glob(f"{_PART}*"):
        try:
            old = time.time() - part.stat().st_mtime > _ABANDONED_S
        except OSError:
            continue
        if old:
            shutil.rmtree(part, ignore_errors=True)
