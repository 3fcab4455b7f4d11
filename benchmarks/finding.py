"""Whether all objects of a kind are found from a few of them.

One section of a stack is known: all of its objects, or ten. Objects are looked for in
all other sections, and compared with the true ones: one is found if its intersection
over union with a proposal is above one half. Then a further section is reviewed by a
simulated user, who accepts what is right, rejects what is wrong and clicks what is
missing, and the others are searched once more. Printed are recall, precision and F1 of
all sections together, and CPU seconds.

    python -m benchmarks.finding --stack cdeep3m_mito.npz --known 7 --reviewed 8 \
        --json RESULT.json

Without a stack there is a generated one.
"""

from __future__ import annotations

import json as json_format
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from napari_segnext.evaluation.clicker import ClickRobot
from napari_segnext.finding import Example, Finder, Proposal, learn
from napari_segnext.finding.learning import STEPS
from napari_segnext.geometry.frame import BoolArray, Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.shapes import overlap
from napari_segnext.images.volume import Volume
from napari_segnext.predicting.embed import embed_planes
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.prompts import Prompts
from napari_segnext.training.generated import em_stack
from napari_segnext.weights import load_model

# Of an object that is found.
FOUND = 0.5
# What the user who reviews is content with, and the clicks that are given at most.
CONTENT, CLICKS = 0.8, 3
# Of a generated stack.
SEED, SHAPE = 4, (4, 192, 192)

Sections = list[NDArray[np.integer]]


@dataclass
class Count:
    """How many objects were found, proposed in vain, and missed."""

    found: int = 0
    wrong: int = 0
    missed: int = 0
    seconds: float = 0.0
    sections: int = 0

    def summary(self) -> dict[str, Any]:
        """Return the numbers that are written."""
        return {
            "objects": self.found + self.missed,
            "recall": self.found / max(1, self.found + self.missed),
            "precision": self.found / max(1, self.found + self.wrong),
            "F1": 2 * self.found / max(1, 2 * self.found + self.wrong + self.missed),
            "seconds for a section": self.seconds / max(1, self.sections),
        }


def read(path: Path) -> tuple[str, NDArray[Any], Sections]:
    """Read an archive of sections."""
    with np.load(path) as archive:
        names = sorted(n for n in archive.files if n.startswith("image_"))
        image = np.stack([archive[name] for name in names])
        labels = [archive[name.replace("image_", "mask_")] for name in names]
    return path.stem, image, labels


def generated() -> tuple[str, NDArray[Any], Sections]:
    """Return a generated stack."""
    made = em_stack(np.random.default_rng(SEED), SHAPE)
    return "generated", made.image, list(max(made.layers, key=np.max))


def matched(
    proposals: Sequence[Proposal], page: NDArray[np.integer]
) -> tuple[list[int], list[int]]:
    """Return the object that each proposal finds or 0, and objects that none does."""
    found = []
    for each in proposals:
        mask = each.region.pixels
        ids, shared = np.unique(
            page[each.region.extent.slices][mask], return_counts=True
        )
        best = 0
        for number, both in zip(ids.tolist(), shared.tolist(), strict=True):
            union = int(mask.sum()) + int((page == number).sum()) - both
            if number and both > FOUND * union:
                best = number
        found.append(best)
    return found, sorted(set(np.unique(page[page > 0]).tolist()) - set(found))


def search(
    finder: Finder,
    predictor: VolumePredictor,
    sections: Sections,
    indices: Iterable[int],
) -> Count:
    """Look in sections whose embeddings are there, and count."""
    count = Count()
    for index in indices:
        embed_planes(predictor, [Plane(0, index)])
        began = time.process_time()
        proposals = finder.find(Plane(0, index))
        count.seconds += time.process_time() - began
        found, missed = matched(proposals, sections[index])
        count.sections += 1
        count.found += sum(number > 0 for number in found)
        count.wrong += sum(number == 0 for number in found)
        count.missed += len(missed)
    return count


