"""What a user feels: from mouse release to mask drawn, and how long the window stalls.

A real napari window, a real mouse event on its canvas, and the end of the first frame
that shows the new mask. What the model takes is given apart: the rest is the plugin,
napari and the drawing. Stalls are gaps between the beats of a timer on the GUI thread,
while slices are turned and embedded; the same turns without a session tell napari's
share. (`benchmarks.stalls` tells of other actions, and what holds the window up.) As
wall time depends on what else the machine does, the CPU time of the GUI thread is given
too. The panel is redrawn after a mask of one of many objects, in a slice that is not
displayed.

    xvfb-run -a -s "-screen 0 1600x1000x24" python -m benchmarks.gui --json RESULT.json
"""

from __future__ import annotations

import json as json_format
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from tests.watchdog import Watchdog

# Turned to in turn; the last one is turned to before.
SLICES = 16
TURNS = range(1, 12, 2)
TIMEOUT_S = 600
# Along a side of a slice: as many objects in rows and columns.
GRID = 32
OBJECTS, REDRAWS = 1000, 20


@dataclass(frozen=True)
class Row:
    """Medians (masks) and maxima (stalls) of one size, in milliseconds.

    Attributes
    ----------
    mask
        From mouse release to mask drawn.
    decode
        Of that, the model and what is between it and the image.
    beyond
        Median of the differences of the two.
    beyond_cpu
        CPU time of the GUI thread in between.
    stall, stall_cpu, stall_usual
        While slices are turned and embedded; CPU time of the GUI thread in a gap; and
        the median of the turns.
    stall_first
        While a session's first other slice is turned to: shaders are compiled.
    napari, napari_cpu, napari_usual
        While slices are turned without a session, not for the first time either.
    """

    size: int
    clicks: int
    mask: float
    decode: float
    beyond: float
    beyond_cpu: float
    stall: float
    stall_cpu: float
    stall_usual: float
    stall_first: float
    napari: float
    napari_cpu: float
    napari_usual: float


def make_volume(size: int) -> NDArray[np.uint8]:
    """Make slices with bright disks on a noisy ground, a different one in each."""
    rng = np.random.default_rng(0)
    rows, columns = np.ogrid[:size, :size]
    volume = rng.integers(40, 90, (SLICES, size, size), np.uint8)
    for number in range(SLICES):
        for at in (0.25, 0.5, 0.75):
            middle, radius = at * size + number, 0.04 * min(size, 1024)
            inside = (rows - middle) ** 2 + (columns - middle) ** 2 < radius**2
            volume[number][inside] += 120
    return volume


def use_folder_of_its_own() -> None:
    """Neither read nor write the user's settings and earlier work."""
    os.environ.setdefault("QT_QPA_PLATFORM", "xcb")
    home = tempfile.mkdtemp(prefix="napari-segnext-")
    os.environ["NAPARI_CONFIG"] = str(Path(home) / "settings.yaml")
    # No earlier work on the same image is offered.
    os.environ["NAPARI_SEGNEXT_DATA"] = home


