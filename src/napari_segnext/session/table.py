"""What there is of each object, and of each class, in numbers: a row each."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_segnext.files import Geometry
from napari_segnext.files.atomic import replacing
from napari_segnext.files.categories import Category
from napari_segnext.files.units import is_length, millimetres
from napari_segnext.images.volume import Volume
from napari_segnext.labels.labels import ReadableLabels
from napari_segnext.session.amounts import Amounts, count
from napari_segnext.session.classes import Classified
from napari_segnext.session.state import SegmentedObject

Row: TypeAlias = dict[str, Any]
PROMPTS = {
    "Click": "clicks",
    "Scribble": "scribbles",
    "Box": "boxes",
    "Polygon": "polygons",
    "Mask": "masks",
    "Phrase": "phrases",
}
# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, eq=False)
class Frozen:
    """Objects as they were, for another thread to read.

    Attributes
    ----------
    inner
        By id the ids of those inside an object, which count to it.
    """

    objects: Sequence[SegmentedObject]
    inner: Mapping[int, Sequence[int]]

    @classmethod
    def of(cls, session: Classified) -> Frozen:
        """Return the objects of a session as they are now."""
        objects = [
            replace(
                each,
                prompts=dict(each.prompts),
                edits=dict(each.edits),
                results=dict(each.results),
            )
            for each in session.objects.values()
        ]
        return cls(objects, session.inner_of_all())


def write_table(
    path: Path,
    frozen: Frozen,
    labels: ReadableLabels,
    geometry: Geometry,
    image: Path | None = None,
    values: Volume | None = None,
    inputs: Sequence[str] = (),
) -> None:
    """Write the rows of `table_of` with `write_rows`, which have the parameters.

    Raises
    ------
    OSError, ValueError
        If it cannot be written, or an image not be read.
    """
    columns, rows = table_of(frozen, labels, geometry, values, inputs)
    write_rows(path, columns, rows, image)


def table_of(
    frozen: Frozen,
    labels: ReadableLabels,
    geometry: Geometry,
    values: Volume | None = None,
    inputs: Sequence[str] = (),
) -> tuple[list[str], list[Row]]:
    """Return columns, and a row for each object with voxels, one for each class.

    What lies inside an object or a class counts to its voxels, and to all that is told
    of these; prompts, confidence and work are those of the objects themselves.

    Parameters
    ----------
    frozen
        What is to be told of.
    labels
        With their ids.
    geometry
        Of the image: sizes and places are in its units.
    values
        Of the image, of which mean and deviation are told.
    inputs
        What its channels are called.

    Raises
    ------
    OSError, ValueError
        If an image cannot be read.
    """
    found, categories = count(frozen.objects, frozen.inner, labels, values)
    voxel, unit = _voxel(geometry)
    rows = [
        told | {"unit": unit} | _row(found, at, geometry, voxel, inputs)
        for at, told in enumerate(_things(frozen.objects, categories, found.voxels))
        if found.voxels[at]
    ]
    return _columns(geometry, inputs), rows


def write_rows(
    path: Path, columns: Sequence[str], rows: Iterable[Row], image: Path | None = None
) -> None:
    """Write a CSV file in UTF-8; what a row does not have is left empty.

    Texts that a spreadsheet would take for a formula begin with an apostrophe.

    Parameters
    ----------
    image
        A new file may be read by nobody who may not read this one.

    Raises
    ------
    OSError, ValueError
        If it cannot be written.
    """
    with (
        replacing(path, image) as part,
        part.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows({k: _safe(v) for k, v in row.items()} for row in rows)


def _things(
    objects: Sequence[SegmentedObject],
    categories: Iterable[Category],
    voxels: NDArray[np.int64],
) -> Iterator[Row]:
    """Yield what objects, and then classes, are, and what was done for them."""
    members = defaultdict[int, list[SegmentedObject]](list)
    for each, amount in zip(objects, voxels, strict=False):
        kind = Row(kind="object", id=each.value, name=each.name)
        kind |= {"finished": int(each.finished), "class": ""}
        if each.category is not None:
            kind["class"] = each.category.name
            members[each.category.value] += [each] if amount else []
        yield kind | _told([each])
    for category in categories:
        kind = Row(kind="class", id=category.value)
        kind["class"] = category.name
        yield kind | _told(members[category.value])


def _columns(geometry: Geometry, inputs: Iterable[str]) -> list[str]:
    names = geometry.axis_labels
    return [
        *("kind", "id", "name", "class", "finished", "objects", "voxels", "size"),
        *("unit", "slices"),
        *(f"first_{name}" for name in names),
        *(f"last_{name}" for name in names),
        *(f"centroid_{name}" for name in names),
        *(f"{what}_{name}" for name in inputs for what in ("mean", "deviation")),
        *PROMPTS.values(),
        *("painted", "confidence", "work_seconds", "work_clicks"),
    ]


def _row(
    amounts: Amounts, at: int, geometry: Geometry, voxel: float, inputs: Sequence[str]
) -> Row:
    """Return what was counted of an object or a class."""
    voxels = int(amounts.voxels[at])
    row: Row = {
        "voxels": voxels,
        "size": _rounded(voxels * voxel),
        "slices": int(amounts.slices[at]),
        "painted": _rounded(amounts.painted[at] / voxels),
    }
    places = zip(geometry.axis_labels, geometry.scale, geometry.translate, strict=True)
    for axis, (name, scale, start) in enumerate(places):
        row[f"first_{name}"] = int(amounts.first[axis, at])
        row[f"last_{name}"] = int(amounts.last[axis, at])
        middle = float(amounts.places[axis, at]) / voxels
        row[f"centroid_{name}"] = _rounded(middle * scale + start)
    for channel, name in enumerate(inputs):
        mean, deviation = amounts.intensity(channel, at)
        row[f"mean_{name}"] = _rounded(mean)
        row[f"deviation_{name}"] = _rounded(deviation)
    return row


def _told(objects: Sequence[SegmentedObject]) -> Row:
    """Return what was done for objects, and how sure their results are."""
    kinds = Counter(
        type(prompt).__name__
        for each in objects
        for prompts in each.prompts.values()
        for prompt in prompts
    )
    sure = [
        result.confidence
        for each in objects
        for result in each.results.values()
        if result.confidence is not None
    ]
    return {
        "objects": len(objects),
        **{column: kinds[kind] for kind, column in PROMPTS.items()},
        "confidence": _rounded(min(sure)) if sure else "",
        "work_seconds": round(sum(each.work.seconds for each in objects), 1),
        "work_clicks": sum(each.work.clicks for each in objects),
    }


def _safe(value: Any) -> Any:
    return (
        f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
    )


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
