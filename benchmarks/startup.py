"""What is waited for before the first mask: on the command line and in the window.

Each is a process of its own, which begins with nothing imported but with all modules
compiled, as after an installation. Commands: a mistake that is told, and `segment` with
one click in a small image. Window: how long opening the panel holds up napari; how long
it is held up at most while a user would choose an image after that; and from Start to
the first mask drawn, with a click as soon as Start is pressed. Another version of the
source is measured in turns with this one.

    xvfb-run -a -s "-screen 0 1600x1000x24" python -m benchmarks.startup --json OUT.json
"""

from __future__ import annotations

import json as json_format
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from benchmarks.gui import TIMEOUT_S, Desk, make_volume
from PIL import Image
from rich.console import Console
from rich.table import Table
from tests.watchdog import Watchdog

ROOT = Path(__file__).parents[1]
SIDE = 256
PROMPTS = {
    "version": 1,
    "objects": [
        {
            "id": 1,
            "planes": [
                {
                    "axis": 0,
                    "index": 0,
                    "prompts": [{"type": "click", "positive": True, "at": [64, 64]}],
                }
            ],
        }
    ],
}
Times = dict[str, float]


def run(arguments: Sequence[str], source: Path, status: int = 0) -> tuple[str, Times]:
    """Run Python with a version of the source; return what it prints, and seconds.

    Raises
    ------
    RuntimeError
        If it ends with another status than expected.
    """
    paths = os.pathsep.join([str(source), str(ROOT)])
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != status:
        raise RuntimeError(done.stderr[-2000:])
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return done.stdout, {"s": wall, "cpu_s": cpu}


def commands(source: Path, folder: Path) -> Times:
    """Time a mistake and a small image on the command line."""
    image, prompts, out = (folder / n for n in ("image.png", "prompts.json", "out.tif"))
    Image.fromarray(make_volume(SIDE)[0]).save(image)
    prompts.write_text(json_format.dumps(PROMPTS))
    given = ["--prompts", str(prompts), "--out", str(out), "--overwrite"]
    segment = ["-m", "napari_segnext", "segment"]
    _, wrong = run([*segment, str(folder / "none.png"), *given], source, 1)
    _, right = run([*segment, str(image), *given], source)
    return {
        **{f"mistake_{name}": value for name, value in wrong.items()},
        **{f"segment_{name}": value for name, value in right.items()},
    }


def window(source: Path, pause: float) -> Times:
    """Time the panel, and the first mask when Start is pressed after a pause."""
    call = f"from benchmarks.startup import first_mask; first_mask({pause})"
    # Each in a new folder: no earlier work on the same image is offered.
    os.environ["NAPARI_SEGNEXT_DATA"] = tempfile.mkdtemp(prefix="napari-segnext-")
    printed, _ = run(["-c", call], source)
    times: Times = json_format.loads(printed.splitlines()[-1])
    return times


def first_mask(pause: float) -> None:
    """Open the panel, wait, press Start, click, and print seconds as JSON."""
    desk, beat = Desk(SIDE), Watchdog()
    desk.wait_ms(1000)
    times: Times = {}
    begun = time.perf_counter(), time.process_time()

    def lap(name: str) -> None:
        nonlocal begun
        now = time.perf_counter(), time.process_time()
        times[f"{name}_s"], times[f"{name}_cpu_s"] = np.subtract(now, begun).tolist()
        begun = now

    desk.open_panel("tiny", "auto")
    desk.wait_ms(1)
    lap("panel")
    beat.start()
    desk.wait_ms(round(1000 * pause))
    beat.stop()
    lap("pause")
    desk.start(wait=False)
    # The panel grows, and with it what is beside it moves.
    desk.wait_ms(100)
    desk.click(SIDE / 4, SIDE / 4)
    lap("mask")
    times["held_up_s"] = beat.longest / 1000
    desk.close()
    print(json_format.dumps(times))


def measure(source: Path, pauses: Sequence[float], folder: Path) -> Times:
    """Return the seconds of everything once."""
    times = commands(source, folder)
    for pause in pauses:
        shown = window(source, pause)
        times |= {name: shown[name] for name in ("panel_s", "panel_cpu_s")}
        after = f"after_{pause:g}_s"
        for name in ("held_up_s", "mask_s", "mask_cpu_s"):
            times[f"{name}_{after}"] = shown[name]
    return times


def main(
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Medians of so many.")] = 3,
    pauses: Annotated[str, typer.Option(help="Seconds from panel to Start.")] = "0,5",
    against: Annotated[
        Path | None, typer.Option(help="Source of another version (its src).")
    ] = None,
) -> None:
    os.environ.setdefault("QT_QPA_PLATFORM", "xcb")
    home = Path(tempfile.mkdtemp(prefix="napari-segnext-"))
    os.environ["NAPARI_CONFIG"] = str(home / "settings.yaml")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(home / "compiled")
    sources = {"this": ROOT / "src"}
    if against is not None:
        if not (against / "napari_segnext").is_dir():
            # The installed one would be measured in its place.
            raise typer.BadParameter(f"There is no napari_segnext in {against}")
        sources["other"] = against.resolve()
    waits = [float(each) for each in pauses.split(",")]
    measured: dict[str, list[Times]] = {name: [] for name in sources}
    for source in sources.values():
        measure(source, waits[:1], home)  # compiles
    for _ in range(repeats):
        for name, source in sources.items():
            measured[name].append(measure(source, waits, home))
    medians = {
        name: {key: statistics.median(t[key] for t in times) for key in times[0]}
        for name, times in measured.items()
    }
    table = Table("Seconds", *medians)
    for key in medians["this"]:
        table.add_row(key, *(f"{times[key]:.2f}" for times in medians.values()))
    load = os.getloadavg()[0]
    console = Console()
    console.print(table)
    console.print(f"{os.cpu_count()} CPUs, load {load:.1f} during the last minute")
    if json is not None:
        result = {"cpus": os.cpu_count(), "load": load, "repeats": repeats, **medians}
        json.write_text(json_format.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
