"""What a session itself takes, without a model or a window, beside which it happens.

The mask of a disk is written, refined, taken back and done again in a section of which
it covers most; then clicks on one object follow each other, and undo keeps them; then
many objects wait for a mask. Times are of the CPU, as the machine may do other things.

    python -m benchmarks.commit --json RESULT.json
"""

from __future__ import annotations

import json as json_format
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Patch
from napari_segnext.prompts import Prompts
from napari_segnext.session import ArrayLabels, Session

PLANE = Plane(0, 1)


@dataclass(frozen=True)
class Row:
    """What a mask of a diameter takes, in pixels.

    Attributes
    ----------
    first_ms, refined_ms, undo_ms, redo_ms
        CPU time of a first mask, of one a little smaller after it, and of both ways.
    peak
        Bytes a pixel of the disk, at most, while a first mask is written.
    """

    diameter: int
    first_ms: float
    refined_ms: float
    undo_ms: float
    redo_ms: float
    peak: float


@dataclass(frozen=True)
class Kept:
    """What many steps and objects take.

    Attributes
    ----------
    clicks, mb
        Clicks on an object of 500 pixels across, and memory taken after them.
    objects, requests_ms
        Objects that wait for a mask, and CPU time to tell what is to be decoded.
    """

    clicks: int
    mb: float
    objects: int
    requests_ms: float


def disk(diameter: int, side: int, seed: int = 0) -> Patch:
    """Return a probability above one half in a disk whose border is a little uneven."""
    middle, rng = (diameter - 1) / 2, np.random.default_rng(seed)
    rows, columns = np.ogrid[:diameter, :diameter]
    inside = diameter / 2 - 2 - np.hypot(rows - middle, columns - middle)
    values = inside / 6 + rng.normal(0.5, 0.1, (diameter, diameter))
    corner = (side - diameter) // 2
    values = np.clip(values, 0, 1).astype(np.float32)
    return Patch((side, side), (corner, corner), values)


def new_session(side: int) -> Session:
    """Return an empty session in a stack of sections."""
    labels = np.zeros((3, side, side), np.uint16)
    # Pages that nothing was written to would be made on the way.
    labels[:] = 0
    return Session(ArrayLabels(labels), blank=True)


def cpu_ms(act: Callable[[], object]) -> float:
    """Return how long something takes."""
    start = time.process_time()
    act()
    return 1000 * (time.process_time() - start)


def measure(diameter: int, repeats: int) -> Row:
    """Write, refine, take back and do again masks of a diameter."""
    side = diameter * 5 // 4
    first, refined = disk(diameter, side), disk(diameter * 97 // 100, side)
    times = [turn(new_session(side), first, refined) for _ in range(repeats)]
    session = new_session(side)
    request = session.set_prompts(PLANE, Prompts().click(side // 2, side // 2))
    assert request is not None
    tracemalloc.start()
    session.commit(request, first)
    peak = tracemalloc.get_traced_memory()[1] / (np.pi / 4 * diameter**2)
    tracemalloc.stop()
    return Row(diameter, *np.median(times, 0).tolist(), peak)


def turn(session: Session, *masks: Patch) -> list[float]:
    """Write masks one after the other, take the last back, and do it again."""
    passed, prompts = [], Prompts()
    for column, mask in enumerate(masks):
        prompts = prompts.click(mask.shape[0] // 2, column)
        request = session.set_prompts(PLANE, prompts)
        assert request is not None
        passed.append(cpu_ms(partial(session.commit, request, mask)))
    return [*passed, cpu_ms(session.undo), cpu_ms(session.redo)]


def keep(clicks: int, objects: int) -> Kept:
    """Click on one object often, and once on many."""
    side, prompts = 600, Prompts()
    session = new_session(side)
    tracemalloc.start()
    for number in range(clicks):
        prompts = prompts.click(300 + number % 40, 300 + number // 40)
        request = session.set_prompts(PLANE, prompts)
        assert request is not None
        session.commit(request, disk(500 - number % 50, side, number))
    mb = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    session = new_session(side)
    for number in range(objects):
        session.new_object()
        session.set_prompts(PLANE, Prompts().click(number % side, number // side))
    return Kept(clicks, mb, objects, cpu_ms(session.requests))


def main(
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
    sizes: Annotated[str, typer.Option(help="Diameters of disks.")] = "500,900,2400",
    repeats: Annotated[int, typer.Option(min=1, help="Of each size.")] = 5,
    clicks: Annotated[int, typer.Option(min=1, help="On one object.")] = 1000,
    objects: Annotated[int, typer.Option(min=1, help="That wait for masks.")] = 1000,
) -> None:
    rows = [measure(int(size), repeats) for size in sizes.split(",")]
    kept = keep(clicks, objects)
    table = Table("diameter", "first", "refined", "undo", "redo", "B a pixel")
    for row in rows:
        passed = (row.first_ms, row.refined_ms, row.undo_ms, row.redo_ms)
        cells = (f"{ms:.1f} ms" for ms in passed)
        table.add_row(str(row.diameter), *cells, f"{row.peak:.0f}")
    console = Console()
    console.print(table)
    console.print(f"{kept.clicks} clicks: {kept.mb:.0f} MB")
    console.print(f"{kept.objects} objects to decode: {kept.requests_ms:.1f} ms")
    if json is not None:
        result = {"masks": [asdict(row) for row in rows], "kept": asdict(kept)}
        json.write_text(json_format.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
