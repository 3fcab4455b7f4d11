"""The commands that make labels. They import what they need when they run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_segnext.commands.options import (
    Device,
    Engine,
    Images,
    Labels,
    Model,
    Out,
    Overwrite,
    PromptsFile,
    Scheduler,
    Semantic,
    Text,
)

if TYPE_CHECKING:
    from napari_segnext.commands.work import Finding, Labelling


def segment(
    image: Images,
    prompts: PromptsFile,
    out: Out,
    model: Model = "tiny",
    device: Device = "auto",
    engine: Engine = "torch",
    overwrite: Overwrite = False,
    semantic: Semantic = False,
    text: Text = None,
    labels: Labels = None,
    scheduler: Scheduler = None,
) -> None:
    """Segment the objects of a prompts file, each in the slices it has prompts in."""
    from napari_segnext.commands.job import ModelChoice
    from napari_segnext.commands.work import Labelling

    choice = ModelChoice(model, device, engine, text)
    work = Labelling(prompts, out, labels, choice, overwrite, semantic)
    _label(image, work, scheduler)


def propagate(
    image: Images,
    prompts: PromptsFile,
    out: Out,
    model: Model = "tiny",
    axis: Annotated[
        int | None,
        typer.Option(min=0, max=2, help="To go along; else that of most prompts."),
    ] = None,
    nninteractive: Annotated[
        str,
        typer.Option(
            help="Address of an nnInteractive server that finds the objects, from the "
            "masks in their slices: http://HOST:PORT."
        ),
    ] = "",
    device: Device = "auto",
    engine: Engine = "torch",
    overwrite: Overwrite = False,
    semantic: Semantic = False,
    text: Text = None,
    labels: Labels = None,
    scheduler: Scheduler = None,
) -> None:
    """Segment whole objects from prompts in one or a few slices of each."""
    if nninteractive and scheduler is None:
        # First of all: the other imports take seconds. Workers may see a server that
        # this machine does not.
        from napari_segnext.files.addresses import check_answers

        check_answers(nninteractive)
    from napari_segnext.commands.job import ModelChoice
    from napari_segnext.commands.work import Labelling

    choice = ModelChoice(model, device, engine, text)
    work = Labelling(
        prompts,
        out,
        labels,
        choice,
        overwrite,
        semantic,
        whole=True,
        axis=axis,
        server=nninteractive,
    )
    _label(image, work, scheduler)


def find(
    image: Images,
    examples: Annotated[
        Path,
        typer.Option(
            help="Labels of some objects of the kind, on the image. Of several images "
            "a folder, of NIfTI, or a pattern: some/{name}.tif"
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Labels of the others: .nii.gz, .tif, .zarr, ... Of several images as "
            "--examples."
        ),
    ],
    complete: Annotated[
        str,
        typer.Option(
            help="Slices along the first axis in which every object of the kind is "
            "labelled: 0,7. Nothing is looked for there."
        ),
    ] = "",
    link: Annotated[
        bool,
        typer.Option(
            "--link", help="Join what overlaps in neighbouring slices to one object."
        ),
    ] = False,
    model: Model = "tiny",
    device: Device = "auto",
    engine: Engine = "torch",
    overwrite: Overwrite = False,
    scheduler: Scheduler = None,
) -> None:
    """Find all objects of a kind from some that are labelled."""
    from napari_segnext.commands.find import indices
    from napari_segnext.commands.job import ModelChoice
    from napari_segnext.commands.work import Finding

    choice, planes = ModelChoice(model, device, engine), tuple(indices(complete))
    _label(image, Finding(examples, out, choice, planes, link, overwrite), scheduler)


def _label(
    images: list[Path], given: Labelling | Finding, scheduler: str | None
) -> None:
    from napari_segnext.commands.cases import run
    from napari_segnext.weights import file_of

    cases, work = given.each(images)
    file_of(given.choice.model)
    outs = [] if given.overwrite else [work.out]
    run(cases, work if scheduler is None else work.elsewhere(), outs, scheduler)


def export(
    image: Annotated[
        list[Path],
        typer.Argument(
            help="The image that was annotated; several, a folder of images or of "
            "folders of modalities, or a table of them (CSV)."
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Labels: .nii.gz, .tif, .zarr, IMAGE.zarr/labels/NAME, .json (COCO), "
            ".geojson (QuPath), .zip (ImageJ ROIs), .png (2-D). Of several "
            "images a folder, for NIfTI, or a pattern: out/{name}.tif"
        ),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(help="Prompts file (JSON). Of several images as --labels."),
    ] = None,
    journal: Annotated[Path | None, typer.Option(help="Default: the newest.")] = None,
    overwrite: Overwrite = False,
    semantic: Semantic = False,
    csv: Annotated[
        Path | None,
        typer.Option(
            help="Table: sizes, places, prompts of each object. Of several images one "
            "table of all, or as --labels."
        ),
    ] = None,
) -> None:
    """Write what was annotated in the viewer, from the journal of an image."""
    from napari_segnext.commands.cases import run
    from napari_segnext.commands.work import Exporting, Tabulating

    given = Exporting(labels, prompts, csv, journal, semantic, overwrite)
    cases, work = given.each(image)
    try:
        run(cases, work, [] if overwrite else work.outs)
    finally:
        if isinstance(work, Tabulating):
            work.write()
            typer.echo(f"wrote {work.table}")
