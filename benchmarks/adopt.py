"""What starting from labels takes, in time and memory, and whether they come back.

Objects of a segmentation with ids up to 2^32 - 1, as other programs write them, are
read from a zarr, become objects of a session with a journal, are taken back and done
again, come back from the journal, and are written and compared voxel by voxel.

    python -m benchmarks.adopt --shape 1,30000,30000 --objects 30000 --json RESULT.json
"""

from __future__ import annotations

import json as json_format
import math
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import typer
from rich.console import Console
from rich.table import Table

from napari_segnext.files import Geometry, read_image
from napari_segnext.files.ome_zarr import write_zarr
from napari_segnext.files.pieces import LabelPieces, row_parts
from napari_segnext.geometry.plane import Plane
from napari_segnext.journal import Journal, read_journal
from napari_segnext.labels.chunked import blank_labels
from napari_segnext.labels.scan import scan_file
from napari_segnext.prompts import Prompts
from napari_segnext.session import Session
from napari_segnext.session.exchange import file_values, legend
from napari_segnext.session.numbered import write_session

_EVERY_S = 0.02


class Cells(LabelPieces):
    """Ellipsoids on a grid, each with an id of its own, far from the next one's."""

    dtype = np.dtype(np.uint32)

    def __init__(self, shape: tuple[int, ...], objects: int) -> None:
        self.shape = shape
        side = (math.prod(shape) / objects) ** (1 / sum(n > 1 for n in shape))
        self._sides = [min(n, max(1.0, side)) for n in shape]
        self._counts = [
            max(1, int(n / s)) for n, s in zip(shape, self._sides, strict=True)
        ]
        rng = np.random.default_rng(0)
        many = math.prod(self._counts)
        step = (2**32 - 2) // many
        ids = 1 + step * np.arange(many) + rng.integers(0, step, many)
        ids[-1] = 2**32 - 1
        self.ids = ids.astype(np.uint32)

    def __getitem__(self, part: tuple[slice, ...]) -> np.ndarray[Any, Any]:
        """Return a part, given by a slice of step 1 along each axis."""
        cell: Any = np.zeros((1,) * self.ndim, np.int64)
        far: Any = np.zeros((1,) * self.ndim, np.float32)
        for axis, here in enumerate(part):
            side, count = self._sides[axis], self._counts[axis]
            at = np.arange(here.start, here.stop)
            number = np.minimum((at / side).astype(np.int64), count - 1)
            away = ((at - (number + 0.5) * side) / (0.45 * side + 0.5)) ** 2
            along = [-1 if other == axis else 1 for other in range(self.ndim)]
            cell = cell * count + number.reshape(along)
            far = far + away.astype(np.float32).reshape(along)
        return np.where(far < 1, self.ids[cell], np.uint32(0))


class Memory:
    """How much more than at first is taken, at most, while something is done."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self.first = self.now

    @property
    def now(self) -> int:
        """Bytes in memory."""
        return int(self._process.memory_info().rss)

    @contextmanager
    def watched(self, told: dict[str, float], what: str) -> Iterator[None]:
        """Take note of seconds of the CPU, and of megabytes at most and afterwards."""
        peak, ended = self.now, threading.Event()

        def watch() -> None:
            nonlocal peak
            while not ended.wait(_EVERY_S):
                peak = max(peak, self.now)

        watcher, start = threading.Thread(target=watch), time.process_time()
        watcher.start()
        try:
            yield
        finally:
            told[f"{what} s"] = round(time.process_time() - start, 2)
            ended.set()
            watcher.join()
            told[f"{what} peak MB"] = round((max(peak, self.now) - self.first) / 1e6)
            told[f"{what} MB"] = round((self.now - self.first) / 1e6)


def measure(shape: tuple[int, ...], objects: int, folder: Path) -> dict[str, float]:
    """Go all of the way once; return seconds and megabytes."""
    geometry, cells = Geometry.plain(shape), Cells(shape, objects)
    write_zarr(folder / "in.zarr", cells, geometry)
    told: dict[str, float] = {"objects": len(cells.ids)}
    memory = Memory()
    with memory.watched(told, "read"):
        labels = scan_file(folder / "in.zarr", geometry)
    session = Session(blank_labels(shape, 65535), blank=True)
    session.new_object()
    journal = Journal(folder / "journal", shape)
    journal.follow(session)
    with memory.watched(told, "adopt"):
        session.adopt_labels(labels)
    del labels
    with memory.watched(told, "journal"):
        journal.wait()
    told["journal file MB"] = round((folder / "journal").stat().st_size / 1e6, 1)
    middle = next(iter(session.objects))
    plane = session.planes_of(middle, Plane(0, 0, (0,) * (len(shape) - 3)))[0]
    with memory.watched(told, "click"):
        at = Prompts().click(3, 3)
        request = session.set_prompts(plane, at, middle)
        assert request is not None and request.patch is not None
        session.commit(request, request.patch)
    session.undo()
    for what, step in (("undo", session.undo), ("redo", session.redo)):
        with memory.watched(told, what):
            assert step() is not None
    journal.close(600)
    with memory.watched(told, "resume"):
        saved = read_journal(folder / "journal")
        saved.ledger.fold()
        told["of it, in the window s"] = -time.process_time()
        again = saved.resume(blank_labels(shape, 65535))
        told["of it, in the window s"] += time.process_time()
    with memory.watched(told, "write"):
        names, ids = legend(again), file_values(again)
        write_session(folder / "out.zarr", again, geometry, names, ids)
    told["voxels that differ"] = differing(folder, cells)
    return told


def differing(folder: Path, cells: Cells) -> int:
    """Count the voxels of what was written that are not those of the cells."""
    written: Any = read_image(folder / "out.zarr").data
    return sum(
        int(np.count_nonzero(written[part] != cells[part]))
        for part in row_parts(cells.shape)
    )


def run(
    shape: Annotated[str, typer.Option(help="Z,Y,X.")] = "1,30000,30000",
    objects: Annotated[int, typer.Option(min=1)] = 30_000,
    json: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """Measure, print a table, and write the numbers."""
    sides = tuple(map(int, shape.split(",")))
    with tempfile.TemporaryDirectory() as folder:
        told = measure(sides, objects, Path(folder))
    table = Table("", "", title=f"{told['objects']:,} objects in {shape}")
    for name, value in told.items():
        table.add_row(name, f"{value:,}")
    Console().print(table)
    if json is not None:
        json.write_text(json_format.dumps({"shape": sides, **told}, indent=1))


if __name__ == "__main__":
    typer.run(run)
