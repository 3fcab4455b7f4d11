"""The command that measures models. It imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_segnext.commands.options import Device, Engine

DATA_SET = "ssTEM, BraTS, DAVIS, HQSeg44K, COCOLVIS or pairs."
JOURNAL = "A journal (*.segnext-journal): its prompts in place of a data set; several."
FIRST = "What the first prompt is; all others are clicks."

Jitter = Annotated[
    float, typer.Option(min=0, help="Unsteadiness of clicks; 0 is the protocol's.")
]
Crop = Annotated[
    float | None,
    typer.Option(min=1, help="Show each object in a crop so many times its size."),
]


def evaluate(
    model: Annotated[
        str, typer.Option(help="Name or file of a model, or a baseline.")
    ] = "tiny",
    dataset: Annotated[str | None, typer.Option(help=DATA_SET)] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder (or .npz) of the data set.")
    ] = None,
    journal: Annotated[list[Path] | None, typer.Option(help=JOURNAL)] = None,
    image: Annotated[
        list[Path] | None,
        typer.Option(help="Of each journal, where it does not lie beside its image."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
    max_clicks: Annotated[int, typer.Option(min=1)] = 20,
    limit: Annotated[
        int | None, typer.Option(min=1, help="So many objects, evenly spaced.")
    ] = None,
    device: Device = "auto",
    engine: Engine = "torch",
    sat: Annotated[bool, typer.Option(help="Time the segment-anything task.")] = False,
    first_prompt: Annotated[
        Literal["click", "box", "scribble", "polygon"], typer.Option(help=FIRST)
    ] = "click",
    jitter: Jitter = 0.0,
    crop: Crop = None,
    seed: int = 0,
    plot: Annotated[
        Path | None, typer.Option(help="PNG of IoU over clicks; needs the extra eval.")
    ] = None,
    failures: Annotated[
        Path | None, typer.Option(help="PNG of the worst objects after 5 clicks.")
    ] = None,
) -> None:
    """Measure a model with the clicks of a robot, or with the prompts of a journal."""
    given = [path for path in (data, *(journal or ()), *(image or ())) if path]
    for path in given:
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist")
    from napari_segnext.files import check_output

    for out in (json, plot, failures):
        if out is not None:
            inputs = (path for path in given if path.is_file())
            check_output(out, [Path(model), *inputs])
    from napari_segnext.evaluation import Files, Settings, run, run_replay

    settings = Settings(max_clicks, first_prompt, jitter, crop, seed=seed)
    if journal:
        of_sets = (dataset, data, limit, sat, crop, jitter, plot, failures)
        if any(of_sets) or first_prompt != "click":
            raise ValueError(
                "with --journal there are --model, --image, --json, --max-clicks, "
                "--device and --engine: leave the others away"
            )
        images = image or ()
        run_replay(model, journal, images, settings, json, device=device, engine=engine)
    elif dataset is None or data is None:
        raise ValueError("say what to measure on: --dataset and --data, or --journal")
    else:
        files = Files(json, plot, failures)
        run(
            model,
            dataset,
            data,
            settings,
            files,
            limit=limit,
            sat=sat,
            device=device,
            engine=engine,
        )
