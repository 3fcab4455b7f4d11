"""COCO: labels as a JSON file of run-length codes, a plane an image.

The format of Lin et al., Microsoft COCO (2014), knows no volumes: each plane of the
last two axes is an image there, with its place along the other axes. An object has
one annotation in each plane that shows it; ``instance_id``, its value in the labels,
joins them. Runs are not compressed, as pycocotools takes them too: they go down the
columns and start with the pixels that are off.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_segnext.files.categories import Category, Legend, Named
from napari_segnext.files.image import Geometry
from napari_segnext.files.pieces import PIECE, Sliceable, parts

Entry = dict[str, Any]
# Where each begins, where it has ended, and its value.
Runs: TypeAlias = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
WITHOUT_CLASS = "object"


def write_coco(
    path: Path, labels: Sliceable, geometry: Geometry, legend: Legend | None = None
) -> None:
    """Write labels as COCO annotations.

    Parameters
    ----------
    legend
        Names and classes by value. Values without a class are of the category
        "object".
    """
    known = legend or {}
    free = _category_of_the_rest(known)
    images, annotations = list[Entry](), list[Entry]()
    categories = set[Category]()
    for index in np.ndindex(labels.shape[:-2]):
        images.append(_image(path, geometry, index, len(images) + 1))
        for value, annotation in _annotations(labels, index):
            named = known.get(value, Named(f"Object {value}"))
            category = named.category or free
            categories.add(category)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": len(images),
                    "category_id": category.value,
                    "instance_id": value,
                    "name": named.name,
                    **annotation,
                }
            )
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": c.value, "name": c.name} for c in sorted(categories)],
    }
    path.write_text(json.dumps(content), encoding="utf-8")


def _category_of_the_rest(legend: Legend) -> Category:
    known = [named.category for named in legend.values() if named.category is not None]
    return Category(max((each.value for each in known), default=0) + 1, WITHOUT_CLASS)


def _image(
    path: Path, geometry: Geometry, index: tuple[int, ...], number: int
) -> Entry:
    height, width = geometry.shape[-2:]
    axes = geometry.axis_labels[:-2]
    place = "".join(f"_{a}{at:04}" for a, at in zip(axes, index, strict=True))
    return {
        "id": number,
        "file_name": f"{path.stem}{place}",
        "height": height,
        "width": width,
        "index": dict(zip(axes, index, strict=True)),
    }


def _annotations(
    labels: Sliceable, index: tuple[int, ...]
) -> Iterator[tuple[int, Entry]]:
    """Yield the values in a plane, (H, W), with what COCO says of their pixels."""
    height, width = labels.shape[-2:]
    start, end, value = _column_runs(labels, index)
    for number in np.unique(value).tolist():
        own = value == number
        first, after = start[own], end[own]
        counts = np.diff(np.stack([first, after], 1).ravel(), prepend=0)
        rest = height * width - after[-1]
        segmentation = {
            "size": [height, width],
            "counts": [*counts.tolist(), *([int(rest)] if rest else [])],
        }
        yield (
            number,
            {
                "segmentation": segmentation,
                "area": int((after - first).sum()),
                "bbox": _box(first, after - 1, height),
                "iscrowd": 0,
            },
        )


def _column_runs(labels: Sliceable, index: tuple[int, ...]) -> Runs:
    """Return the runs of a plane down its columns, from one to the next, without 0."""
    height, width = labels.shape[-2:]
    page = tuple(slice(at, at + 1) for at in index)
    columns = max(1, PIECE // max(height, 1))
    found: list[Runs] = []
    for part in parts((height, width), (max(height, 1), columns)):
        piece = labels[(*page, *part)].reshape(height, -1)
        if piece.any():
            start, end, value = _runs(piece.ravel(order="F"))
            first = part[1].start * height
            found.append((start + first, end + first, value))
    if not found:
        return (np.zeros(0, np.int64),) * 3
    start, end, value = map(np.concatenate, zip(*found, strict=True))
    # What goes on from one piece to the next is one run.
    goes_on = (start[1:] == end[:-1]) & (value[1:] == value[:-1])
    return (
        start[np.append(True, ~goes_on)],
        end[np.append(~goes_on, True)],
        value[np.append(True, ~goes_on)],
    )


def _runs(flat: NDArray[Any]) -> Runs:
    start = np.flatnonzero(np.diff(flat, prepend=flat[:1] + 1))
    end, value = np.append(start[1:], len(flat)), flat[start]
    return start[value != 0], end[value != 0], value[value != 0]


def _box(first: NDArray[Any], last: NDArray[Any], height: int) -> list[int]:
    """Return x, y, width and height of runs down columns; both ends belong to them."""
    left, right = first // height, last // height
    # A run that goes on in the next column has been at the bottom, and at the top.
    across = left != right
    top = int(np.where(across, 0, first % height).min())
    bottom = int(np.where(across, height - 1, last % height).max())
    x = int(left.min())
    return [x, top, int(right.max()) - x + 1, bottom - top + 1]
