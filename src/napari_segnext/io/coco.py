"""COCO: labels as a JSON file of run-length codes, a plane an image.

The format of Lin et al., Microsoft COCO (2014), knows no volumes: each plane of the
last two axes is an image there, with its place along the other axes. An object has
one annotation in each plane that shows it; ``instance_id``, its value in the labels,
joins them. Runs are not compressed, as pycocotools takes them too: they go down the
columns and start with the pixels that are off.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.categories import Category, Legend, Named
from napari_segnext.io.image import Geometry, check_shape, integer_labels, replacing

Entry = dict[str, Any]
_WITHOUT_CLASS = "object"


def write_coco(
    path: Path, labels: Any, geometry: Geometry, legend: Legend | None = None
) -> None:
    """Write labels as COCO annotations.

    Parameters
    ----------
    legend
        Names and classes by value. Values without a class are of the category
        "object".

    Raises
    ------
    ValueError
        If the labels are not whole numbers or do not fit the image.
    """
    array = integer_labels(labels)
    check_shape(path, array, geometry)
    named = _all_named(array, legend or {})
    images, annotations = list[Entry](), list[Entry]()
    for index in np.ndindex(array.shape[:-2]):
        images.append(_image(path, geometry, index, len(images) + 1))
        for value, annotation in _annotations(array[index]):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": len(images),
                    "category_id": named[value][1].value,
                    "instance_id": value,
                    "name": named[value][0],
                    **annotation,
                }
            )
    categories = sorted({category for _, category in named.values()})
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": each.value, "name": each.name} for each in categories],
    }
    with replacing(path) as part:
        part.write_text(json.dumps(content), encoding="utf-8")


def _all_named(
    labels: NDArray[Any], legend: Legend
) -> Mapping[int, tuple[str, Category]]:
    """Return a name and a category for each value in labels."""
    known = [named.category for named in legend.values() if named.category is not None]
    free = Category(max((each.value for each in known), default=0) + 1, _WITHOUT_CLASS)
    values = np.unique(labels).tolist()
    found = {n: legend.get(n, Named(f"Object {n}")) for n in values if n}
    return {n: (named.name, named.category or free) for n, named in found.items()}


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


def _annotations(page: NDArray[Any]) -> Iterator[tuple[int, Entry]]:
    """Yield the values in a plane, (H, W), with what COCO says of their pixels."""
    height, width = page.shape
    flat = page.ravel(order="F")
    start = np.flatnonzero(np.diff(flat, prepend=flat[:1] + 1))
    end, value = np.append(start[1:], len(flat)), flat[start]
    for number in np.unique(value[value != 0]).tolist():
        own = value == number
        first, after = start[own], end[own]
        counts = np.diff(np.stack([first, after], 1).ravel(), prepend=0)
        rest = len(flat) - after[-1]
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


def _box(first: NDArray[Any], last: NDArray[Any], height: int) -> list[int]:
    """Return x, y, width and height of runs down columns; both ends belong to them."""
    left, right = first // height, last // height
    # A run that goes on in the next column has been at the bottom, and at the top.
    across = left != right
    top = int(np.where(across, 0, first % height).min())
    bottom = int(np.where(across, height - 1, last % height).max())
    x = int(left.min())
    return [x, top, int(right.max()) - x + 1, bottom - top + 1]