class Desk:
    """A napari window with a volume in it, and the plugin's panel once it is open."""

    def __init__(self, size: int) -> None:
        import napari
        from qtpy.QtTest import QTest

        self.wait_ms = QTest.qWait
        self.viewer = napari.Viewer()
        self.viewer.window.resize(1500, 900)
        self.image = self.viewer.add_image(make_volume(size))
        canvas = self.viewer.window._qt_viewer.canvas
        self.canvas = canvas.native
        canvas._scene_canvas.events.draw.connect(self._drawn, position="last")
        self.prediction: Any = None
        self._drawn_at: tuple[float, float] | None = None

    def open_panel(self, model: str, engine: str) -> None:
        """Open the panel, and choose a model and an engine."""
        _, self.widget = self.viewer.window.add_plugin_dock_widget(
            "napari-segnext", "SegNext"
        )
        self.widget.model_choice.setCurrentIndex(
            self.widget.model_choice.findData(model)
        )
        self.widget.engine_choice.setCurrentIndex(
            self.widget.engine_choice.findData(engine)
        )

    def start(self, wait: bool = True) -> None:
        """Start a session, and wait for its model."""
        self.widget.start()
        if wait:
            self.wait(lambda: "Ready" in self.widget.status)
        self.widget.annotator._inference.decoded.connect(self._decoded)

    def wait(self, condition: Any) -> None:
        """Let the window live until something is so."""
        end = time.monotonic() + TIMEOUT_S
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"nothing happened; status: {self.widget.status}")
            self.wait_ms(1)

    def settle(self) -> None:
        """Wait until the worker has nothing more to do."""
        worker = self.widget.worker
        self.wait_ms(300)
        if worker is not None:
            self.wait(lambda: worker.idle)
        self.wait_ms(100)

    def click(self, y: float, x: float) -> tuple[float, float, float]:
        """Click; return wall and GUI CPU time until drawn, and the model's share."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        at = self._pixel((self.viewer.dims.current_step[0], y, x))
        self.prediction, self._drawn_at = None, None
        QTest.mouseMove(self.canvas, at)
        self.wait_ms(50)
        button, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        QTest.mousePress(self.canvas, button, none, at)
        begun = time.perf_counter(), time.thread_time()
        QTest.mouseRelease(self.canvas, button, none, at)
        self.wait(lambda: self._drawn_at is not None)
        assert self._drawn_at is not None
        wall, cpu = (1e3 * (d - b) for d, b in zip(self._drawn_at, begun, strict=True))
        return wall, cpu, self.prediction.decode_ms + self.prediction.embed_ms

    def turn(self, beat: Watchdog, slices: Sequence[int]) -> tuple[float, ...]:
        """Turn to slices; return the longest gap, wall and GUI CPU time.

        The third is the median of each turn's longest gap.
        """
        walls, cpus = [], []
        for index in slices:
            beat.start()
            self.viewer.dims.set_current_step(0, index)
            self.settle()
            beat.stop()
            walls.append(beat.longest)
            cpus.append(beat.longest_cpu)
        return max(walls), max(cpus), float(np.median(walls))

    def close(self) -> None:
        """Close the window."""
        self.widget.close()
        self.viewer.close()

    def _pixel(self, position: tuple[float, ...]) -> Any:
        from qtpy.QtCore import QPoint

        y, x = self.image.data_to_world(position)[1:]
        view = self.viewer.window._qt_viewer.canvas.view
        mapped = (view.transform * view.scene.transform).map([x, y])
        return QPoint(round(mapped[0] / mapped[3]), round(mapped[1] / mapped[3]))

    def _decoded(self, request: Any, prediction: Any) -> None:
        # Connected after the annotator, which has written the mask by now.
        self.prediction = prediction

    def _drawn(self, event: Any) -> None:
        from vispy.gloo import gl

        if self.prediction is not None and self._drawn_at is None:
            gl.glFinish()
            self._drawn_at = time.perf_counter(), time.thread_time()


def measure(size: int, clicks: int, model: str, engine: str) -> Row:
    beat = Watchdog()
    desk = Desk(size)
    desk.open_panel(model, engine)
    desk.turn(beat, [SLICES - 1])
    napari = desk.turn(beat, TURNS)
    desk.viewer.dims.set_current_step(0, 0)
    desk.start()
    desk.settle()
    taken = []
    for number in range(clicks + 2):
        middle = (0.25, 0.5, 0.75)[number % 3] * size
        # Near the middle of a disk, and each time anew: an unchanged mask is
        # not drawn.
        taken.append(desk.click(middle + number % 5, middle + number // 3))
        desk.settle()
        desk.widget.annotator.objects.discard()
    wall, cpu, model_ms = np.array(taken[2:]).T
    first, *_ = desk.turn(beat, [SLICES - 1])
    stall = desk.turn(beat, TURNS)
    desk.close()
    return Row(
        size,
        clicks,
        float(np.median(wall)),
        float(np.median(model_ms)),
        float(np.median(wall - model_ms)),
        float(np.median(cpu)),
        *stall,
        first,
        *napari,
    )


@dataclass(frozen=True)
class Panel:
    """The panel redrawn after a mask: medians, in milliseconds.

    Attributes
    ----------
    panel, panel_cpu
        Until all parts of the panel have been told; CPU time of the GUI thread.
    drawn, drawn_cpu
        Until the window is drawn: with a canvas of OpenGL in it, Qt composes all of it.
    """

    objects: int
    redraws: int
    panel: float
    panel_cpu: float
    drawn: float
    drawn_cpu: float


def measure_panel(model: str, engine: str) -> Panel:
    from qtpy.QtWidgets import QApplication

    from napari_segnext.geometry.plane import Plane
    from napari_segnext.geometry.regions import Patch
    from napari_segnext.prompts import Prompts

    desk = Desk(size := 256)
    desk.open_panel(model, engine)
    desk.start()
    desk.settle()
    annotator, plane = desk.widget.annotator, Plane(0, SLICES - 1)
    session, side = annotator.session, size // GRID

    def write(number: int, clicks: int) -> None:
        """Give an object a mask as wide as it has clicks."""
        row, column = (side * at for at in divmod(number - 1, GRID))
        prompts = Prompts()
        for at in range(clicks):
            prompts = prompts.click(row, column + at)
        request = session.set_prompts(plane, prompts, number)
        values = np.ones((1, clicks), np.float32)
        session.commit(request, Patch((size, size), (row, column), values))

    for _ in range(OBJECTS - 1):
        session.new_object()
    for number in session.objects:
        write(number, 1)
    session.select(OBJECTS // 2)
    annotator.objects.turned.emit()
    desk.settle()
    taken = []
    for at in range(REDRAWS + 2):
        write(OBJECTS // 2, 2 + at % (side - 2))
        times = [(time.perf_counter(), time.thread_time())]
        annotator.changed.emit()
        times.append((time.perf_counter(), time.thread_time()))
        QApplication.processEvents()
        times.append((time.perf_counter(), time.thread_time()))
        taken.append(1e3 * (np.array(times[1:]) - times[0]).ravel())
        desk.wait_ms(50)
    desk.close()
    return Panel(OBJECTS, REDRAWS, *np.median(taken[2:], axis=0).tolist())


def main(
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
    model: Annotated[str, typer.Option(help="Name of a model.")] = "tiny",
    engine: Annotated[str, typer.Option(help="What runs it.")] = "auto",
    sizes: Annotated[str, typer.Option(help="Sides of slices.")] = "240,1024,4096",
    clicks: Annotated[int, typer.Option(min=1, help="Of each size.")] = 15,
) -> None:
    use_folder_of_its_own()
    console = Console()
    table = Table("Slice", "Mask", "Decode", "Beyond", "CPU", "Stall", "CPU", "usual")
    for name in ("first", "napari alone", "CPU", "usual"):
        table.add_column(name)
    panel = measure_panel(model, engine)
    console.print(f"Panel after a mask, {OBJECTS:,} objects: {panel}")
    rows = []
    for size in sizes.split(","):
        rows.append(measure(int(size), clicks, model, engine))
        side, _, *numbers = asdict(rows[-1]).values()
        table.add_row(f"{side} x {side}", *(f"{n:.0f}" for n in numbers))
        console.print(f"{size}: {rows[-1]}")
    load = os.getloadavg()[0]
    console.print(table)
    console.print(f"ms; {os.cpu_count()} CPUs, load {load:.1f} during the last minute")
    if json is not None:
        result = {"model": model, "engine": engine, "cpus": os.cpu_count()}
        text = {**result, "load": load, "panel": asdict(panel)}
        text["rows"] = [asdict(row) for row in rows]
        json.write_text(json_format.dumps(text, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
