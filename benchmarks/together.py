"""What it costs to look for several objects at once, against one after the other.

The follower is shown parts of tiles of one size, in batches of several lengths, turn by
turn with one thread. Printed are milliseconds of CPU for each object, and the ratio to
a batch of one: medians of the turns.

    python -m benchmarks.together --json RESULT.json
"""

from __future__ import annotations

import json as json_format
import time
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from napari_segnext.models.follower import Follower, Seen
from napari_segnext.weights import load_follower

STRIDES = (2, 4, 8, 16)


def milliseconds(model: Follower, side: int, batch: int) -> float:
    """Return the CPU time for each of a batch of squares, after a first call."""
    shapes = {"stride1": (3, side)}
    for stride, lateral in zip(STRIDES, model.lateral, strict=True):
        shapes[f"stride{stride}"] = (lateral.out_channels, side // stride)
    features = {n: torch.randn(batch, c, s, s) for n, (c, s) in shapes.items()}
    mask = torch.zeros(batch, 1, side, side)
    mask[..., side // 3 : -side // 3, side // 3 : -side // 3] = 1
    with torch.inference_mode():
        for _ in range(2):
            began = time.process_time()
            model.follow(features, mask, [Seen(features, mask)])
            taken = time.process_time() - began
    return 1e3 * taken / batch


def main(
    sides: Annotated[str, typer.Option(help="Of parts, in pixels.")] = "64,112,160,256",
    batches: Annotated[str, typer.Option(help="Objects at once.")] = "1,2,4,8,16",
    turns: Annotated[int, typer.Option(min=1, help="How often.")] = 7,
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, lengths = load_follower("cpu"), [int(each) for each in batches.split(",")]
    table = Table("side", *map(str, lengths))
    found = {}
    for side in map(int, sides.split(",")):
        taken = defaultdict[int, list[float]](list)
        for _ in range(turns):
            for length in lengths:
                taken[length].append(milliseconds(model, side, length))
        median = {length: float(np.median(each)) for length, each in taken.items()}
        cells = (f"{m:.1f} ({m / median[lengths[0]]:.2f})" for m in median.values())
        table.add_row(str(side), *cells)
        found[side] = median
    Console().print(table)
    if json is not None:
        json.write_text(json_format.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
