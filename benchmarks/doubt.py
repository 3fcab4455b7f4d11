"""Whether what is wrong in labels comes first in the list of what is to be checked.

A share of the sections of objects is damaged, in turn eroded, shifted, merged with the
nearest other object (which is then missing there) and dropped. The labels become a
session's, every section is compared with the image, and the sections are ranked.
Printed are the share of the damaged that the first part of the list holds, by kind, and
CPU seconds for 1,000 sections, with and without embedding.

    python -m benchmarks.doubt --stack cdeep3m_mito.npz --seeds 3 --json RESULT.json

Without a stack there is a generated one.
"""

from __future__ import annotations

import json as json_format
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from benchmarks.steps import STACK, Object, Series, generated_series, stack
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import ndimage

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.plane import Plane
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.propagation.comparing import Comparison
from napari_segnext.propagation.survey import Shown, Survey
from napari_segnext.session import ArrayLabels, Session
from napari_segnext.session.doubt import LEAST_DOUBT, Doubt
from napari_segnext.weights import load_model

# Of the sections: those that are damaged, and the first part of the list.
SHARE = 0.2
ERODED, SHIFTED, MERGED, DROPPED = KINDS = "eroded", "shifted", "merged", "dropped"
# How deep an object is eroded, as a share of its depth, and how far it is shifted, in
# radii: from, to.
DEPTH, FAR = (0.25, 0.5), (0.4, 0.8)

Damaged = dict[tuple[int, int], str]


def damage(series: Series, seed: int) -> tuple[NDArray[np.uint16], Damaged]:
    """Return labels of which a share is damaged, and how, by object and section."""
    rng = np.random.default_rng(seed)
    masks = {n: dict(each.masks) for n, each in enumerate(series.objects, 1)}
    sections = [(n, index) for n, each in masks.items() for index in each]
    most, kinds, damaged = SHARE * len(sections), cycle(KINDS), Damaged()
    for at in rng.permutation(len(sections)):
        number, index = sections[at]
        if len(damaged) >= most or (number, index) in damaged:
            continue
        kind = next(kinds)
        mask = masks[number].pop(index)
        if kind == MERGED:
            other = _nearest(mask, index, masks)
            if other is not None:
                mask = mask | masks[other].pop(index)
                damaged[other, index] = DROPPED
        if kind != DROPPED:
            masks[number][index] = _changed(mask, kind, rng)
        damaged[number, index] = kind
    shape = series.volume.shape[:3]
    labels = np.zeros(shape, np.uint16)
    for number, each in masks.items():
        for index, mask in each.items():
            labels[index][mask] = number
    return labels, damaged


def _nearest(
    mask: BoolArray, index: int, masks: dict[int, dict[int, BoolArray]]
) -> int | None:
    far = ndimage.distance_transform_edt(~mask)
    gaps = {n: far[each[index]].min() for n, each in masks.items() if index in each}
    return min(gaps, key=lambda n: gaps[n], default=None)


def _changed(mask: BoolArray, kind: str, rng: np.random.Generator) -> BoolArray:
    if kind == ERODED:
        depth = ndimage.distance_transform_edt(mask)
        return np.asarray(depth > rng.uniform(*DEPTH) * depth.max())
    if kind == SHIFTED:
        far = rng.uniform(*FAR) * np.sqrt(mask.sum() / np.pi)
        angle = rng.uniform(0, 2 * np.pi)
        step = far * np.sin(angle), far * np.cos(angle)
        return np.asarray(ndimage.shift(mask.astype(np.uint8), step, order=0) > 0)
    return mask


def compare(
    predictor: VolumePredictor, labels: NDArray[np.uint16]
) -> tuple[dict[tuple[int, int], Doubt], dict[str, float]]:
    """Return the doubts by object and section, and CPU seconds."""
    session, told = Session(ArrayLabels(labels)), dict[str, float]()
    began = time.process_time()
    sections = list(_sections(session))
    told["survey"] = time.process_time() - began
    comparison, found = Comparison(predictor), {}
    for what in ("embedding and comparing", "comparing"):
        began = time.process_time()
        for shown, doubt in comparison.doubts(sections):
            found[shown.object_id, shown.plane.index] = doubt
        told[what] = time.process_time() - began
    return found, {what: 1000 * s / len(sections) for what, s in told.items()}


def _sections(session: Session) -> Iterator[Shown]:
    for piece in Survey(session, Plane(0, 0)).pieces():
        yield from piece


def measure(series: Series, predictor: VolumePredictor, seed: int) -> dict[str, Any]:
    """Damage, compare and rank; return the numbers."""
    labels, damaged = damage(series, seed)
    doubts, seconds = compare(predictor, labels)
    sections = sum(len(each.masks) for each in series.objects)
    ranked = sorted(doubts, key=lambda at: -doubts[at].degree)
    first = set(ranked[: round(SHARE * sections)])
    held, every = Counter(damaged[at] for at in first & damaged.keys()), Counter()
    every.update(damaged.values())
    listed = {at for at, doubt in doubts.items() if doubt.degree >= LEAST_DOUBT}
    return {
        "sections": sections,
        "compared": len(doubts),
        "damaged": len(damaged),
        "held": sum(held.values()) / len(damaged),
        "held by kind": {kind: held[kind] / every[kind] for kind in sorted(every)},
        "listed": len(listed),
        "damaged and listed": len(listed & damaged.keys()),
        "seconds for 1,000": seconds,
    }


def show(name: str, runs: list[dict[str, Any]]) -> None:
    """Print the numbers, a column a run."""
    table = Table("", *map(str, range(len(runs))), title=name)
    for what in ("sections", "compared", "damaged", "listed", "damaged and listed"):
        table.add_row(what, *(str(run[what]) for run in runs))
    held = f"held by the first {SHARE:.0%} of the list"
    table.add_row(held, *(f"{run['held']:.3f}" for run in runs))
    for kind in KINDS:
        shares = (run["held by kind"].get(kind) for run in runs)
        table.add_row(f"of {kind}", *("–" if s is None else f"{s:.2f}" for s in shares))
    for what in runs[0]["seconds for 1,000"]:
        seconds = (run["seconds for 1,000"][what] for run in runs)
        table.add_row(f"s for 1,000: {what}", *(f"{value:.1f}" for value in seconds))
    Console().print(table)


def main(
    stack_file: Annotated[
        Path | None, typer.Option("--stack", help="An archive of sections.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Damaged so often.")] = 1,
    limit: Annotated[int | None, typer.Option(help="Objects, at most.")] = None,
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
) -> None:
    """Measure, print a table, and write the numbers."""
    made = (each for each in generated_series(1, STACK))
    series = next(made) if stack_file is None else stack(stack_file)
    objects: list[Object] = series.objects[:limit]
    series = Series(series.name, series.volume, series.axis, objects)
    model, runs = load_model("tiny"), []
    for seed in range(seeds):
        predictor = VolumePredictor(model, series.volume)
        runs.append(measure(series, predictor, seed))
    show(series.name, runs)
    if json is not None:
        text = {"series": series.name, "share": SHARE, "runs": runs}
        json.write_text(json_format.dumps(text, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
