"""How many modules a click crosses: what a reader of the code has to follow.

One warm click in a real napari window, as in `benchmarks.gui`, from the mouse to the
mask that is drawn. Counted are the modules of the package that are entered and the
moves between them, calls from one module into another: on the GUI thread, the worker's
and the others (the journal's). Returns are not counted, nor calls from outside. How
often the panel is painted meanwhile depends on the machine: different moves do not.
Beside them: what stands at the top of the package, and what lies flat in ``plugin``.

    xvfb-run -a -s "-screen 0 1600x1000x24" python -m benchmarks.trace --json R.json
"""

from __future__ import annotations

import json as json_format
import os
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from benchmarks.gui import Desk
from rich.console import Console
from rich.table import Table

import napari_segnext

PACKAGE = "napari_segnext"
GUI, WORKER, OTHERS = "GUI thread", "worker", "other threads"
# Clicks before the one that counts, each on an object of its own.
BEFORE = 3
NAMED = 12


@dataclass
class Way:
    """What is crossed on a thread: modules, and moves from one to another."""

    modules: set[str] = field(default_factory=set)
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __or__(self, other: Way) -> Way:
        """Return both together."""
        return Way(self.modules | other.modules, self.moves + other.moves)

    def as_json(self) -> dict[str, Any]:
        """Return the counts, and the moves, the most frequent first."""
        moves = [[*move, count] for move, count in self.moves.most_common()]
        return {
            "modules": len(self.modules),
            "moves": self.moves.total(),
            "different": len(self.moves),
            "names": sorted(self.modules),
            "frequent": moves,
        }


class Tracer:
    """Follows calls on all threads that begin after it was made, while `on`."""

    def __init__(self) -> None:
        self.on = False
        self.ways = {GUI: Way(), WORKER: Way(), OTHERS: Way()}
        threading.setprofile(self._called)
        sys.setprofile(self._called)

    def close(self) -> None:
        """Follow nothing more."""
        threading.setprofile(None)
        sys.setprofile(None)

    def _called(self, frame: FrameType, event: str, argument: object) -> None:
        if not self.on or event != "call":
            return
        name = module_of(frame)
        if name is None:
            return
        way = self.ways[self._thread()]
        way.modules.add(name)
        above = frame.f_back
        while above is not None and (caller := module_of(above)) is None:
            above = above.f_back
        if above is not None and caller != name:
            assert caller is not None
            way.moves[caller, name] += 1

    def _thread(self) -> str:
        thread = threading.current_thread()
        if thread is threading.main_thread():
            return GUI
        return WORKER if thread.name == "napari-segnext" else OTHERS


def module_of(frame: FrameType) -> str | None:
    """Return the module of the package that a frame is in, if it is in one."""
    name = str(frame.f_globals.get("__name__"))
    if name.split(".", 1)[0] != PACKAGE:
        return None
    return name.removeprefix(f"{PACKAGE}.")


def trace_click(size: int, model: str, engine: str) -> dict[str, Way]:
    """Click in a window; return what was crossed, by thread."""
    tracer = Tracer()
    desk = Desk(size)
    desk.open_panel(model, engine)
    desk.start()
    desk.settle()
    for number in range(BEFORE + 1):
        middle = (0.25, 0.5, 0.75)[number % 3] * size
        tracer.on = number == BEFORE
        desk.click(middle + number % 5, middle)
        tracer.on = False
        desk.settle()
        desk.widget.annotator.objects.discard()
    tracer.close()
    desk.close()
    return tracer.ways


def entries() -> tuple[int, int]:
    """Count what stands at the top of the package, and modules flat in ``plugin``."""
    top = Path(napari_segnext.__file__).parent
    hidden = ("__pycache__", "__init__.py")
    names = [each.name for each in top.iterdir() if each.name not in hidden]
    flat = [each.name for each in (top / "plugin").glob("*.py")]
    return len(names), len(flat) - ("__init__.py" in flat)


def main(
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
    model: Annotated[str, typer.Option(help="Name of a model.")] = "tiny",
    engine: Annotated[str, typer.Option(help="What runs it.")] = "torch",
    size: Annotated[int, typer.Option(min=64, help="Side of a slice.")] = 240,
) -> None:
    os.environ.setdefault("QT_QPA_PLATFORM", "xcb")
    home = tempfile.mkdtemp(prefix="napari-segnext-")
    os.environ["NAPARI_CONFIG"] = str(Path(home) / "settings.yaml")
    # No earlier work on the same image is offered.
    os.environ["NAPARI_SEGNEXT_DATA"] = home
    ways = trace_click(size, model, engine)
    ways["all"] = ways[GUI] | ways[WORKER] | ways[OTHERS]
    top, flat = entries()
    console = Console()
    table = Table("Thread", "Modules", "Moves", "Different moves")
    for name, way in ways.items():
        counts = len(way.modules), way.moves.total(), len(way.moves)
        table.add_row(name, *map(str, counts))
    console.print(table)
    for (caller, called), count in ways["all"].moves.most_common(NAMED):
        console.print(f"{count:4}  {caller} -> {called}")
    console.print(f"{top} entries at the top of the package, {flat} flat in plugin")
    if json is not None:
        text = {"model": model, "engine": engine, "top": top, "flat": flat}
        threads = {name: way.as_json() for name, way in ways.items()}
        json.write_text(json_format.dumps({**text, "threads": threads}, indent=1))


if __name__ == "__main__":
    typer.run(main)
