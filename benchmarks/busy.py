"""What a click costs on busy cores: threads that spin, that sleep, and one alone.

Each way of waiting gets a process of its own, turn by turn, because a thread library
reads how to wait when it is loaded. Wall milliseconds of a further click of a model,
alone and beside as many busy loops as there are cores; with `--window` as the panel in
a napari window has it answered.

    python -m benchmarks.busy --model tiny --json RESULT.json
    xvfb-run -a -s "-screen 0 1600x1000x24" python -m benchmarks.busy --window
"""

from __future__ import annotations

import json as json_format
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from skimage import data

CORES = os.cpu_count() or 1
ALL = {"OMP_NUM_THREADS": str(CORES)}
# Nothing set: what the package chooses.
WAYS: dict[str, dict[str, str]] = {
    "spinning": {"OMP_WAIT_POLICY": "ACTIVE", **ALL},
    "sleeping": {"OMP_WAIT_POLICY": "PASSIVE", **ALL},
    "as it ships": {},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
READ_BY_THREADS = (
    "OMP_WAIT_POLICY",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "GOMP_SPINCOUNT",
    "KMP_BLOCKTIME",
)
# Side of a slice in the window, and clicks on an object before it is given up.
SIDE, ON_AN_OBJECT = 256, 5
# So long may the clicks of one turn take.
PATIENCE_S = 20.0
Turn = dict[str, list[float]]


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Keep so many processes computing meanwhile."""
    code = "while True: pass"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def clicks(model: str, count: int, loops: int) -> Turn:
    """Time further clicks on a picture of coins, alone and beside busy loops."""
    from napari_segnext import Predictor, Prompts, load_model

    predictor = Predictor(load_model(model, device="cpu"))
    predictor.set_image(data.coins())
    first = predictor.predict(Prompts().click(57, 60))
    prompts = first.prompts.click(45, 60)

    def click() -> float:
        begun = time.perf_counter()
        predictor.predict(prompts, previous=first)
        return 1e3 * (time.perf_counter() - begun)

    return timed(click, count, loops)


def clicks_in_window(model: str, count: int, loops: int) -> Turn:
    """Time the model's share of further clicks in a napari window."""
    from benchmarks.gui import Desk, use_folder_of_its_own

    use_folder_of_its_own()
    desk = Desk(SIDE)
    desk.open_panel(model, "auto")
    desk.start()
    desk.settle()
    given = 0

    def click() -> float:
        nonlocal given
        if given % ON_AN_OBJECT == 0:
            desk.widget.annotator.objects.discard()
            desk.click(SIDE / 2, SIDE / 2)
            given += 1
        # Near the middle of a disk, and each time anew: what changes is drawn.
        *_, taken = desk.click(SIDE / 2 + given % ON_AN_OBJECT, SIDE / 2 - 2)
        given += 1
        return taken

    found = timed(click, count, loops)
    desk.close()
    return found


def timed(click: Callable[[], float], count: int, loops: int) -> Turn:
    """Click alone and beside busy loops, each as often as it is told or has time."""

    def some() -> list[float]:
        taken, until = list[float](), time.monotonic() + PATIENCE_S
        while len(taken) < count and (not taken or time.monotonic() < until):
            taken.append(click())
        return taken

    some()
    alone = some()
    with busy(loops):
        return {"alone": alone, "busy": some()}


def turn(way: str, model: str, count: int, loops: int, window: bool = False) -> Turn:
    """Run `clicks` or `clicks_in_window` in a process that waits in one way."""
    kept = {k: v for k, v in os.environ.items() if k not in READ_BY_THREADS}
    what = clicks_in_window if window else clicks
    code = (
        f"import json; from benchmarks.busy import {what.__name__} as clicks; "
        f"print(json.dumps(clicks({model!r}, {count}, {loops})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=kept | WAYS[way],
        capture_output=True,
        text=True,
        check=True,
    )
    result: Turn = json_format.loads(done.stdout.splitlines()[-1])
    return result


def main(
    model: Annotated[str, typer.Option(help="Name or file of a model.")] = "tiny",
    turns: Annotated[int, typer.Option(help="Processes for each way.")] = 3,
    count: Annotated[int, typer.Option(help="Clicks in a turn.")] = 20,
    loops: Annotated[int, typer.Option(help="Busy loops beside.")] = CORES,
    window: Annotated[bool, typer.Option(help="Click in a napari window.")] = False,
    json: Annotated[Path | None, typer.Option(help="Where to write it all.")] = None,
) -> None:
    """Print medians and 90th percentiles in milliseconds."""
    found = {way: Turn(alone=[], busy=[]) for way in WAYS}
    for _ in range(turns):
        for way, kept in found.items():
            for beside, taken in turn(way, model, count, loops, window).items():
                kept[beside] += taken
    print(f"{'':14}{'alone':>16}{f'beside {loops} loops':>20}")
    for way, kept in found.items():
        alone, beside = (
            f"{np.median(taken):.0f} ({np.percentile(taken, 90):.0f})"
            for taken in (kept["alone"], kept["busy"])
        )
        print(f"{way:14}{alone:>16}{beside:>20}")
    if json is not None:
        json.write_text(json_format.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
