"""A whole 3-D object from prompts on at most three slices.

The click robot of the papers' protocol works as a user would: it clicks in the slice
with the largest section of the object until that is right or enough clicks are given,
and lets the object be propagated. Then it does the same half-way from there to the
farther end of the object, and then to the nearer one. Compared are the 3-D Dice of the
slices with prompts alone, of shapes interpolated between them, and of propagation; and,
for each slice, the overlap of what was propagated with the truth.

    python -m benchmarks.propagation IMAGE.nii.gz TRUTH.nii.gz --json RESULT.json

Without files, objects in generated EM stacks are followed, among them mitochondria; or
those of archives of sections, as `benchmarks.steps` reads them:

    python -m benchmarks.propagation --generated em
    python -m benchmarks.propagation --stack cdeep3m_mito.npz --clicks 3

With ``--given middle`` each object of an archive begins with its true mask in its
middle section, as others publish it: of the objects found, the segmentation accuracy
TP / (TP + FP + FN) at an IoU of 0.5, and its mean over 0.5, 0.55, ..., 0.95.
"""

from __future__ import annotations

import json as json_format
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from benchmarks.steps import stack as read_stack
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from napari_segnext.commands.segment import answer
from napari_segnext.evaluation.clicker import ClickRobot
from napari_segnext.evaluation.metrics import iou
from napari_segnext.files import read_image, write_labels
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.shapes import between, overlap
from napari_segnext.images.volume import Volume
from napari_segnext.predicting.image_model import ImageModel
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.prompts import Prompts
from napari_segnext.propagation import to_check
from napari_segnext.propagation.whole_object import complete
from napari_segnext.session import ArrayLabels, Session
from napari_segnext.training.generated import em_stack
from napari_segnext.weights import load_model

# Of the generated stacks; objects in them do not touch the sides, and are that long.
SEEDS = (4, 5, 6, 7)
STACK = (20, 256, 256)
SECTIONS = 10


@dataclass(frozen=True)
class Case:
    """A volume and an object in it: a mask of its spatial shape."""

    name: str
    volume: Volume
    goal: NDArray[np.bool_]


def generated_cases() -> Iterator[Case]:
    """Yield the largest mitochondrion and the largest cell of each stack."""
    for seed in SEEDS:
        drawn = em_stack(np.random.default_rng(seed), STACK)
        volume, largest = Volume(drawn.image), dict[str, NDArray[np.bool_]]()
        for layer in drawn.layers:
            sides = np.unique([layer[:, [0, -1]], layer[:, :, [0, -1]].swapaxes(1, 2)])
            for number in np.setdiff1d(layer, [0, *sides]).tolist():
                kind, mask = drawn.kinds[number], layer == number
                if np.count_nonzero(mask.any((1, 2))) < SECTIONS:
                    continue
                if kind not in largest or widest(mask) > widest(largest[kind]):
                    largest[kind] = mask
        for kind in ("mitochondrion", "cell"):
            if kind in largest:
                yield Case(f"{kind}, stack {seed}", volume, largest[kind])


def stack_cases(path: Path) -> Iterator[Case]:
    """Yield the objects of an archive of sections."""
    series = read_stack(path)
    for number, each in enumerate(series.objects, 1):
        goal = np.zeros(series.volume.shape, bool)
        for index, mask in each.masks.items():
            goal[index] = mask
        yield Case(f"{series.name} {number}", series.volume, goal)


def widest(mask: NDArray[np.bool_]) -> int:
    """Return the area of the largest section."""
    return int(mask.sum((1, 2)).max())


def dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    both = int(np.count_nonzero(found & truth))
    return 2 * both / (int(np.count_nonzero(found)) + int(np.count_nonzero(truth)))


