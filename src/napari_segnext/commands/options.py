"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Images = Annotated[
    list[Path],
    typer.Argument(
        help="NIfTI, DICOM, TIFF, zarr, PNG, ...; several, or a folder of them."
    ),
]
PromptsFile = Annotated[
    Path,
    typer.Option(
        help="Prompts file (JSON), - for standard input. Of several images a folder, "
        "in which the one of a.nii.gz is a.json, or a pattern: prompts/{name}.json"
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        help="Labels: .nii.gz, .tif, .zarr, IMAGE.zarr/labels/NAME, .json (COCO), "
        ".geojson (QuPath), .zip (ImageJ ROIs), .png (2-D). Of several "
        "images a folder, for NIfTI, or a pattern: out/{name}.tif, "
        "{folder}/labels.nii.gz"
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        help="Labels to start from: NIfTI, TIFF, OME-Zarr, COCO, DICOM. Objects of the "
        "prompts file with the value of one of them refine it. Of several images as "
        "--out."
    ),
]
Model = Annotated[
    str, typer.Option(help="Name (see `models list`), .safetensors or published .pth.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ... or mps.")]
Engine = Annotated[
    str,
    typer.Option(
        help="What runs the model: auto, torch, compiled, traced, bf16, "
        "openvino, openvino-int8, approximate."
    ),
]
Text = Annotated[
    Path | None,
    typer.Option(help="Folder of the CLIP that a model for phrases was trained with."),
]
Scheduler = Annotated[
    str | None, typer.Option(help="Of dask.distributed: tcp://HOST:PORT.")
]
Overwrite = Annotated[bool, typer.Option(help="Replace files that exist.")]
Semantic = Annotated[bool, typer.Option(help="Write one value per class.")]
