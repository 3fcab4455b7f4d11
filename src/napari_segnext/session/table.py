"""What there is of each object, in numbers: a row an object."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from napari_segnext.files import Geometry
from napari_segnext.files.atomic import replacing
from napari_segnext.files.units import is_length, millimetres
from napari_segnext.session.book import ObjectBook
from napari_segnext.session.state import SegmentedObject

Row: TypeAlias = dict[str, Any]
_PROMPTS = {
    "Click": "clicks",
    "Scribble": "scribbles",
    "Box": "boxes",
    "Polygon": "polygons",
    "Mask": "masks",
    "Phrase": "phrases",
}


def write_table(
    path: Path, session: ObjectBook, geometry: Geometry, image: Path | None = None
) -> None:
    """Write a CSV file in UTF-8 that has a row for each object with voxels.

    Parameters
    ----------
    geometry
        Of the image: sizes and places are in its units.
    image
        A new file may be read by nobody who may not read this one.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    rows = list(_rows(session, geometry))
    with (
        replacing(path, image) as part,
        part.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, _columns(geometry))
        writer.writeheader()
        writer.writerows(rows)


def _columns(geometry: Geometry) -> list[str]:
    names = geometry.axis_labels
    return [
        *("id", "name", "class", "finished", "voxels", "size", "unit", "slices"),
        *(f"first_{name}" for name in names),
        *(f"last_{name}" for name in names),
        *(f"centroid_{name}" for name in names),
        *_PROMPTS.values(),
        *("painted", "confidence"),
    ]


def _rows(session: ObjectBook, geometry: Geometry) -> Iterator[Row]:
    voxel, unit = _voxel(geometry)
    for number, each in session.objects.items():
        voxels = session.voxels(number)
        if not len(voxels):
            continue
        row: Row = {
            "id": each.value,
            "name": each.name,
            "class": each.category.name if each.category else "",
            "finished": int(each.finished),
            "voxels": len(voxels),
            "size": _rounded(len(voxels) * voxel),
            "unit": unit,
            "slices": len(np.unique(voxels // session.space.area)),
        }
        places = zip(
            geometry.axis_labels,
            np.unravel_index(voxels, geometry.shape),
            geometry.scale,
            geometry.translate,
            strict=True,
        )
        for name, at, scale, start in places:
            row[f"first_{name}"], row[f"last_{name}"] = int(at.min()), int(at.max())
            row[f"centroid_{name}"] = _rounded(float(at.mean()) * scale + start)
        row.update(_work(each))
        by_hand = [edits.voxels[edits.values != 0] for edits in each.edits.values()]
        painted = np.isin(voxels, np.concatenate(by_hand)).mean() if by_hand else 0.0
        yield row | {"painted": _rounded(float(painted))}


def _work(each: SegmentedObject) -> Row:
    """Return how many prompts of each kind there are, and the least confidence."""
    kinds = Counter(
        type(prompt).__name__ for prompts in each.prompts.values() for prompt in prompts
    )
    known = [r.confidence for r in each.results.values() if r.confidence is not None]
    counts = {column: kinds[kind] for kind, column in _PROMPTS.items()}
    return counts | {"confidence": _rounded(min(known)) if known else ""}


def _voxel(geometry: Geometry) -> tuple[float, str]:
    """Return the size of a voxel in space, and its unit; of one pixel in a section."""
    space = [at for at in range(len(geometry.shape)) if at not in geometry.others]
    units = [geometry.units[at] for at in space]
    if not all(map(is_length, units)):
        return 1.0, "voxels"
    small = min(map(millimetres, units)) < 1
    steps = [geometry.scale[at] * millimetres(geometry.units[at]) for at in space]
    size = float(np.prod([step * (1000 if small else 1) for step in steps]))
    return abs(size), f"{'um' if small else 'mm'}{len(space)}"


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
