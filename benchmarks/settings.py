"""Try settings of a model that need no training, beside those that it has.

Every setting is evaluated on the same objects with the same robot, by default with
the prompts of the papers' protocol. Of each the mean IoU after every prompt is told,
and how much better than the model's own it is, with the standard error of that
difference over the objects. It goes on where it was interrupted.

    python -m benchmarks.settings --data DIR --out DIR --limit 100 \
        --set tiling.overlap=0.25 --set style.radius=5 --set threshold=0.5
    python -m benchmarks.settings ... --first-prompt box --set style.region=outline
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from napari_segnext import Predictor, load_model
from napari_segnext.evaluation import Settings, evaluate, load_dataset, select_objects
from napari_segnext.evaluation.simulate import FIRST_PROMPTS
from napari_segnext.models import ModelConfig

OWN = "own"


def changed(
    config: ModelConfig, settings: Settings, change: str
) -> tuple[ModelConfig, Settings]:
    """Apply ``part.name=value``, or ``threshold=value``; `OWN` changes nothing."""
    if change == OWN:
        return config, settings
    path, _, text = change.partition("=")
    part, _, name = path.rpartition(".")
    if not part:
        return config, replace(settings, **{name: float(text)})
    before = getattr(config, part)
    value = type(getattr(before, name))(text)
    return replace(config, **{part: replace(before, **{name: value})}), settings


def measure(
    model: str, change: str, selection: list[Any], settings: Settings, path: Path
) -> NDArray[np.float64]:
    """Return (objects, prompts) IoU, from the file if it has been measured."""
    if not path.is_file():
        network = load_model(model)
        network.config, settings = changed(network.config, settings, change)
        found = evaluate(Predictor(network), selection, settings)
        count = sum(len(objects) for _, objects in selection)
        ious = [each.ious for each in track(found, change, count)]
        path.write_text(json.dumps(ious))
    return np.array(json.loads(path.read_text()))


def row(change: str, ious: NDArray[np.float64], own: NDArray[np.float64]) -> list[str]:
    """Format the mean after each prompt, and what was gained."""
    gain = ious - own
    error = gain.std(0, ddof=1) / len(gain) ** 0.5
    cells = zip(ious.mean(0), gain.mean(0), error, strict=True)
    if change == OWN:
        return [change, *(f"{mean:.3f}" for mean, _, _ in cells)]
    return [change, *(f"{m:.3f} ({g:+.3f} ± {e:.3f})" for m, g, e in cells)]


def main(
    data: Annotated[Path, typer.Option(help="Folder or .npz of the set.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    change: Annotated[
        list[str] | None, typer.Option("--set", help="Repeat for more.")
    ] = None,
    dataset: Annotated[str, typer.Option(help="Layout of the set.")] = "pairs",
    model: Annotated[str, typer.Option(help="Name or file.")] = "tiny",
    limit: Annotated[int, typer.Option(help="Objects, evenly spaced.")] = 100,
    max_clicks: Annotated[int, typer.Option(help="Prompts per object.")] = 5,
    first_prompt: Annotated[str, typer.Option(help=", ".join(FIRST_PROMPTS))] = "click",
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    settings = Settings(max_clicks, first_prompt)  # type: ignore[arg-type]
    selection = select_objects(load_dataset(dataset, data), limit)
    count = sum(len(objects) for _, objects in selection)
    title = f"{data.stem}, {count} objects, {first_prompt} first: mean IoU after prompt"
    numbers = [str(k) for k in range(1, max_clicks + 1)]
    table = Table("setting", *numbers, title=title)
    own = None
    for each in [OWN, *(change or [])]:
        path = out / f"{data.stem}-{first_prompt}-{limit}-{max_clicks}-{each}.json"
        ious = measure(model, each, selection, settings, path)
        own = ious if own is None else own
        table.add_row(*row(each, ious, own))
    Console(width=40 + 24 * max_clicks).print(table)


if __name__ == "__main__":
    typer.run(main)