def click(
    session: Session,
    model: ImageModel,
    plane: Plane,
    truth: NDArray[np.bool_],
    most: int,
    enough: float,
) -> int:
    """Click in a plane until its IoU is enough; return how often."""
    robot, target = ClickRobot(truth.astype(np.int8)), truth.astype(np.int8)
    prompts = session.objects[1].prompts.get(plane, Prompts())
    for given in range(most):
        mask = session.labels.read(plane) == 1
        if iou(target, mask) >= enough:
            return given
        next_one = robot.next_click(mask)
        prompts = prompts.click(next_one.y, next_one.x, next_one.positive)
        request = session.set_prompts(plane, prompts, 1)
        assert request is not None
        answer(session, model, request)
    return most


def interpolated(
    labels: NDArray[np.int32], planes: list[Plane], axis: int
) -> NDArray[np.bool_]:
    """Fill the planes between those with prompts by their shapes alone."""
    found = np.zeros(labels.shape, bool)
    source, target = np.moveaxis(labels == 1, axis, 0), np.moveaxis(found, axis, 0)
    indices = sorted(p.index for p in planes if source[p.index].any())
    for index in indices:
        target[index] = source[index]
    for low, high in pairwise(indices):
        weights = [n / (high - low) for n in range(1, high - low)]
        shapes = between(source[low], source[high], weights)
        for index, shape in enumerate(shapes, low + 1):
            target[index] = shape > 0
    return found


