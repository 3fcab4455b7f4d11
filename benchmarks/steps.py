"""The step from plane to plane: an object followed from one true mask.

Each object begins with its true mask in the plane where it is largest. From there it is
followed both ways: by copying the mask, by moving it as the pixels around it have moved
(phase correlation, optical flow), by the model with the mask of the plane before (as it
is and moved, alone and with clicks deep inside it), and by propagation. Printed are the
mean IoU at distance 1, 2, 3, ... and, for propagation, sections of objects that were
not found, sections beyond their ends, how often a confidence above 0.9 stands for an
IoU above 0.7, how many of the planes that are not right are to check, and CPU seconds
for a plane.

    python -m benchmarks.steps --stack cdeep3m_mito.npz --stack isbi2012_cells.npz \
        --volume FLAIR.nii.gz TRUTH.nii.gz --generated 3 --json RESULT.json

A stack is an archive of sections, ``image_NNNN`` and ``mask_NNNN``, whose instances are
linked where they overlap; objects that branch, or that are not in one piece in every
section, are left out. A volume is followed along all three axes.
"""

from __future__ import annotations

import json as json_format
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import ndimage
from skimage.registration import optical_flow_ilk, phase_cross_correlation

from napari_segnext.files import read_image
from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.geometry.shapes import around, guide, inner_clicks, overlap
from napari_segnext.images.volume import Volume
from napari_segnext.predicting.prediction import Prediction
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.prompts import Prompts
from napari_segnext.propagation import Annotated as Decided
from napari_segnext.propagation import propagate, reweighed, to_check
from napari_segnext.training.generated import em_stack, mri_stack
from napari_segnext.weights import load_model

DISTANCES = (1, 2, 3, 4)
CONFIDENT, RIGHT = 0.9, 0.7
# Sections in which an object is to be seen, at least.
SHORTEST = 3
# Of two instances in neighbouring sections that are one: the least part of the smaller.
LINKED = 0.1
# Pixels around an object in which motion is looked for.
MARGIN = 40
SEEDS, STACK = (4, 5, 6), (20, 256, 256)
# Of a generated object, in its largest section.
SMALLEST = 60

_CONNECTED = np.ones((3, 3), bool)

# From a mask in a plane to one in the next.
Step: TypeAlias = Callable[[VolumePredictor, Plane, Plane, BoolArray], BoolArray]


@dataclass(frozen=True)
class Object:
    """The true masks of an object, by the index of the plane."""

    masks: Mapping[int, BoolArray]

    @property
    def start(self) -> int:
        """Return where it is largest."""
        return max(self.masks, key=lambda index: int(self.masks[index].sum()))


@dataclass(frozen=True)
class Series:
    """A volume, the axis to go along, and objects in it."""

    name: str
    volume: Volume
    axis: int
    objects: list[Object]


@dataclass
class Outcome:
    """What was measured of a series."""

    iou: dict[str, dict[int, list[float]]] = field(default_factory=dict)
    planes: int = 0
    missed: int = 0
    beyond: int = 0
    confidences: list[tuple[float, float]] = field(default_factory=list)
    wrong: int = 0
    to_check: int = 0
    wrong_to_check: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, way: str, distance: int, iou: float) -> None:
        """Note how well a way did, if it is near enough to be of interest."""
        if distance in DISTANCES:
            self.iou.setdefault(way, {}).setdefault(distance, []).append(iou)

    def summary(self) -> dict[str, Any]:
        """Return the numbers that are written."""
        sure = [iou for confidence, iou in self.confidences if confidence > CONFIDENT]
        return {
            "iou": {
                way: {
                    str(d): float(np.mean(values)) for d, values in sorted(row.items())
                }
                for way, row in self.iou.items()
            },
            "planes": self.planes,
            "missed": self.missed,
            "beyond": self.beyond,
            "confident": len(sure),
            "confident_right": float(np.mean(np.array(sure) > RIGHT)) if sure else None,
            "wrong": self.wrong,
            "to_check": self.to_check,
            "wrong_to_check": self.wrong_to_check,
            "seconds_per_plane": float(np.mean(self.seconds)) if self.seconds else None,
        }


def stack(path: Path) -> Series:
    """Read an archive of sections, and link its instances."""
    with np.load(path) as archive:
        names = sorted(n for n in archive.files if n.startswith("image_"))
        image = np.stack([archive[name] for name in names])
        labels = [archive[name.replace("image_", "mask_")] for name in names]
    objects = linked([np.asarray(each, np.int64) for each in labels])
    channel = 3 if image.ndim == 4 else None
    return Series(path.stem, Volume(image, channel=channel), 0, objects)


