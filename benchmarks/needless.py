"""What a click does that corrects nothing: the mask should stay.

People click again into what is found already, or far off it, to be sure. The robot of
the papers' protocol never does. Here it clicks as usual, and after some of its clicks
one more is tried that says what is right already: a positive one at random in what is
rightly found, or a negative one at random off both the object and the mask. Of each
are told the mean IoU before and after it, and the share of objects that lost more than
a tenth.

    python -m benchmarks.needless --data SET --limit 100 --json R.json
"""

from __future__ import annotations

import json as json_format
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from napari_segnext import Predictor, load_model
from napari_segnext.evaluation import load_dataset, select_objects
from napari_segnext.evaluation.clicker import ClickRobot
from napari_segnext.evaluation.metrics import iou
from napari_segnext.evaluation.sample import object_truth
from napari_segnext.prompts import Prompts

LOSS = 0.1
AFTER = (1, 3, 5)
KINDS = {True: "positive, inside", False: "negative, outside"}
# (sign, robot's clicks before) -> IoU before and after the needless click.
Found = dict[tuple[bool, int], tuple[float, float]]


def try_object(
    predictor: Predictor, truth: NDArray[Any], rng: np.random.Generator
) -> Found:
    """Click one object, and needlessly beside."""
    robot, prompts, previous = ClickRobot(truth), Prompts(), None
    mask = np.zeros(truth.shape, bool)
    found: Found = {}
    for count in range(1, max(AFTER) + 1):
        click = robot.next_click(mask)
        prompts = prompts.click(click.y, click.x, click.positive)
        previous = predictor.predict(prompts, previous)
        mask = previous.mask
        for positive in KINDS if count in AFTER else ():
            right = mask & (truth == 1) if positive else ~mask & (truth == 0)
            if right.any():
                at = rng.choice(np.flatnonzero(right))
                y, x = divmod(int(at), truth.shape[1])
                after = predictor.predict(prompts.click(y, x, positive), previous)
                found[positive, count] = iou(truth, mask), iou(truth, after.mask)
    return found


def try_all(predictor: Predictor, selection: list[Any]) -> Iterator[Found]:
    """Try every object, each with a seed of its own."""
    for sample, object_ids in selection:
        labels = sample.labels()
        predictor.set_image(sample.image())
        for object_id in object_ids:
            seed = zlib.crc32(f"{sample.name}/{object_id}".encode())
            truth = object_truth(labels, object_id)
            yield try_object(predictor, truth, np.random.default_rng(seed))


def main(
    data: Annotated[Path, typer.Option(help="Folder or .npz of the set.")],
    dataset: Annotated[str, typer.Option(help="Layout of the set.")] = "pairs",
    model: Annotated[str, typer.Option(help="Name or file.")] = "tiny",
    limit: Annotated[int, typer.Option(help="Objects, evenly spaced.")] = 100,
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
) -> None:
    selection = select_objects(load_dataset(dataset, data), limit)
    count = sum(len(ids) for _, ids in selection)
    found = list(track(try_all(Predictor(load_model(model)), selection), model, count))
    title = f"{data.stem}, {count} objects: mean IoU"
    table = Table("needless click", "after", "before", "with it", "lost", title=title)
    rows = []
    for positive, kind in KINDS.items():
        for after in AFTER:
            place = positive, after
            pairs = np.array([each[place] for each in found if place in each])
            before, now = pairs.mean(0)
            lost = float((pairs[:, 0] - pairs[:, 1] > LOSS).mean())
            rows.append([kind, after, len(pairs), before, now, lost])
            numbers = f"{before:.3f}", f"{now:.3f}", f"{100 * lost:.0f} %"
            table.add_row(kind, f"{after} clicks", *numbers)
    Console().print(table)
    if json is not None:
        names = ("kind", "clicks", "objects", "before", "after", "lost")
        result = {"model": model, "data": data.stem}
        text = {**result, "rows": [dict(zip(names, row, strict=True)) for row in rows]}
        json.write_text(json_format.dumps(text, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
