"""What a click costs on busy cores: threads that spin, that sleep, and one alone.

Each way of waiting gets a process of its own, turn by turn, because a thread library
reads how to wait when it is loaded. Wall milliseconds of a further click of a model,
alone and beside as many busy loops as there are cores.

    python -m benchmarks.busy --model tiny --json RESULT.json
"""

from __future__ import annotations

import json as json_format
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from skimage import data

SPINNING = {"OMP_WAIT_POLICY": "ACTIVE"}
# Nothing set: what the package chooses.
WAYS = {"spinning": SPINNING, "as it ships": {}, "one thread": {"OMP_NUM_THREADS": "1"}}
READ_BY_THREADS = ("OMP_WAIT_POLICY", "OMP_NUM_THREADS", "GOMP_SPINCOUNT")
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

    def timed() -> list[float]:
        taken = list[float]()
        while len(taken) < count and sum(taken) < 1e3 * PATIENCE_S:
            begun = time.perf_counter()
            predictor.predict(prompts, previous=first)
            taken.append(1e3 * (time.perf_counter() - begun))
        return taken

    timed()
    alone = timed()
    with busy(loops):
        return {"alone": alone, "busy": timed()}


def turn(way: str, model: str, count: int, loops: int) -> Turn:
    """Run `clicks` in a process that waits in one way."""
    kept = {k: v for k, v in os.environ.items() if k not in READ_BY_THREADS}
    code = (
        "import json; from benchmarks.busy import clicks; "
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
    loops: Annotated[int, typer.Option(help="Busy loops beside.")] = (
        os.cpu_count() or 1
    ),
    json: Annotated[Path | None, typer.Option(help="Where to write it all.")] = None,
) -> None:
    """Print medians and 90th percentiles in milliseconds."""
    found = {way: Turn(alone=[], busy=[]) for way in WAYS}
    for _ in range(turns):
        for way, kept in found.items():
            for beside, taken in turn(way, model, count, loops).items():
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