def linked(sections: list[NDArray[np.int64]]) -> list[Object]:
    """Follow instances that have one partner, or none, in each neighbouring section."""
    following = [_partners(a, b) for a, b in pairwise(sections)]
    before = [{b for bs in pairs.values() for b in bs} for pairs in following]
    objects = []
    for first, section in enumerate(sections):
        for number in np.unique(section[section > 0]).tolist():
            if first and number in before[first - 1]:
                continue
            chain, index, current = {first: number}, first, number
            single = True
            while index < len(following) and following[index].get(current):
                partners = following[index][current]
                ways = sum(partners[0] in bs for bs in following[index].values())
                single &= len(partners) == 1 and ways == 1
                index, current = index + 1, partners[0]
                chain[index] = current
            masks = {i: sections[i] == n for i, n in chain.items()}
            pieces = [ndimage.label(mask, _CONNECTED)[1] for mask in masks.values()]
            if single and len(masks) >= SHORTEST and max(pieces) == 1:
                objects.append(Object(masks))
    return objects


def _partners(one: NDArray[np.int64], other: NDArray[np.int64]) -> dict[int, list[int]]:
    """Return for each instance those of the next section that it overlaps."""
    areas, others = np.bincount(one.ravel()), np.bincount(other.ravel())
    both = (one > 0) & (other > 0)
    pairs, counts = np.unique(
        np.stack([one[both], other[both]]), axis=1, return_counts=True
    )
    found: dict[int, list[int]] = {}
    for (a, b), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
        if count >= LINKED * min(areas[a], others[b]):
            found.setdefault(a, []).append(b)
    return found


def volume_series(image: Path, truth: Path) -> Iterator[Series]:
    """Yield a file along each axis; all that is not 0 in its truth is one object."""
    file, goal = read_image(image), np.asarray(read_image(truth).data) > 0
    volume = Volume(file.data, spatial=file.spatial, channel=file.channel)
    for axis in range(3):
        planes = np.moveaxis(goal, axis, 0)
        shown = np.flatnonzero(planes.any((1, 2))).tolist()
        goals = Object({index: planes[index] for index in shown})
        yield Series(f"{image.name}, axis {axis}", volume, axis, [goals])


def generated_series(count: int, shape: tuple[int, int, int]) -> Iterator[Series]:
    """Yield generated stacks with objects that are in one piece in each section."""
    for name, draw in (("em", em_stack), ("mri", mri_stack)):
        for seed in SEEDS[:count]:
            drawn = draw(np.random.default_rng(seed), shape)
            objects = []
            for layer in drawn.layers:
                for number in np.unique(layer[layer > 0]).tolist():
                    mask = layer == number
                    if mask.sum((1, 2)).max() < SMALLEST:
                        continue
                    pieces = [ndimage.label(m, _CONNECTED)[1] for m in mask]
                    shown = np.flatnonzero(pieces)
                    if len(shown) < SHORTEST or np.ptp(shown) >= len(shown):
                        continue
                    if max(pieces) == 1:
                        objects.append(Object({i: mask[i] for i in shown.tolist()}))
            yield Series(f"generated {name} {seed}", Volume(drawn.image), 0, objects)


def copy(_: VolumePredictor, before: Plane, now: Plane, mask: BoolArray) -> BoolArray:
    """Say that nothing has changed."""
    return mask


def matched(
    predictor: VolumePredictor, before: Plane, now: Plane, mask: BoolArray
) -> BoolArray:
    """Move the mask as the pixels around it have."""
    part = around(mask, MARGIN)
    first, second = (_pixels(predictor, p, part).mean(-1) for p in (before, now))
    move, _, _ = phase_cross_correlation(second, first)
    moved = np.zeros_like(mask)
    moved[part] = ndimage.shift(mask[part], move, order=0)
    return moved


def flowed(
    predictor: VolumePredictor, before: Plane, now: Plane, mask: BoolArray
) -> BoolArray:
    """Deform the mask by optical flow."""
    part = around(mask, MARGIN)
    first, second = (_pixels(predictor, p, part).mean(-1) for p in (before, now))
    # From the new plane back to the old one, so that each pixel is looked up.
    flow = optical_flow_ilk(second, first, radius=9)
    place = np.indices(first.shape) + flow
    found = np.zeros_like(mask)
    found[part] = (
        ndimage.map_coordinates(mask[part].astype(float), place, order=1) > 0.5
    )
    return found


def decoded(
    predictor: VolumePredictor,
    before: Plane,
    now: Plane,
    mask: BoolArray,
    move: Step = copy,
    clicks: bool = False,
) -> BoolArray:
    """Let the model decode from the mask, moved before, perhaps with clicks in it."""
    mask = move(predictor, before, now, mask)
    if not mask.any():
        return mask
    # The mask is answered already: what is drawn of it is the softer guide.
    prompts = Prompts().mask(mask)
    previous = Prediction.from_probability(guide(mask), prompts)
    for y, x in inner_clicks(mask) if clicks else ():
        prompts = prompts.click(y, x)
    return predictor.predict(now, prompts, previous).mask


def _pixels(at: VolumePredictor, plane: Plane, part: tuple[slice, slice]) -> FloatArray:
    return at.window.apply(at.volume.read(plane, part))


STEPS: dict[str, Step] = {
    "copied": copy,
    "matched": matched,
    "flowed": flowed,
    "decoded": decoded,
    "decoded, clicks": partial(decoded, clicks=True),
    "matched, decoded": partial(decoded, move=matched),
    "flowed, decoded": partial(decoded, move=flowed),
    "flowed, decoded, clicks": partial(decoded, move=flowed, clicks=True),
}