def slices_to_prompt(areas: NDArray[np.integer[Any]]) -> list[int]:
    """Return the largest section and those half-way to its ends, the farther first."""
    shown, largest = np.flatnonzero(areas), int(areas.argmax())
    ends = sorted((int(shown[0]), int(shown[-1])), key=lambda end: -abs(end - largest))
    return list(dict.fromkeys([largest, *((largest + end) // 2 for end in ends)]))


def measure(
    case: Case,
    predictor: VolumePredictor,
    axis: int = 0,
    clicks: int = 5,
    enough: float = 0.9,
) -> tuple[list[dict[str, Any]], NDArray[np.int32]]:
    """Follow an object from one, two and three slices; return numbers and labels."""
    goal, planes_of_goal = case.goal, np.moveaxis(case.goal, axis, 0)
    at_work = ImageModel(predictor)
    labels = np.zeros(goal.shape, np.int32)
    session = Session(ArrayLabels(labels), blank=True)
    session.new_object()
    rows, given, asked = [], 0, list[Plane]()
    for index in slices_to_prompt(planes_of_goal.sum((1, 2))):
        plane = Plane(axis, index)
        asked.append(plane)
        given += click(session, at_work, plane, planes_of_goal[index], clicks, enough)
        started = time.perf_counter()
        results = complete(session, predictor, 1, axis)
        seconds = time.perf_counter() - started
        alone = np.zeros_like(goal)
        for each in asked:
            np.moveaxis(alone, axis, 0)[each.index] = session.labels.read(each) == 1
        found = labels == 1
        rows.append(
            {
                "slices": [each.index for each in asked],
                "prompts": given,
                "dice_slices_alone": dice(alone, goal),
                "dice_interpolated": dice(interpolated(labels, asked, axis), goal),
                "dice_propagated": dice(found, goal),
                "planes_propagated": len(results),
                "planes_of_object": int(planes_of_goal.any((1, 2)).sum()),
                "to_check": [
                    each.index
                    for each in to_check({r.plane: r.confidence for r in results})
                ],
                "iou": {
                    index: round(float(overlap(now, wanted)), 3)
                    for index, (now, wanted) in enumerate(
                        zip(np.moveaxis(found, axis, 0), planes_of_goal, strict=True)
                    )
                    if wanted.any() or now.any()
                },
                "seconds": seconds,
            }
        )
    return rows, labels


def followed_from_middle(case: Case, predictor: VolumePredictor) -> NDArray[np.bool_]:
    """Follow an object from its true mask in its middle section."""
    labels = np.zeros(case.goal.shape, np.int32)
    session = Session(ArrayLabels(labels), blank=True)
    session.new_object()
    shown = np.flatnonzero(case.goal.any((1, 2)))
    plane = Plane(0, int(shown[len(shown) // 2]))
    request = session.set_prompts(plane, Prompts().mask(case.goal[plane.index]), 1)
    assert request is not None
    answer(session, ImageModel(predictor), request)
    complete(session, predictor, 1, 0)
    return labels == 1


def accuracy(ious: list[float]) -> dict[str, float]:
    """Return what others publish of objects that were each followed from a true mask.

    One that is not found well enough counts as missed and as false.
    """
    at = {}
    for threshold in np.arange(0.5, 1, 0.05):
        right = sum(value >= threshold for value in ious)
        at[round(float(threshold), 2)] = right / (2 * len(ious) - right)
    return {"mSA": float(np.mean(list(at.values()))), "SA50": at[0.5]}


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """Print the numbers of an object."""
    table = Table(
        "Slices", "Prompts", "Alone", "Interpolated", "Propagated", "s", title=title
    )
    for row in rows:
        table.add_row(
            ", ".join(map(str, row["slices"])),
            str(row["prompts"]),
            *(f"{row[f'dice_{k}']:.3f}" for k in ("slices_alone", "interpolated")),
            f"{row['dice_propagated']:.3f}",
            f"{row['seconds']:.1f}",
        )
    Console().print(table)


def cases_of(
    image: Path | None,
    truth: Path | None,
    generated: str | None,
    stacks: list[Path],
    value: list[int] | None,
) -> list[Case]:
    if generated:
        return list(generated_cases())
    if stacks:
        return [case for path in stacks for case in stack_cases(path)]
    if image is None or truth is None:
        raise typer.BadParameter("give an image and its truth, --stack or --generated")
    file, labelled = read_image(image), np.asarray(read_image(truth).data)
    goal = np.isin(labelled, value) if value else labelled > 0
    volume = Volume(file.data, spatial=file.spatial, channel=file.channel)
    return [Case(image.name, volume, goal)]


def main(
    image: Annotated[Path | None, typer.Argument()] = None,
    truth: Annotated[Path | None, typer.Argument(help="Labels.")] = None,
    generated: Annotated[
        Literal["em"] | None, typer.Option(help="Instead of files.")
    ] = None,
    stack: Annotated[list[Path] | None, typer.Option(help="Archive.")] = None,
    given: Annotated[
        Literal["clicks", "middle"], typer.Option(help="What an object begins with.")
    ] = "clicks",
    value: Annotated[
        list[int] | None, typer.Option(help="Of the object; default: all but 0.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the labels go.")] = None,
    model: Annotated[str, typer.Option(help="Name or file.")] = "tiny",
    axis: Annotated[int, typer.Option(min=0, max=2)] = 0,
    clicks: Annotated[int, typer.Option(help="In a slice, at most.")] = 5,
    enough: Annotated[float, typer.Option(help="IoU at which clicking ends.")] = 0.9,
    device: Annotated[str, typer.Option(help="For the model.")] = "auto",
) -> None:
    cases = cases_of(image, truth, generated, stack or [], value)
    loaded, numbers = load_model(model, device), dict[str, Any]()
    predictors = {c.volume: VolumePredictor(loaded, c.volume) for c in cases}
    if given == "middle":
        for case in cases:
            found = followed_from_middle(case, predictors[case.volume])
            numbers[case.name] = float(overlap(found, case.goal))
        for name, value_of in (means := accuracy(list(numbers.values()))).items():
            print(f"{name} of {len(cases)} objects: {value_of:.3f}")
        numbers |= means
    else:
        for case in cases:
            predictor = predictors[case.volume]
            numbers[case.name], labels = measure(case, predictor, axis, clicks, enough)
            show(case.name, numbers[case.name])
            if out is not None and image is not None:
                write_labels(out, labels, read_image(image).geometry)
        for rank in range(3 if len(cases) > 1 else 0):
            # An object whose largest section is at its end has less than three slices.
            dices = [
                rows[min(rank, len(rows) - 1)]["dice_propagated"]
                for rows in numbers.values()
            ]
            print(f"mean Dice from {rank + 1} slices: {np.mean(dices):.3f}")
    if json is not None:
        text = {"model": model, "rows": numbers}
        json.write_text(json_format.dumps(text, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
