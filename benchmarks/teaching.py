"""What a model gains by being taught ten objects.

A simulated user segments ten objects of a section, with a slightly unsteady hand, until
each is right to an intersection over union of 0.9, and accepts what the model made of
them. The model is taught these, and a robot clicks objects of other sections, before
and after. That is done for several sections and draws. With further archives the same
is measured on their objects, about which nothing was taught: what is forgotten.

    python -m benchmarks.teaching --stack cdeep3m_mito.npz --known 2,7,12 --limit 90 \
        --other isbi2012_cells.npz --json RESULT.json

Without a stack there is a generated one.
"""

from __future__ import annotations

import json as json_format
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from benchmarks.finding import Sections, generated, read
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from napari_segnext.evaluation.clicker import ClickRobot
from napari_segnext.evaluation.evaluate import run_course
from napari_segnext.evaluation.results import Settings
from napari_segnext.evaluation.simulate import shaky
from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.shapes import overlap
from napari_segnext.images.volume import Volume
from napari_segnext.models import SegmentationModel
from napari_segnext.predicting.embed import embed_planes
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.prompts import Prompts
from napari_segnext.session.accepted import Accepted
from napari_segnext.training.teaching import STEPS, Taught, teach
from napari_segnext.weights import load_model

# What the user is content with, the most prompts, and how unsteady the hand is.
CONTENT, MOST, JITTER = 0.9, 10, 0.25
CLICKS = 3

# Which object: of which section, and its number there.
Place = tuple[int, int]


def accept(predictor: VolumePredictor, sections: Sections, place: Place) -> Accepted:
    """Segment an object as a user does, and accept what the model made of it."""
    section, number = place
    truth, rng = sections[section] == number, np.random.default_rng(place)
    robot, plane = ClickRobot(truth.astype(np.int8)), Plane(0, section)
    mask, prompts, found = np.zeros_like(truth), Prompts(), None
    for _ in range(MOST):
        click = robot.next_click(mask)
        y, x = shaky(click, robot.wrong(mask, click.positive), JITTER, rng)
        robot.remember(y, x)
        prompts = prompts.click(y, x, click.positive)
        found = predictor.predict(plane, prompts, found)
        mask = found.mask
        if overlap(mask, truth) >= CONTENT:
            break
    return Accepted(number, plane, prompts, Region.of(mask))


def score(
    predictor: VolumePredictor, sections: Sections, places: Sequence[Place]
) -> NDArray[np.float64]:
    """Return (N, 3): the IoU of each object after 1, 2 and 3 clicks of a robot."""
    rows, rng = [], np.random.default_rng(0)
    for section, number in places:
        at = predictor.at(Plane(0, section))
        truth = (sections[section] == number).astype(np.int8)
        rows.append(run_course(at, truth, Settings(CLICKS), rng).ious)
    return np.array(rows)


class Stack:
    """A stack of sections with true objects, embedded once for all models."""

    def __init__(self, path: Path | None, model: SegmentationModel) -> None:
        self.name, image, self.sections = generated() if path is None else read(path)
        channel = 3 if image.ndim == 4 else None
        self.base = VolumePredictor(model, Volume(image, channel=channel))
        self.base.store.budget = int(4e9)
        self._before: dict[Place, NDArray[np.float64]] = {}

    def objects(self, sections: Sequence[int]) -> list[Place]:
        """Return all objects of sections."""
        return [
            (section, int(number))
            for section in sections
            for number in np.unique(self.sections[section])
            if number > 0
        ]

    def gain(
        self, model: SegmentationModel, places: Sequence[Place]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean IoU after 1, 2 and 3 clicks before and after teaching."""
        for place in places:
            if place not in self._before:
                (self._before[place],) = score(self.base, self.sections, [place])
        base = self.base
        taught = VolumePredictor(model, base.volume, base.store, base.window)
        before = np.mean([self._before[place] for place in places], 0)
        return before, score(taught, self.sections, places).mean(0)


def spread(places: list[Place], limit: int | None) -> list[Place]:
    """Choose so many, evenly spaced."""
    count = min(limit or len(places), len(places))
    return [places[i * len(places) // count] for i in range(count)]


def measure(
    stack: Stack, section: int, draw: int, few: int, steps: int, limit: int | None
) -> tuple[Taught, dict[str, Any]]:
    """Teach some objects of a section, and measure on others of other sections."""
    own = stack.objects([section])
    chosen = np.random.default_rng([section, draw]).permutation(len(own))[:few]
    embed_planes(stack.base, [Plane(0, section)])
    accepted = [accept(stack.base, stack.sections, own[i]) for i in sorted(chosen)]
    began = time.process_time()
    taught = teach(stack.base, accepted, steps=steps, seed=draw)
    seconds = time.process_time() - began
    rest = [i for i in range(len(stack.sections)) if i != section]
    before, after = stack.gain(taught.model, spread(stack.objects(rest), limit))
    return taught, {
        "section": section,
        "draw": draw,
        "before": before.tolist(),
        "after": after.tolist(),
        "held out before": taught.before,
        "held out after": taught.after,
        "kept": taught.better,
        "seconds": seconds,
    }


def show(name: str, runs: Sequence[dict[str, Any]]) -> None:
    """Print the numbers, a row a run, and their mean."""
    columns = ("section", "draw", "before", "after", "gain", "kept", "seconds")
    table = Table(*columns, title=f"{name}: IoU after 1, 2, 3 clicks")

    def told(values: Any, sign: str = "") -> str:
        return " ".join(f"{value:{sign}.3f}" for value in values)

    for run in runs:
        before, after = np.array(run["before"]), np.array(run["after"])
        words = (run["section"], run["draw"], told(before), told(after))
        kept = "yes" if run["kept"] else "no"
        last = (told(after - before, "+"), kept, f"{run['seconds']:.0f}")
        table.add_row(*map(str, words), *last)
    gains = [np.subtract(run["after"], run["before"]) for run in runs]
    table.add_row("mean", "", "", "", told(np.mean(gains, 0), "+"), "", "")
    Console(width=120).print(table)


def main(
    stack: Annotated[Path | None, typer.Option(help="An archive of sections.")] = None,
    known: Annotated[str, typer.Option(help="Sections that are learned from.")] = "0",
    draws: Annotated[int, typer.Option(help="Draws of objects of each.")] = 1,
    few: Annotated[int, typer.Option(help="Objects of a draw.")] = 10,
    limit: Annotated[int | None, typer.Option(help="Objects measured, at most.")] = 90,
    other: Annotated[
        list[Path] | None, typer.Option(help="Archives of other objects.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Of the training.")] = STEPS,
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
) -> None:
    """Measure, print tables, and write the numbers."""
    model = load_model("tiny")
    learned, others = Stack(stack, model), [Stack(path, model) for path in other or ()]
    runs: dict[str, list[dict[str, Any]]] = {each.name: [] for each in others}
    runs[learned.name] = []
    for section in map(int, known.split(",")):
        for draw in range(draws):
            taught, run = measure(learned, section, draw, few, steps, limit)
            runs[learned.name].append(run)
            for each in others:
                places = spread(each.objects(range(len(each.sections))), limit)
                before, after = each.gain(taught.model, places)
                told = {"before": before.tolist(), "after": after.tolist()}
                runs[each.name].append({**run, **told})
    for name, of_stack in runs.items():
        show(name, of_stack)
    if json is not None:
        text = {"few": few, "steps": steps, "runs": runs}
        json.write_text(json_format.dumps(text, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
