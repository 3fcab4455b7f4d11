"""A zarr store on disk that follows labels in memory."""

from __future__ import annotations

import atexit
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segnext.files import Geometry
from napari_segnext.labels.chunked import CHUNK, LabelStore

if TYPE_CHECKING:
    import zarr

# Changes that come within this time are written together.
_DELAY_S = 0.5
_RETRY_S = 2.0
_LAST_S = 10.0


class LabelMirror:
    """Writes the chunks of a `LabelStore` to a folder, on a thread of its own.

    The folder is OME-Zarr 0.5 with all levels, to be opened by any program that
    reads that. It is made from the labels in memory and never read: what keeps a
    session safe is its journal.

    Parameters
    ----------
    folder
        What is there is replaced.
    geometry
        Where the full image lies.
    tell
        Called from the mirror's thread with why nothing can be written, and with
        None when it works again. It is tried again until then.
    """

    def __init__(
        self,
        store: LabelStore,
        folder: Path,
        geometry: Geometry,
        tell: Callable[[str | None], None] = lambda problem: None,
        retry_s: float = _RETRY_S,
    ) -> None:
        self.folder = folder
        self._store, self._tell, self._retry_s = store, tell, retry_s
        self._geometry = geometry
        self._described: Geometry | None = None
        self._group: zarr.Group | None = None
        self._levels: list[zarr.Array[Any]] = []
        self._problem: str | None = None
        store.take_changed()
        self._due = store.keys()
        self._closing = threading.Event()
        self._thread = threading.Thread(
            target=self._work, name="segnext-labels", daemon=True
        )
        self._thread.start()

    def place(self, geometry: Geometry) -> None:
        """Say that the full image lies elsewhere from now on."""
        self._geometry = geometry

    def finish(self) -> None:
        """Write what is left if that can be done, and end; waits for nothing.

        The end of the program waits for it a few seconds.
        """
        self._closing.set()
        atexit.register(self._thread.join, _LAST_S)

    def wait(self, timeout: float) -> bool:
        """Wait until it has ended after `finish`; tell whether all is written."""
        self._thread.join(timeout)
        return not (self._thread.is_alive() or self._due)

    def _work(self) -> None:
        while True:
            ending = self._closing.wait(_DELAY_S)
            self._due |= self._store.take_changed()
            try:
                self._write()
                problem = None
            # Whatever it is: an end without a word would leave the store behind.
            except Exception as error:
                problem = f"The labels' zarr store is not up to date: {error}"
            if problem != self._problem:
                self._problem = problem
                self._tell(problem)
            if ending:
                return
            if problem:
                self._closing.wait(self._retry_s)

    def _write(self) -> None:
        if self._group is None:
            self._make()
        geometry = self._geometry
        if geometry != self._described:
            self._describe(geometry)
            self._described = geometry
        for key in sorted(self._due):
            level, page, row, column = key
            top, left = row * CHUNK, column * CHUNK
            where: Any = (*page, slice(top, top + CHUNK), slice(left, left + CHUNK))
            self._levels[level][where] = self._store.chunk(key)
            self._due.discard(key)

    def _make(self) -> None:
        if self.folder.exists():
            shutil.rmtree(self.folder)
        # Here: with it the panel would take half a second longer to open.
        import zarr

        self.folder.parent.mkdir(parents=True, exist_ok=True)
        group = zarr.open_group(self.folder, mode="w", zarr_format=3)
        flat = (1,) * (len(self._store.shape) - 2)
        self._levels = [
            group.create_array(
                str(level),
                shape=shape,
                chunks=(*flat, *(min(CHUNK, n) for n in shape[-2:])),
                dtype=self._store.dtype,
                dimension_names=self._geometry.axis_labels,
            )
            for level, shape in enumerate(self._store.shapes)
        ]
        self._group = group

    def _describe(self, geometry: Geometry) -> None:
        from napari_segnext.files.ome_zarr import ome_axes

        assert self._group is not None
        levels = [_level(geometry, number) for number in range(len(self._levels))]
        multiscale = {
            "name": self.folder.stem,
            "axes": ome_axes(geometry),
            "datasets": levels,
        }
        self._group.attrs["ome"] = {
            "version": "0.5",
            "image-label": {},
            "multiscales": [multiscale],
        }


def _level(geometry: Geometry, number: int) -> dict[str, Any]:
    """Describe a level: each halves rows and columns of the one before."""
    ndim = len(geometry.shape)
    factors = [2**number if axis >= ndim - 2 else 1 for axis in range(ndim)]
    scale = [s * f for s, f in zip(geometry.scale, factors, strict=True)]
    offset = [
        t + s * (f - 1) / 2
        for t, s, f in zip(geometry.translate, geometry.scale, factors, strict=True)
    ]
    return {
        "path": str(number),
        "coordinateTransformations": [
            {"type": "scale", "scale": scale},
            {"type": "translation", "translation": offset},
        ],
    }