def follow(
    series: Series, thing: Object, predictor: VolumePredictor, outcome: Outcome
) -> None:
    """Take steps from the largest section, as far as there are distances."""
    for way, step in STEPS.items():
        for direction in (1, -1):
            mask, before = thing.masks[thing.start], Plane(series.axis, thing.start)
            for distance in DISTANCES:
                now = Plane(series.axis, thing.start + direction * distance)
                if now.index not in thing.masks:
                    break
                if mask.any():
                    mask = step(predictor, before, now, mask)
                outcome.add(way, distance, overlap(mask, thing.masks[now.index]))
                before = now


def spread(
    series: Series, thing: Object, predictor: VolumePredictor, outcome: Outcome
) -> None:
    """Propagate from the largest section to the ends."""
    start = Plane(series.axis, thing.start)
    known = {start: Decided(thing.masks[thing.start])}
    began = time.process_time()
    way = list(propagate(predictor, known, series.axis))
    found = {r.plane.index: r for r in reweighed(predictor, known, way)}
    outcome.seconds.append((time.process_time() - began) / max(1, len(found)))
    for index, goal in thing.masks.items():
        if index == thing.start:
            continue
        outcome.planes += 1
        result = found.get(index)
        iou = 0.0 if result is None else overlap(result.mask, goal)
        outcome.missed += iou == 0
        outcome.add("propagated", abs(index - thing.start), iou)
        if result is not None:
            outcome.confidences.append((result.confidence, iou))
    beyond = [r for index, r in found.items() if index not in thing.masks]
    outcome.beyond += len(beyond)
    outcome.confidences += [(r.confidence, 0.0) for r in beyond]
    wrong = {
        index
        for index, result in found.items()
        if index not in thing.masks or overlap(result.mask, thing.masks[index]) <= RIGHT
    }
    told = to_check({r.plane: r.confidence for r in found.values()})
    outcome.wrong += len(wrong)
    outcome.to_check += len(told)
    outcome.wrong_to_check += len(wrong & {plane.index for plane in told})


def evenly(objects: list[Object], limit: int | None) -> list[Object]:
    """Return at most so many objects, spread over the list."""
    if limit is None or len(objects) <= limit:
        return objects
    return [objects[i] for i in np.linspace(0, len(objects) - 1, limit).astype(int)]


def show(name: str, count: int, summary: Mapping[str, Any]) -> None:
    """Print the numbers of a series."""
    table = Table("IoU at distance", *map(str, DISTANCES), title=f"{name}: {count}")
    for way, row in summary["iou"].items():
        cells = (row.get(str(d)) for d in DISTANCES)
        table.add_row(way, *("–" if v is None else f"{v:.3f}" for v in cells))
    console = Console()
    console.print(table)
    right, seconds = summary["confident_right"], summary["seconds_per_plane"]
    console.print(
        f"of {summary['planes']} sections {summary['missed']} missed, "
        f"{summary['beyond']} beyond the end; of {summary['confident']} that are "
        f"confident {'–' if right is None else f'{right:.0%}'} right; of "
        f"{summary['wrong']} wrong ones {summary['wrong_to_check']} to check, among "
        f"{summary['to_check']}; "
        f"{'–' if seconds is None else f'{seconds:.3f}'} s a plane"
    )


def main(
    stack_files: Annotated[
        list[Path] | None, typer.Option("--stack", help="An archive of sections.")
    ] = None,
    volume: Annotated[
        tuple[Path, Path] | None, typer.Option(help="An image and its truth.")
    ] = None,
    generated: Annotated[
        int, typer.Option(min=0, max=len(SEEDS), help="Generated stacks of each kind.")
    ] = 0,
    size: Annotated[int, typer.Option(help="Side of a generated stack.")] = STACK[1],
    model: Annotated[str, typer.Option(help="Name or file.")] = "tiny",
    limit: Annotated[int | None, typer.Option(help="Objects of a series.")] = None,
    ways: Annotated[bool, typer.Option(help="Whether to compare steps.")] = True,
    propagation: Annotated[bool, typer.Option(help="Whether to propagate.")] = True,
    device: Annotated[str, typer.Option(help="For the model.")] = "auto",
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
) -> None:
    every = [stack(path) for path in stack_files or ()]
    every += volume_series(*volume) if volume else ()
    every += generated_series(generated, (STACK[0], size, size))
    if not every:
        raise typer.BadParameter("give --stack, --volume or --generated")
    loaded, numbers = load_model(model, device), {}
    for series in every:
        predictor, outcome = VolumePredictor(loaded, series.volume), Outcome()
        objects = evenly(series.objects, limit)
        for thing in objects:
            if ways:
                follow(series, thing, predictor, outcome)
            if propagation:
                spread(series, thing, predictor, outcome)
        numbers[series.name] = {"objects": len(objects), **outcome.summary()}
        show(series.name, len(objects), numbers[series.name])
    if json is not None:
        text = {"model": model, "series": numbers}
        json.write_text(json_format.dumps(text, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
