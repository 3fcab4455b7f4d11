"""The command line. Commands import what they need when they run."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Annotated

import typer

from napari_segnext import __version__
from napari_segnext.commands import errors
from napari_segnext.commands.bars import progress_bar
from napari_segnext.commands.evaluating import evaluate
from napari_segnext.commands.labelling import export, find, propagate, segment
from napari_segnext.commands.models import models
from napari_segnext.commands.options import Device, Model, Scheduler
from napari_segnext.commands.training import average, distil, finetune, train

app = typer.Typer(
    name="napari-segnext",
    help="Interactive segmentation of MRI volumes and electron-microscopy stacks. "
    "For research, not for diagnosis.",
    cls=errors.Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(models, name="models")


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


app.command()(segment)
app.command()(propagate)
app.command()(export)
app.command()(find)


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
    scheduler: Scheduler = None,
) -> None:
    """Embed all slices of an image ahead; goes on where it was stopped (Ctrl+C)."""
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
        with progress_bar() as bar:
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


app.command()(evaluate)
app.command()(train)
app.command()(distil)
app.command()(finetune)
app.command()(average)