def reviewed(
    finder: Finder, predictor: VolumePredictor, page: NDArray[np.integer], plane: Plane
) -> Example:
    """Return what a user makes of the proposals in a section."""
    proposals = finder.find(plane)
    found, missed = matched(proposals, page)
    pairs = list(zip(proposals, found, strict=True))
    right = [each.region for each, number in pairs if number]
    wrong = [each.region for each, number in pairs if not number]
    clicked = [_clicked(predictor, plane, page == number) for number in missed]
    whole = Extent(0, 0, *page.shape)
    objects = (*right, *(each for each in clicked if each.pixels.size))
    return Example(plane, objects, tuple(wrong), (whole,))


def _clicked(predictor: VolumePredictor, plane: Plane, truth: BoolArray) -> Region:
    robot, mask, found = ClickRobot(truth), np.zeros_like(truth), None
    prompts = Prompts()
    for _ in range(CLICKS):
        click = robot.next_click(mask)
        prompts = prompts.click(click.y, click.x, positive=click.positive)
        found = predictor.predict(plane, prompts, found)
        mask = found.mask
        if overlap(mask, truth) >= CONTENT:
            break
    return Region.of(mask)


def measure(
    predictor: VolumePredictor,
    sections: Sections,
    known: int,
    few: int,
    review: int,
    limit: int | None,
    steps: int,
) -> dict[str, Any]:
    """Learn and search three times; return the numbers."""
    others = [i for i in range(len(sections)) if i not in (known, review)]
    chosen = sorted([*others, review])
    if limit is not None:
        places = np.linspace(0, len(chosen) - 1, min(limit, len(chosen)))
        chosen = [chosen[round(at)] for at in places]
    page = sections[known]
    ids = np.unique(page[page > 0])
    ids = ids[np.linspace(0, len(ids) - 1, min(few, len(ids))).astype(int)]
    whole = Example.of_labels(Plane(0, known), page, complete=True)
    part = Example.of_labels(Plane(0, known), np.where(np.isin(page, ids), page, 0))
    runs = {}

    def run(name: str, examples: list[Example], indices: list[int]) -> Finder:
        began = time.process_time()
        finder = learn(predictor, examples, steps=steps)
        learned = time.process_time() - began
        count = search(finder, predictor, sections, indices)
        runs[name] = {**count.summary(), "seconds to learn": learned}
        return finder

    finder = run("a whole section", [whole], chosen)
    run(f"{len(ids)} objects", [part], chosen)
    more = reviewed(finder, predictor, sections[review], Plane(0, review))
    run("after a review", [whole, more], [i for i in chosen if i != review])
    return runs


def show(name: str, runs: dict[str, dict[str, Any]]) -> None:
    """Print the numbers, a column a run."""
    table = Table("", *runs, title=name)
    for what in next(iter(runs.values())):
        values = (run[what] for run in runs.values())
        table.add_row(what, *(f"{v:.3f}" if v < 1 else f"{v:.4g}" for v in values))
    Console().print(table)


def main(
    stack: Annotated[Path | None, typer.Option(help="An archive of sections.")] = None,
    known: Annotated[int, typer.Option(help="The section that is known.")] = 0,
    few: Annotated[int, typer.Option(help="Objects of it that are few.")] = 10,
    review: Annotated[
        int, typer.Option("--reviewed", help="The section that is reviewed.")
    ] = 1,
    limit: Annotated[int | None, typer.Option(help="Sections, at most.")] = None,
    steps: Annotated[int, typer.Option(help="Of the training.")] = STEPS,
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
) -> None:
    """Measure, print a table, and write the numbers."""
    name, image, sections = generated() if stack is None else read(stack)
    channel = 3 if image.ndim == 4 else None
    predictor = VolumePredictor(load_model("tiny"), Volume(image, channel=channel))
    runs = measure(predictor, sections, known, few, review, limit, steps)
    show(name, runs)
    if json is not None:
        text = {"stack": name, "known": known, "reviewed": review, "runs": runs}
        json.write_text(json_format.dumps(text, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
