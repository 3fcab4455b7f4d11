"""Compare a model with classical methods, at every number of clicks.

Evaluates a model and the baselines on the same objects of one set with the same
robot, prints one table (published numbers are marked as quoted) and writes JSON
and a plot. It goes on where it was interrupted. GrabCut and the plot need the
extra ``eval``.

    python -m benchmarks.baselines --dataset ssTEM --data DIR --limit 40 --out DIR
    python -m benchmarks.baselines ... --crop 2   # on crops around the objects
    python -m benchmarks.baselines ... --baseline flood-fill  # the others are slow
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from napari_segnext.evaluation import Files, Settings, report, run
from napari_segnext.evaluation.baselines import BASELINES


def main(
    data: Annotated[Path, typer.Option(help="Folder or .npz of the set.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    dataset: Annotated[str, typer.Option(help="Layout of the set.")] = "pairs",
    model: Annotated[list[str] | None, typer.Option(help="Repeat for more.")] = None,
    baseline: Annotated[
        list[str] | None, typer.Option(help="Repeat for more; default: all.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Objects, evenly spaced.")] = 40,
    max_clicks: Annotated[int, typer.Option(help="Per object.")] = 20,
    crop: Annotated[float | None, typer.Option(help="Side, in object sides.")] = None,
    device: Annotated[str, typer.Option(help="For the models.")] = "auto",
) -> None:
    results = []
    for name in [*(model or ["tiny"]), *(baseline or BASELINES)]:
        path = out / f"{Path(name).stem}.json"
        finished = path.with_suffix(".objects.jsonl")
        if finished.exists():
            # Methods that an interrupted comparison has done are not done again.
            finished.replace(path.with_suffix(".partial.jsonl"))
        result = run(
            name,
            dataset,
            data,
            Settings(max_clicks, crop=crop),
            Files(path),
            limit=limit,
            device=device,
        )
        results.append(result)
    summaries = [result.summary() for result in results]
    (out / "baselines.json").write_text(json.dumps(summaries, indent=2) + "\n")
    report.plot(results, out / "baselines.png")
    report.show(results, Console())


if __name__ == "__main__":
    typer.run(main)
