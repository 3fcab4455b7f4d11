"""The command line. Commands import what they need when they run."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from napari_segnext import __version__
from napari_segnext.commands import errors
from napari_segnext.commands.models import Device, models
from napari_segnext.commands.training import average, distil, finetune, train

if TYPE_CHECKING:
    from napari_segnext.commands.job import Job
    from napari_segnext.predicting.volume_predictor import VolumePredictor
    from napari_segnext.session import Session

app = typer.Typer(
    name="napari-segnext",
    help="Interactive segmentation of MRI volumes and electron-microscopy stacks. "
    "For research, not for diagnosis.",
    cls=errors.Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(models, name="models")

Model = Annotated[
    str, typer.Option(help="Name (see `models list`), .safetensors or published .pth.")
]
Engine = Annotated[
    str,
    typer.Option(
        help="What runs the model: auto, torch, compiled, traced, openvino, "
        "openvino-int8, approximate."
    ),
]
Out = Annotated[
    Path, typer.Option(help="Labels: .nii.gz, .tif, .zarr, or .json (COCO).")
]
Text = Annotated[
    Path | None,
    typer.Option(help="Folder of the CLIP that a model for phrases was trained with."),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        help="Labels to start from: NIfTI, TIFF, OME-Zarr, COCO. Objects of the "
        "prompts file with the value of one of them refine it."
    ),
]
Overwrite = Annotated[bool, typer.Option(help="Replace files that exist.")]
Semantic = Annotated[bool, typer.Option(help="Write one value per class.")]


def main() -> None:
    """Run the command line; what a user can mend is told in one line."""
    try:
        sys.exit(errors.run(app))
    finally:
        # What PyTorch has made is left to the system: clearing it up takes a second.
        gc.freeze()


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.")
    ] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def demo(
    headless: Annotated[
        bool, typer.Option(help="Write a picture even where there is a display.")
    ] = False,
    out: Annotated[Path, typer.Option(help="The picture.")] = Path("demo.png"),
    model: Model = "tiny",
) -> None:
    """Segment a real MRI: in a napari window, or without a display into a picture."""
    from napari_segnext.commands import demo as demonstration

    if headless or not demonstration.has_display():
        from napari_segnext.files import check_output

        if out.suffix.lower() != ".png":
            raise ValueError(f"{out} is a picture: give it a name that ends in .png")
        check_output(out, [Path(model)])
        demonstration.run_headless(model, out, typer.echo)
    else:
        demonstration.run_window(model)


@app.command()
def segment(
    image: Annotated[Path, typer.Argument(help="NIfTI, TIFF, zarr, PNG, ...")],
    prompts: Annotated[Path, typer.Option(help="Prompts file (JSON).")],
    out: Out,
    model: Model = "tiny",
    device: Device = "auto",
    engine: Engine = "torch",
    overwrite: Overwrite = False,
    semantic: Semantic = False,
    text: Text = None,
    labels: Labels = None,
) -> None:
    """Segment the objects of a prompts file, each in the slices it has prompts in."""
    from rich.progress import Progress

    job = _checked(image, prompts, out, model, overwrite, semantic, text, labels)
    from napari_segnext.commands.segment import segment_job

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("loading", total=None)
        segment_job(
            job,
            model,
            device,
            start=lambda planes: bar.update(
                task, description="segmenting", total=planes
            ),
            done=lambda item, prediction: bar.advance(task),
            engine=engine,
            text=text,
        )
    typer.echo(f"wrote {out}")


@app.command()
def propagate(
    image: Annotated[Path, typer.Argument(help="NIfTI, TIFF, zarr, .npy, ...")],
    prompts: Annotated[Path, typer.Option(help="Prompts file (JSON).")],
    out: Out,
    model: Model = "tiny",
    axis: Annotated[
        int | None,
        typer.Option(min=0, max=2, help="To go along; else that of most prompts."),
    ] = None,
    device: Device = "auto",
    engine: Engine = "torch",
    overwrite: Overwrite = False,
    semantic: Semantic = False,
    text: Text = None,
    labels: Labels = None,
) -> None:
    """Segment whole objects from prompts in one or a few slices of each."""
    from rich.progress import Progress

    job = _checked(image, prompts, out, model, overwrite, semantic, text, labels)
    if axis is not None:
        job.check_axis(axis)
    from napari_segnext.commands.segment import segment_job
    from napari_segnext.propagation import to_check
    from napari_segnext.propagation.whole_object import complete

    doubtful, lost = [], []
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("segmenting", total=None)

        def follow(session: Session, predictor: VolumePredictor, number: int) -> None:
            name = session.objects[number].name
            bar.update(task, description=escape(name))
            try:
                found = complete(
                    session,
                    predictor,
                    number,
                    axis,
                    progress=lambda done, total: bar.update(
                        task, completed=done, total=total
                    ),
                )
            except ValueError as error:
                # What is known of other objects must not be lost for it.
                lost.append(f"{name} was not followed: {error}")
                return
            confidence = {each.plane: each.confidence for each in found}
            doubtful.append((name, to_check(confidence)))

        segment_job(job, model, device, complete=follow, engine=engine, text=text)
    typer.echo(f"wrote {out}")
    for name, planes in doubtful:
        if planes:
            places = ", ".join(str(plane.index) for plane in planes)
            typer.echo(f"{name}: check slices {places} (the least certain first)")
    _end_with(lost)


def _checked(
    image: Path,
    prompts: Path,
    out: Path,
    model: str,
    overwrite: bool,
    semantic: bool,
    text: Path | None,
    labels: Path | None,
) -> Job:
    """Check what is asked for before PyTorch is imported, which takes seconds."""
    from napari_segnext.commands.job import Job
    from napari_segnext.weights import file_of

    inputs = [Path(model), *([] if text is None else [text])]
    job = Job.check(image, prompts, out, overwrite, semantic, inputs, labels)
    file_of(model)
    return job


def _end_with(problems: Sequence[str]) -> None:
    """Tell what is missing from what was written, and exit with 1 if something is."""
    for problem in problems:
        errors.show("Warning", problem)
    if problems:
        raise typer.Exit(1)


@app.command()
def export(
    image: Annotated[Path, typer.Argument(help="The image that was annotated.")],
    labels: Annotated[
        Path | None, typer.Option(help="Labels: .nii.gz, .tif, .zarr, .json (COCO).")
    ] = None,
    prompts: Annotated[Path | None, typer.Option(help="Prompts file (JSON).")] = None,
    journal: Annotated[Path | None, typer.Option(help="Default: the newest.")] = None,
    overwrite: Overwrite = False,
    semantic: Semantic = False,
    csv: Annotated[
        Path | None, typer.Option(help="Table: sizes, places, prompts of each object.")
    ] = None,
) -> None:
    """Write what was annotated in the viewer, from the journal of an image."""
    from napari_segnext.commands.export import export_session

    done = export_session(image, labels, prompts, journal, semantic, overwrite, csv)
    for path in done.written:
        typer.echo(f"wrote {path}")
    typer.echo(f"from {done.journal}")
    _end_with(done.problems)


@app.command()
def embed(
    image: Annotated[Path, typer.Argument(help="NIfTI, TIFF, zarr, .npy, ...")],
    store: Annotated[
        Path | None,
        typer.Option(help="Folder of embeddings; else that of the plugin."),
    ] = None,
    model: Model = "tiny",
    axis: Annotated[int, typer.Option(min=0, max=2, help="Of the slices.")] = 0,
    device: Device = "auto",
    scheduler: Annotated[
        str | None, typer.Option(help="Of dask.distributed: tcp://HOST:PORT.")
    ] = None,
) -> None:
    """Embed all slices of an image ahead; goes on where it was stopped (Ctrl+C)."""
    from rich.progress import Progress

    from napari_segnext.files import check_exists, check_store

    check_exists(image)
    if store is not None:
        check_store(store, image)
    from napari_segnext.weights import embeddings_folder, file_of

    file_of(model)
    from napari_segnext.commands import embed

    store = store or embeddings_folder()
    job = embed.Job(image.resolve(), model, store.resolve(), device)
    try:
        with Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task("embedding", total=None)
            count = embed.embed(
                job,
                axis,
                scheduler,
                lambda done, total: bar.update(task, completed=done, total=total),
            )
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on from here", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"{store} holds the embeddings of {count} slices")


@app.command()
def evaluate(
    model: Annotated[str, typer.Option(help="Name or file of a model, or a baseline.")],
    dataset: Annotated[
        str, typer.Option(help="ssTEM, BraTS, DAVIS, HQSeg44K, COCOLVIS or pairs.")
    ],
    data: Annotated[Path, typer.Option(help="Folder (or .npz) of the data set.")],
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
    max_clicks: Annotated[int, typer.Option(min=1)] = 20,
    limit: Annotated[
        int | None, typer.Option(min=1, help="So many objects, evenly spaced.")
    ] = None,
    device: Device = "auto",
    engine: Engine = "torch",
    sat: Annotated[bool, typer.Option(help="Time the segment-anything task.")] = False,
    first_prompt: Annotated[
        Literal["click", "box", "scribble", "polygon"],
        typer.Option(help="What the first prompt is; all others are clicks."),
    ] = "click",
    jitter: Annotated[
        float, typer.Option(min=0, help="Unsteadiness of clicks; 0 is the protocol's.")
    ] = 0.0,
    crop: Annotated[
        float | None,
        typer.Option(min=1, help="Show each object in a crop so many times its size."),
    ] = None,
    seed: int = 0,
    plot: Annotated[
        Path | None, typer.Option(help="PNG of IoU over clicks; needs the extra eval.")
    ] = None,
    failures: Annotated[
        Path | None, typer.Option(help="PNG of the worst objects after 5 clicks.")
    ] = None,
) -> None:
    """Measure a model with simulated clicks, by the protocol of the papers."""
    from napari_segnext.files import check_output

    if not data.exists():
        raise FileNotFoundError(f"{data} does not exist; give the data folder")
    for out in (json, plot, failures):
        if out is not None:
            check_output(out, [Path(model), *([data] if data.is_file() else [])])
    from napari_segnext.evaluation import Files, Settings, run

    run(
        model,
        dataset,
        data,
        Settings(max_clicks, first_prompt, jitter, crop, seed=seed),
        Files(json, plot, failures),
        limit=limit,
        device=device,
        engine=engine,
        sat=sat,
    )


app.command()(train)
app.command()(distil)
app.command()(finetune)
app.command()(average)
