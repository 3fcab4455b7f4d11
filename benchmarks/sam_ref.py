"""Take the refiner of SAM-REF apart: what its parts cost and are worth behind `tiny`.

Prints parameters, milliseconds to embed and milliseconds per click of `tiny` alone,
with the refiner, and with the variants of the paper's ablations (local refiner,
selector, number of blocks), in one run. With ``--steps`` the refiners are first trained
on the same data with the same seed, and mean IoU after some clicks is added; an
interrupted training goes on where it was. Times are processor time, best of several.

    python -m benchmarks.sam_ref --out DIR
    python -m benchmarks.sam_ref --out DIR --data DATA --validation SET --steps 3000
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from benchmarks.ois import compare, cost
from rich.console import Console

from napari_segnext import load_model
from napari_segnext.models import SegmentationModel, build_model
from napari_segnext.training.clicks import Trainer
from napari_segnext.training.recipes import RECIPES, bundled_mixture
from napari_segnext.training.train import options_of

RECIPE = RECIPES["tiny-ref"]
VARIANTS: dict[str, dict[str, Any] | None] = {
    "tiny": None,
    "full": {},
    "w/o selector": {"threshold": None},
    "w/o local": {"local": False},
    "1 block": {"blocks": 1},
    "5 blocks": {"blocks": 5},
    "8 blocks": {"blocks": 8},
}
# The selector takes no part in training.
_TRAINED_AS = {"w/o selector": "full"}


def untrained(variant: str, seed: int) -> SegmentationModel:
    """Build a variant; the base model has its weights."""
    changed = VARIANTS[variant]
    if changed is None:
        return load_model("tiny", device="cpu")
    torch.manual_seed(seed)
    config = replace(RECIPE.config, arch={**RECIPE.config.arch, **changed})
    model = build_model(config)
    assert RECIPE.start is not None
    RECIPE.start(model)
    return model.eval()


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
            options = options_of("tiny-ref", steps=steps, seed=seed, workers=workers)
            folder = out / _TRAINED_AS.get(name, name).replace("/", "")
            trainer = Trainer(model, bundled_mixture(data), folder, options)
            model = trainer.run(Console().print).eval()
        return model, cost(model, repeats)

    sets = validation or [] if steps else []
    compare(variant or VARIANTS, ready, sets, limit, out / "sam_ref.json")


if __name__ == "__main__":
    typer.run(main)
