"""The commands that train. They import what they need when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from napari_segnext.commands.bars import reported

STEPS = typer.Option(min=1, help="Optimiser steps in all.")
IMAGES = typer.Option(min=1, help="Images per step and process.")
RATE = typer.Option(help="Learning rate.")
ENCODER_RATE = typer.Option(help="Learning rate of a pretrained encoder.")
DECAY = typer.Option(min=0, max=1, help="Last share of the steps, with a falling rate.")
LAYOUT = typer.Option(
    help="bundled (.npz files), COCOLVIS, HQSeg44K, pairs or phrases."
)
START = typer.Option(
    help="Start from a model (name or file), or from MAE's or Depth Anything's file."
)
ORDER = typer.Option(help="Of an ois model: what tells how far it is from a click.")

COMPILED = typer.Option(
    help="Compile the network first: minutes, and then each step is faster."
)

Out = Annotated[Path, typer.Option(help="Folder; a training in it is resumed.")]
Data = Annotated[Path | None, typer.Option(help="Folder; else generated images alone.")]
Workers = Annotated[int, typer.Option(min=0, help="Loader processes.")]


def train(
    out: Out,
    model: Annotated[
        str,
        typer.Option(
            help="tiny, follower, small, vitb-sa1, vitb-sa2, ois-tiny, ois-small, "
            "ois-base, tiny-ref, vitb-sa2-ref, sam-vitb-ref, text-tiny or "
            "text-vitb-sa2."
        ),
    ] = "tiny",
    data: Data = None,
    dataset: Annotated[str, LAYOUT] = "bundled",
    start: Annotated[Path | None, START] = None,
    order: Annotated[Literal["depth", "intensity", "geodesic"] | None, ORDER] = None,
    steps: Annotated[int | None, STEPS] = None,
    images: Annotated[int | None, IMAGES] = None,
    rate: Annotated[float | None, RATE] = None,
    encoder_rate: Annotated[float | None, ENCODER_RATE] = None,
    decay: Annotated[float | None, DECAY] = None,
    text: Annotated[
        Path | None, typer.Option(help="Folder of a CLIP, for models with phrases.")
    ] = None,
    compiled: Annotated[bool, COMPILED] = False,
    seed: int = 0,
    workers: Workers = 1,
) -> None:
    """Train a model by its recipe; needs the extra train."""
    if data is not None:
        _check_folder(data)
    from napari_segnext.training.train import options_of
    from napari_segnext.training.train import train as run

    options = options_of(
        model,
        steps=steps,
        images=images,
        rate=rate,
        encoder_rate=encoder_rate,
        decay=decay,
        compiled=compiled,
        seed=seed,
        workers=workers,
    )
    if order is not None and not model.startswith("ois-"):
        raise ValueError(f"--order is for ois-tiny, ois-small, ois-base; not {model}")
    console = Console()
    with reported(options.steps, console.print) as report:
        path = run(
            model,
            out,
            data,
            options,
            layout=dataset,
            start=start,
            arch={"fusion": {"order": order}} if order else None,
            text=text,
            report=report,
        )
    console.print(f"wrote {path}")


def distil(
    out: Out,
    model: Annotated[str, typer.Option(help="A SegNext that has a recipe.")] = "small",
    teacher: Annotated[
        str, typer.Option(help="Name or file of the model to learn from.")
    ] = "tiny",
    data: Data = None,
    steps: Annotated[int, STEPS] = 1500,
    images: Annotated[int, IMAGES] = 8,
    rate: Annotated[float, RATE] = 1e-3,
    seed: int = 0,
    workers: Workers = 1,
) -> None:
    """Make a start for `train`: an encoder that sees what another model sees."""
    from napari_segnext.training.distil import distil as run
    from napari_segnext.training.train import options_of

    given = {"steps": steps, "images": images, "rate": rate, "seed": seed}
    options = options_of(model, **given, objects=1, workers=workers)
    console = Console()
    with reported(steps, console.print) as report:
        path = run(model, teacher, out, data, options, report=report)
    console.print(f"wrote {path}")


def finetune(
    data: Annotated[
        Path, typer.Option(help="Folder with image/ and annotation/, same names.")
    ],
    out: Out,
    model: Annotated[str, typer.Option(help="Name or file to start from.")] = "tiny",
    steps: Annotated[int, STEPS] = 300,
    seed: int = 0,
    workers: Workers = 1,
) -> None:
    """Teach a model your own labelled images; needs the extra train."""
    from rich.table import Table

    from napari_segnext.weights import file_of

    file_of(model)
    _check_folder(data)
    from napari_segnext.training.finetune import finetune as run

    console = Console()
    with reported(steps, console.print) as report:
        result = run(
            model, data, out, steps=steps, seed=seed, workers=workers, report=report
        )
    table = Table("mean IoU after click", "before", "after", box=None, pad_edge=False)
    for click, pair in enumerate(zip(result.before, result.after, strict=True), 1):
        table.add_row(str(click), *(f"{value:.3f}" for value in pair))
    console.print(table)
    console.print(f"on {result.objects} objects that were held out")
    if not result.better:
        console.print(
            "The new model is not better there: keep the old one, or label more planes."
        )
    console.print(f"wrote {result.path}")


def _check_folder(data: Path) -> None:
    """Look for the images before PyTorch is imported, which takes seconds."""
    if not data.exists():
        raise FileNotFoundError(f"there is no folder {data}")


def average(
    models: Annotated[list[str], typer.Argument(help="Names or files, two or more.")],
    out: Annotated[Path, typer.Option(help="The .safetensors file.")],
) -> None:
    """Write the mean of the weights of models trained on from each other."""
    from napari_segnext.files import check_output

    check_output(out, map(Path, models))
    from napari_segnext.training.average import average as run

    run(models, out)
    Console().print(f"wrote {out}")
