"""Time and memory of a session in volumes of three sizes, in the real viewer.

Each volume is generated and shown twice, each time in a process of its own: by napari
alone, and with a session in which an object is clicked, corrected, propagated and left
for another slice. Peak memory is that of the process. In brackets are seconds of CPU,
which tell more on a machine that does other things as well.

    xvfb-run -a -s "-screen 0 1600x1000x24" python -m benchmarks.volumes --json R.json
"""

from __future__ import annotations

import json as json_format
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
import typer
import zarr
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

# Shape, the slice shown first, and an object's centre in it.
VOLUMES: dict[str, tuple[tuple[int, ...], int, tuple[int, int]]] = {
    "mri": ((155, 240, 240), 77, (120, 120)),
    "stack": ((500, 2048, 2048), 250, (1024, 1024)),
    "section": ((30_000, 30_000), 0, (15_500, 15_500)),
}
# Clicks after the first one, of which the quickest counts.
_NEXT = 3
_DEEP = 10
_TILE = 1000
_LEVELS = 4
_SLOW_S = 600.0
# Seconds, and seconds of CPU in all threads.
Taken: TypeAlias = tuple[float, float]
_STEPS = ("start", "first_click", "next_click", "plane_change", "propagate_per_plane")
_NAMES = ("start", "first click", "next click", "plane change", "propagate, per plane")


def disk(shape: tuple[int, int], at: tuple[int, int], radius: float) -> NDArray[Any]:
    """Draw a bright disk on a textured ground: (H, W) uint8."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    noise = np.random.default_rng(0).integers(0, 32, shape, np.uint8) & 24
    inside = (rows - at[0]) ** 2 + (columns - at[1]) ** 2 <= radius**2
    return (60 + noise + 100 * inside).astype(np.uint8)


def make_mri() -> NDArray[Any]:
    """Draw a bright ball in memory: (155, 240, 240) float32."""
    shape, _, (y, x) = VOLUMES["mri"]
    volume = np.empty(shape, np.float32)
    for z in range(shape[0]):
        radius = max(0, 30**2 - 9 * (z - 77) ** 2) ** 0.5
        volume[z] = disk(shape[1:], (y, x), radius or -1)
    return volume


def make_stack(folder: Path) -> NDArray[Any]:
    """Write a file of which only the middle slices are not empty, and map it."""
    shape, middle, at = VOLUMES["stack"]
    path = folder / "stack.raw"
    if not path.exists():
        with path.open("wb") as file:
            file.truncate(int(np.prod(shape)))
        stack = np.memmap(path, np.uint8, "r+", shape=shape)
        for z in range(middle - _DEEP, middle + _DEEP + 1):
            stack[z] = disk(shape[1:], at, 60)
        stack.flush()
    return np.memmap(path, np.uint8, "r", shape=shape)


def make_section(folder: Path) -> list[Any]:
    """Write a section of 900 equal pieces, and three smaller scales of it."""
    path = folder / "section.zarr"
    if not path.exists():
        _write_section(path.with_suffix(".part")).rename(path)
    group = zarr.open_group(path, mode="r")
    return [group[str(level)] for level in range(_LEVELS)]


def _write_section(path: Path) -> Path:
    (height, _), _, at = VOLUMES["section"]
    piece = disk((_TILE, _TILE), (at[0] % _TILE, at[1] % _TILE), 60)
    group = zarr.open_group(path, mode="w")
    for level in range(_LEVELS):
        side, tile = height // 2**level, _TILE // 2**level
        array = group.create_array(
            str(level), shape=(side, side), chunks=(_TILE, _TILE), dtype=np.uint8
        )
        small = piece.reshape(tile, 2**level, tile, 2**level).mean((1, 3))
        band = np.tile(small.astype(np.uint8), (_TILE // tile, side // tile))
        for top in range(0, side, _TILE):
            array[top : top + _TILE] = band[: side - top]
    return path


def make(name: str, folder: Path) -> Any:
    if name == "mri":
        return make_mri()
    return make_stack(folder) if name == "stack" else make_section(folder)


def peak_gb() -> float:
    """Return the most memory that this process has had, in GB."""
    text = Path("/proc/self/status").read_text()
    line = next(each for each in text.splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e9


class Visit:
    """A viewer in this process, and what is done in it."""

    def __init__(self, name: str, folder: Path) -> None:
        import napari

        self.shape, self.index, self.at = VOLUMES[name]
        data = make(name, folder)
        self.viewer = napari.Viewer()
        self.viewer.window.resize(1500, 950)
        many = isinstance(data, list)
        self.image = self.viewer.add_image(data, name=name, multiscale=many)
        self.deep = len(self.shape) == 3
        self.pump(0.5)
        if self.deep:
            self.viewer.dims.set_current_step(0, self.index)
        # As a user does who is to click on something.
        camera = self.viewer.scene.camera
        camera.center = (0, *self.at)
        camera.zoom = max(camera.zoom, 1.0)
        self.pump(1.0)

    def pump(self, seconds: float) -> None:
        """Let the viewer do what it has to for a while."""
        from qtpy.QtWidgets import QApplication

        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            QApplication.processEvents()
            time.sleep(0.001)

    def timed(self, act: Callable[[], object], done: Callable[[], bool]) -> Taken:
        """Do something, and wait until it is done."""
        started, used = time.perf_counter(), time.process_time()
        act()
        while not done():
            self.pump(0.002)
            if time.perf_counter() - started > _SLOW_S:
                raise TimeoutError(self.widget.status)
        return time.perf_counter() - started, time.process_time() - used

    def alone(self) -> dict[str, Any]:
        """Look around without a session."""
        if self.deep:
            self.viewer.dims.set_current_step(0, self.index + 1)
        self.pump(1.0)
        return {"peak_gb": peak_gb()}

    def session(self) -> dict[str, Any]:
        """Segment an object."""
        _, self.widget = self.viewer.window.add_plugin_dock_widget(
            "napari-segnext", "SegNext"
        )
        found: dict[str, Any] = {}
        found["start"] = self.timed(
            self.widget.start, lambda: "Ready" in self.widget.status
        )
        annotator = self.widget.annotator
        found["first_click"] = self.click(0, 0)
        found["next_click"] = min(
            self.click(4 * number, 20) for number in range(1, _NEXT + 1)
        )
        found["pixels"] = annotator.session.count(annotator.current).voxels
        if self.deep:
            self.propagate(found)
            there = self.index + 3
            found["plane_change"] = self.timed(
                lambda: self.viewer.dims.set_current_step(0, there),
                lambda: f"{there}: Ready" in self.widget.status,
            )
        self.pump(1.0)
        found["peak_gb"] = peak_gb()
        return found

    def click(self, down: int, across: int) -> Taken:
        """Click beside the object's centre, and wait for the mask."""
        at = self.at[0] + down, self.at[1] + across
        points = self.widget.annotator.prompts.points
        taken = self.timed(
            lambda: points.add((self.index, *at) if self.deep else at),
            lambda: "Mask in" in self.widget.status,
        )
        self.widget.say("")
        return taken

    def propagate(self, found: dict[str, Any]) -> None:
        """Propagate the object, and put down how long a slice takes."""
        propagation = self.widget.annotator.propagation
        counts: list[int] = []
        propagation.progressed.connect(lambda done, _: counts.append(done))
        taken = self.timed(propagation.start, lambda: not propagation.running)
        found["planes"] = planes = max(counts)
        found["propagate_per_plane"] = tuple(seconds / planes for seconds in taken)


