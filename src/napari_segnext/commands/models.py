"""The commands about models. They import what they need when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from napari_segnext.commands.options import Device

models = typer.Typer(help="List, fetch, convert, check models.", no_args_is_help=True)


@models.command("list")
def list_models() -> None:
    """List the models that have a name, and whether they are on this machine."""
    from rich.table import Table

    from napari_segnext import weights

    table = Table("Name", "What", "MB", "Here", "Licence", box=None, pad_edge=False)
    for status in weights.list_models():
        entry = status.entry
        here = "bundled" if entry.bundled else "yes" if status.present else "no"
        table.add_row(
            entry.name,
            entry.description,
            f"{status.size / 1e6:.0f}",
            here if status.present or not entry.bundled else "missing",
            entry.licence,
        )
    Console().print(table)


@models.command()
def download(name: Annotated[str, typer.Argument(help="See `models list`.")]) -> None:
    """Fetch a model and check that it is what it should be."""
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

    from napari_segnext import weights

    columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)
        path = weights.download(
            name, lambda done, total: bar.update(task, completed=done, total=total)
        )
    typer.echo(path)


@models.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A published .pth.")],
    destination: Annotated[Path, typer.Argument(help="A new .safetensors.")],
    half: Annotated[
        bool, typer.Option(help="In half precision: half the size.")
    ] = False,
) -> None:
    """Turn a published file into .safetensors, with its configuration inside."""
    from napari_segnext import weights

    weights.convert(source, destination, half)
    typer.echo(destination)


@models.command()
def verify(
    name: Annotated[str, typer.Argument(help="See `models list`; or a file.")],
    engine: Annotated[
        str | None, typer.Option(help="Compare its masks with the exact decode's.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder (or .npz) of images and labels.")
    ] = None,
    dataset: Annotated[str, typer.Option(help="Its layout; see `evaluate`.")] = "pairs",
    clicks: Annotated[int, typer.Option(min=1, help="For each object.")] = 5,
    limit: Annotated[
        int | None, typer.Option(min=1, help="So many objects, evenly spaced.")
    ] = None,
    device: Device = "auto",
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
) -> None:
    """Check a model's file (sha256, tensors), or an engine's masks on your data."""
    if (engine is None) != (data is None):
        raise ValueError("give both --engine and --data, or neither")
    if engine is not None and data is not None:
        from napari_segnext.evaluation import agreement

        try:
            agreement.run(name, engine, data, dataset, clicks, limit, device, json)
        except RuntimeError as error:
            raise ValueError(f"{engine} cannot be measured: {error}") from error
        return
    from napari_segnext import weights

    found = weights.verify(name)
    typer.echo(
        f"{found.path}: {found.tensors} tensors, {found.values:,} values, "
        f"sha256 {found.sha256}"
    )
