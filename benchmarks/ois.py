"""Take OIS apart: what order, object, sparse and dense prompts cost and are worth.

Prints parameters, milliseconds to embed and milliseconds per click of `ois-tiny`, of
`ois-tiny` without each of its parts (the rows of the paper's table 4) and with each
source of order, beside `tiny`, in one run. With ``--steps`` every variant is first
trained on the same data with the same seed, from what the recipe starts from, and mean
IoU after some clicks is added; an interrupted training goes on where it was. `tiny` is
the bundled model as it is. Times are processor time of this process, the best of
several, so that other work on the machine hardly matters.

    python -m benchmarks.ois --out DIR
    python -m benchmarks.ois --out DIR --data DATA --validation SET --steps 3000
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from napari_segnext import Predictor, load_model
from napari_segnext.evaluation import (
    Result,
    Settings,
    evaluate,
    load_dataset,
    select_objects,
)
from napari_segnext.geometry.frame import Frame
from napari_segnext.models import SegmentationModel, build_model
from napari_segnext.prompts import Prompts
from napari_segnext.training.clicks import Trainer
from napari_segnext.training.recipes import RECIPES, bundled_mixture
from napari_segnext.training.train import options_of

RECIPE = RECIPES["ois-tiny"]
VARIANTS: dict[str, dict[str, Any] | None] = {
    "tiny": None,
    "full": {},
    "order from intensity": {"order": "intensity"},
    "w/o order": {"order": None},
    "w/o object": {"objects": False},
    "w/o sparse": {"sparse": False},
    "w/o dense": {"dense": False},
}
_CLICKS = (1, 2, 3, 5, 10)


def untrained(variant: str, seed: int) -> SegmentationModel:
    """Build a variant, with what its recipe starts from."""
    fusion = VARIANTS[variant]
    if fusion is None:
        return load_model("tiny", device="cpu")
    torch.manual_seed(seed)
    model = build_model(replace(RECIPE.config, arch={"fusion": fusion}))
    assert RECIPE.start is not None
    RECIPE.start(model)
    return model.eval()


def best_ms(work: Callable[[], object], repeats: int) -> float:
    """Return the least processor time of some repetitions, in milliseconds."""
    work()
    taken = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return 1e3 * min(taken)


def cost(model: SegmentationModel, repeats: int) -> dict[str, float]:
    """Return parameters and times for one tile, with two and with ten clicks."""
    size = model.config.size
    image = np.random.default_rng(0).random((size, size, 3), np.float32)
    embedding = model.encode(image)
    row: dict[str, float] = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "embed_ms": best_ms(lambda: model.encode(image), repeats),
    }
    previous = np.zeros((size, size), np.float32)
    previous[size // 4 : size // 2, size // 4 : size // 2] = 0.9
    prompts = Prompts()
    for number in range(10):
        prompts = prompts.click(9 * number + 20, 80, positive=number % 2 == 0)
        if number + 1 in (2, 10):
            given = prompts.to_model(
                Frame(0, 0, size, size, size), model.config.style, previous
            )
            row[f"click_ms_{number + 1}"] = best_ms(
                lambda given=given: model.decode(embedding, given),  # type: ignore[misc]
                repeats,
            )
    return row


def quality(model: SegmentationModel, path: Path, limit: int) -> dict[str, float]:
    """Return mean IoU after some numbers of clicks on an evaluation set of pairs."""
    objects = select_objects(load_dataset("pairs", path), limit)
    settings = Settings(max_clicks=max(_CLICKS))
    results = list(evaluate(Predictor(model), objects, settings))
    miou = Result(model.config.architecture, path.stem, results, settings).miou
    return {f"{path.stem} {k}": miou[k - 1] for k in _CLICKS}


def write(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write the rows, one a variant, to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=2) + "\n")


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print the rows as a table."""
    table = Table(*rows[0], box=None)
    for row in rows:
        table.add_row(
            *(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values())
        )
    Console().print(table)


def compare(
    variants: Iterable[str],
    ready: Callable[[str], tuple[SegmentationModel, dict[str, Any]]],
    validation: Sequence[Path],
    limit: int,
    path: Path,
) -> None:
    """Measure variants one after the other; write the rows so far, print all of them.

    Parameters
    ----------
    variants
        Their names.
    ready
        Gives the model of a name, and what else its row shall say.
    validation, limit
        Sets, and objects of each; see `quality`.
    path
        The file.
    """
    rows: list[dict[str, Any]] = []
    for name in variants:
        model, numbers = ready(name)
        row = {"variant": name, **numbers}
        for each in validation:
            row |= quality(model, each, limit)
        rows.append(row)
        write(rows, path)
    show(rows)


def main(
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and results.")],
    validation: Annotated[list[Path] | None, typer.Option(help="Set of pairs.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of .npz files.")] = None,
    variant: Annotated[list[str] | None, typer.Option(help="Default: all.")] = None,
    steps: Annotated[int, typer.Option(help="Of training; 0 for times alone.")] = 0,
    limit: Annotated[int, typer.Option(help="Objects per set.")] = 100,
    repeats: Annotated[int, typer.Option(help="Of what is timed.")] = 20,
    seed: int = 0,
    workers: int = 1,
) -> None:
    torch.set_num_threads(1)

    def ready(name: str) -> tuple[SegmentationModel, dict[str, Any]]:
        model = untrained(name, seed)
        if steps and VARIANTS[name] is not None:
            options = options_of("ois-tiny", steps=steps, seed=seed, workers=workers)
            folder = out / name.replace("/", "").replace(" ", "_")
            trainer = Trainer(model, bundled_mixture(data), folder, options)
            model = trainer.run(Console().print).eval()
        return model, cost(model, repeats)

    sets = validation or [] if steps else []
    compare(variant or VARIANTS, ready, sets, limit, out / "ois.json")


if __name__ == "__main__":
    typer.run(main)
