"""Compare sources of order by how well they tell an object from its surroundings.

The first click of the evaluation's robot is put on each object. In the tile that
`ois-tiny` would look at, the order map of that click should be low on the object and
high elsewhere: the area under the ROC curve says how often it is (0.5 is chance). No
trained model is needed. ``plane`` is the distance in the plane, which knows nothing of
the image: what a source is worth is what it has above that. ``near`` counts only
background that is no farther from the click than the farthest part of the object.

    python -m benchmarks.order_sources --validation SET.npz [--validation ...]
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import rankdata
from torch import Tensor

from napari_segnext.evaluation import load_dataset, select_objects
from napari_segnext.evaluation.clicker import ClickRobot
from napari_segnext.evaluation.sample import Sample, object_truth
from napari_segnext.images.intensity import channels_last, robust_window
from napari_segnext.models.research.ois.order import (
    denoised_intensity,
    geodesic_maps,
    order_maps,
)
from napari_segnext.predicting.tiles import TilePyramid
from napari_segnext.training.recipes import RECIPES

SOURCES = ("plane", "intensity", "geodesic")
_CONFIG = RECIPES["ois-tiny"].config
_GRID = _CONFIG.size // 8


def area_under_curve(low: NDArray[np.float32], high: NDArray[np.float32]) -> float:
    """Return how often a value of `low` is below one of `high`; ties are half."""
    ranks = rankdata(np.concatenate([high, low]))[: len(high)]
    wins = ranks.sum() - len(high) * (len(high) + 1) / 2
    return float(wins / (len(high) * len(low)))


def maps(image: Tensor, point: Tensor) -> dict[str, NDArray[np.float32]]:
    """Return the (G, G) order map of each source for one positive click."""
    scale = denoised_intensity(image, _GRID)
    sign = torch.ones(1, 1)
    found = {
        "plane": geodesic_maps(torch.zeros_like(scale), point, sign, _GRID),
        "intensity": order_maps(scale, point, sign, _GRID),
        "geodesic": geodesic_maps(scale, point, sign, _GRID),
    }
    return {name: each[0, 0].numpy() for name, each in found.items()}


def scores(sample: Sample, number: int) -> dict[str, tuple[float, float]] | None:
    """Return whole and near area of each source; None if no cell is all object."""
    image, truth = channels_last(sample.image()), object_truth(sample.labels(), number)
    click = ClickRobot(truth).next_click(np.zeros(truth.shape, bool))
    height, width = truth.shape
    pyramid = TilePyramid((height, width), _CONFIG)
    bounds = (float(click.y), float(click.x), click.y + 1.0, click.x + 1.0)
    frame = pyramid.frame(pyramid.choose(bounds, pyramid.first_level()))
    windowed = robust_window(image, _CONFIG.window).apply(image)
    pixels = torch.from_numpy(frame.crop(windowed, antialias=True))
    point = torch.from_numpy(frame.to_model([(click.y, click.x)]) / frame.size)
    found = maps(pixels.permute(2, 0, 1)[None], point[None])
    shape = (_GRID, frame.size // _GRID) * 2
    covered = frame.crop((truth == 1).astype(np.float32)).reshape(shape).mean((1, 3))
    inside, outside = covered > 0.5, covered < 0.05
    rows, columns = (side * _GRID // frame.size for side in frame.content)
    outside[rows:], outside[:, columns:] = False, False
    near = outside & (found["plane"] <= found["plane"][inside].max(initial=0))
    if not inside.any() or not near.any():
        return None
    return {
        name: (
            area_under_curve(each[inside], each[outside]),
            area_under_curve(each[inside], each[near]),
        )
        for name, each in found.items()
    }


def measure(path: Path, limit: int) -> Iterator[dict[str, tuple[float, float]]]:
    """Yield the scores of up to `limit` objects of a set of pairs."""
    for sample, numbers in select_objects(load_dataset("pairs", path), limit):
        for number in numbers:
            if found := scores(sample, number):
                yield found


def main(
    validation: Annotated[list[Path], typer.Option(help="Sets of pairs; repeat.")],
    limit: Annotated[int, typer.Option(help="Objects per set.")] = 200,
    json_path: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    rows = []
    table = Table("set", "objects", *(f"{s} (near)" for s in SOURCES), box=None)
    for path in validation:
        found = list(measure(path, limit))
        means = {s: np.mean([each[s] for each in found], axis=0) for s in SOURCES}
        cells = (f"{means[s][0]:.3f} ({means[s][1]:.3f})" for s in SOURCES)
        table.add_row(path.stem, str(len(found)), *cells)
        areas = {s: means[s].tolist() for s in SOURCES}
        rows.append({"set": path.stem, "objects": len(found), "whole_near": areas})
    if json_path is not None:
        json_path.write_text(json.dumps(rows, indent=2) + "\n")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
