"""What holds the window up, action by action, and by what code.

A real napari window on a virtual screen. A watchdog of its event loop looks at what the
GUI thread does while no event is handled. For each action printed are the longest stall
in milliseconds, how long of it the thread computed and waited for a core, how long code
of the package was at it, and where that was most of the time.

    xvfb-run -a -s "-screen 0 1600x1000x24" python -m benchmarks.stalls --json R.json
"""

from __future__ import annotations

import json as json_format
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from benchmarks.gui import SLICES, TURNS, Desk, use_folder_of_its_own
from tests.watchdog import Stall, Watchdog


class Actions:
    """Does things in a window, and keeps the longest stall of each."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.found = desk, dict[str, Stall]()
        self.watchdog = Watchdog()

    def do(self, name: str, action: Callable[[], object]) -> None:
        """Do something as an event, and wait until nothing follows from it."""
        from qtpy.QtCore import QTimer

        self.desk.wait_ms(300)
        self.watchdog.stalls.clear()
        done = []
        with self.watchdog:
            QTimer.singleShot(0, lambda: done.append(action()))
            self.desk.wait(lambda: done)
            self.desk.settle()
        longest = (self.watchdog.longest, self.watchdog.longest_cpu)
        known = max(self.watchdog.stalls, key=lambda s: s.wall, default=Stall(*longest))
        if name not in self.found or known.wall > self.found[name].wall:
            self.found[name] = known


def large_mask(desk: Desk, side: int, radius: int) -> Callable[[], object]:
    """Return what writes a first mask, a disk, as an answer of the model does."""
    from napari_segnext.geometry.plane import Plane
    from napari_segnext.geometry.regions import Patch
    from napari_segnext.predicting.prediction import Prediction
    from napari_segnext.prompts import Prompts

    annotator = desk.widget.annotator
    rows, columns = np.ogrid[-radius:radius, -radius:radius]
    disk = (rows**2 + columns**2 < radius**2).astype(np.float32)
    corner, prompts = side // 2 - radius, Prompts().click(side // 2, side // 2)
    patch = Patch((side, side), (corner, corner), disk)

    def write() -> None:
        plane = Plane(0, desk.viewer.dims.current_step[0])
        request = annotator.session.set_prompts(plane, prompts, annotator.current)
        annotator._decoded(request, Prediction(patch, prompts))

    return write


def many_objects(desk: Desk, side: int, count: int) -> None:
    """Give a session so many objects of four pixels, and make the last one current."""
    from napari_segnext.geometry.plane import Plane
    from napari_segnext.geometry.regions import Patch
    from napari_segnext.prompts import Prompts

    annotator = desk.widget.annotator
    session, across = annotator.session, int(np.ceil(np.sqrt(count)))
    ones, step = np.ones((2, 2), np.float32), side // across
    for number in range(count):
        at = tuple(step * each for each in divmod(number, across))
        session.new_object()
        plane = Plane(0, SLICES - 1)
        request = session.set_prompts(plane, Prompts().click(*at), session.current)
        session.commit(request, Patch((side, side), at, ones))
    annotator.objects.turned.emit()
    desk.settle()


def measure(side: int, objects: int, model: str, engine: str) -> dict[str, Stall]:
    """Do all there is to do, and return the longest stall of each."""
    desk = Desk(side)
    actions = Actions(desk)
    desk.wait_ms(500)
    desk.viewer.dims.set_current_step(0, 0)
    with actions.watchdog:
        desk.open_panel(model, engine)
    longest = max(actions.watchdog.stalls, key=lambda stall: stall.wall)
    actions.found["open the panel"] = longest
    actions.do("start", desk.widget.start)
    desk.wait(lambda: "Ready" in desk.widget.status)
    desk.settle()
    annotator, turn = desk.widget.annotator, desk.viewer.dims.set_current_step
    for index in TURNS:
        actions.do("turn a slice", partial(turn, 0, index))
    write = large_mask(desk, side, min(1200, side // 3))
    actions.do("first mask, as large as a window", write)
    actions.do("undo it", annotator.undo)
    actions.do("redo it", annotator.redo)
    many_objects(desk, side, objects)
    many = f"of {objects:,} objects"
    write = large_mask(desk, side, 40)
    for _ in range(2):
        actions.do(f"mask {many}", write)
        actions.do(f"undo {many}", annotator.undo)
        actions.do(f"mask {many}", write)
        actions.do(f"accept {many}", annotator.accept)
    for index in TURNS[:3]:
        actions.do(f"turn a slice {many}", partial(turn, 0, index))
    desk.close()
    return actions.found


def main(
    side: Annotated[int, typer.Option(help="Of a slice, in pixels.")] = 4096,
    objects: Annotated[int, typer.Option(help="For what many are done with.")] = 5000,
    model: Annotated[str, typer.Option(help="Name of a model.")] = "tiny",
    engine: Annotated[str, typer.Option(help="What runs it.")] = "auto",
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
) -> None:
    use_folder_of_its_own()
    found = measure(side, objects, model, engine)
    for name, stall in found.items():
        print(f"{name}: {stall}")
    if json is not None:
        numbers = {name: asdict(stall) for name, stall in found.items()}
        json.write_text(json_format.dumps(numbers, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