def run_one(name: str, alone: bool, folder: Path) -> dict[str, Any]:
    """Run a case in a process of its own."""
    command = [sys.executable, __file__, "--only", name, "--folder", str(folder)]
    with tempfile.TemporaryDirectory() as settings:
        environment = {
            "NAPARI_CONFIG": str(Path(settings) / "settings.yaml"),
            "NAPARI_SEGNEXT_DATA": settings,
        }
        result = subprocess.run(
            [*command, *(["--alone"] if alone else [])],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    answer: dict[str, Any] = json_format.loads(result.stdout.splitlines()[-1])
    return answer


def main(
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
    volume: Annotated[
        list[str] | None, typer.Option(help="Which; default: all.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="For what is generated.")] = None,
    only: Annotated[str | None, typer.Option(hidden=True)] = None,
    alone: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    if only is not None and folder is not None:
        visit = Visit(only, folder)
        print(json_format.dumps(visit.alone() if alone else visit.session()))
        sys.stdout.flush()
        # Nothing is to be measured of the end.
        os._exit(0)
    place = folder or Path(tempfile.mkdtemp(prefix="volumes-"))
    rows = {}
    for name in volume or VOLUMES:
        make(name, place)
        row = run_one(name, False, place)
        row["peak_alone_gb"] = run_one(name, True, place)["peak_gb"]
        row["more_gb"] = row["peak_gb"] - row["peak_alone_gb"]
        rows[name] = row
    columns = (
        "volume",
        *(f"{n}, s" for n in _NAMES),
        "napari alone, GB",
        "session, GB",
    )
    table = Table(*columns)
    for name, row in rows.items():
        times = [
            "{:.2f} ({:.2f})".format(*row[step]) if step in row else "–"
            for step in _STEPS
        ]
        memory = f"{row['peak_alone_gb']:.2f}", f"{row['peak_gb']:.2f}"
        shape = " x ".join(map(str, VOLUMES[name][0]))
        table.add_row(f"{name} {shape}", *times, *memory)
    Console(width=140).print(table)
    if json is not None:
        json.write_text(json_format.dumps({"volumes": rows}, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
