"""COCO annotations as labels: ours, and those of other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.files.categories import Category, Named
from napari_segnext.files.checks import FileError, explained
from napari_segnext.files.coco import WITHOUT_CLASS, Entry
from napari_segnext.files.image import Geometry, smallest_type
from napari_segnext.files.pieces import LabelPieces

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Shape:
    """Pixels of a plane, and the value that they have.

    Attributes
    ----------
    pixels
        (N,) numbers down the columns, sorted.
    top, bottom
        The rows that hold them.
    """

    value: int
    pixels: Integers
    top: int
    bottom: int


class CocoLabels(LabelPieces):
    """What annotations cover; of two that overlap the first has the pixels."""

    def __init__(
        self, shape: tuple[int, ...], planes: Mapping[tuple[int, ...], list[_Shape]]
    ) -> None:
        self.shape, self._planes = shape, planes
        values = (each.value for plane in planes.values() for each in plane)
        self.dtype = smallest_type(max(values, default=0))

    def __getitem__(self, part: tuple[slice, ...]) -> NDArray[Any]:
        """Return a part, given by a slice of step 1 along each axis."""
        *leading, rows, columns = part
        out = np.zeros([each.stop - each.start for each in part], self.dtype)
        height = self.shape[-2]
        for at in product(*(range(each.start, each.stop) for each in leading)):
            page = out[tuple(n - s.start for n, s in zip(at, leading, strict=True))]
            for each in self._planes.get(at, ()):
                if each.bottom <= rows.start or each.top >= rows.stop:
                    continue
                ends = [columns.start * height, columns.stop * height]
                low, high = np.searchsorted(each.pixels, ends)
                across, down = np.divmod(each.pixels[low:high], height)
                inside = (down >= rows.start) & (down < rows.stop)
                place = down[inside] - rows.start, across[inside] - columns.start
                page[place] = np.where(page[place] == 0, each.value, page[place])
        return out


def read_coco(path: Path, image: Geometry) -> tuple[CocoLabels, dict[int, Named]]:
    """Read annotations as labels on the grid of an image, and what they are called.

    An ``instance_id`` joins the annotations of an object, as `write_coco` writes it;
    without one each annotation is an object.

    Raises
    ------
    ValueError
        If it is no file of annotations, or its images are not the planes of the image.
    OSError
        If it cannot be read.
    """
    with explained(path, "a file of COCO annotations"):
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        if "objects" in content and "images" not in content:
            raise FileError(f"{path} is a prompts file: load it as prompts")
        bare = sum("segmentation" not in each for each in content["annotations"])
        if bare:
            raise FileError(
                f"{path} has {bare} annotations without a segmentation: boxes are "
                "no labels; save masks, or give the boxes as prompts"
            )
        places = _places(path, content["images"], image)
        return _read(content, places, image.shape)


def _read(
    content: Entry, places: Mapping[Any, tuple[int, ...]], shape: tuple[int, ...]
) -> tuple[CocoLabels, dict[int, Named]]:
    classes = _classes(content.get("categories", ()))
    planes: dict[tuple[int, ...], list[_Shape]] = {}
    legend: dict[int, Named] = {}
    for number, each in enumerate(content["annotations"], 1):
        value = int(each.get("instance_id", number))
        if value < 1:
            raise ValueError(f"instance_id is a whole number from 1 on, not {value}")
        category = classes.get(each.get("category_id"))
        if "instance_id" in each and category and category.name == WITHOUT_CLASS:
            category = None
        name = str(each.get("name") or f"Object {value}")
        legend.setdefault(value, Named(name, category))
        pixels = _pixels(each["segmentation"], shape[-2:])
        if len(pixels):
            down = pixels % shape[-2]
            found = _Shape(value, pixels, int(down.min()), int(down.max()) + 1)
            planes.setdefault(places[each["image_id"]], []).append(found)
    return CocoLabels(shape, planes), legend


def _places(
    path: Path, images: Sequence[Entry], geometry: Geometry
) -> dict[Any, tuple[int, ...]]:
    """Return the plane of each image by its id: as it says, or in their order."""
    *leading, height, width = geometry.shape
    for each in images:
        if (each["height"], each["width"]) != (height, width):
            raise FileError(
                f"the images of {path} are {each['height']} x {each['width']} pixels, "
                f"and the planes of the image {height} x {width}: save annotations of "
                "this image"
            )
    names = geometry.axis_labels[:-2]
    if all(set(names) <= set(each.get("index") or ()) for each in images) and names:
        return {
            each["id"]: tuple(int(each["index"][n]) for n in names) for each in images
        }
    planes = list(np.ndindex(*leading))
    if len(images) != len(planes):
        raise FileError(
            f"{path} annotates {len(images)} images, and the image has {len(planes)} "
            "planes: give each its place as index, or annotate all of them"
        )
    return {each["id"]: at for each, at in zip(images, planes, strict=True)}


def _classes(categories: Sequence[Entry]) -> dict[Any, Category]:
    """Return the classes by id; ids that begin with 0 are one more as values."""
    ids = [int(each["id"]) for each in categories]
    more = max(0, 1 - min(ids, default=1))
    return {
        each["id"]: Category(number + more, str(each.get("name") or f"class {number}"))
        for each, number in zip(categories, ids, strict=True)
    }


def _pixels(segmentation: Any, shape: tuple[int, ...]) -> Integers:
    """Return the pixels of run-length codes or polygons, numbered down the columns."""
    height, width = shape
    if isinstance(segmentation, list):
        from skimage.draw import polygon

        parts = [np.zeros(0, np.int64)]
        for corners in segmentation:
            # COCO's (0, 0) is the corner of the first pixel, not its middle.
            x, y = np.asarray(corners, float).reshape(-1, 2).T - 0.5
            rows, columns = polygon(y, x, (height, width))
            parts.append(columns * height + rows)
        return np.unique(np.concatenate(parts)).astype(np.int64)
    if tuple(segmentation["size"]) != (height, width):
        raise ValueError(f"a mask is of {segmentation['size']}, not {[height, width]}")
    counts = segmentation["counts"]
    runs = np.asarray(
        _unpacked(counts) if isinstance(counts, str) else counts, np.int64
    )
    ends = np.cumsum(runs)
    if (runs < 0).any() or (len(ends) and ends[-1] != height * width):
        raise ValueError(
            f"the runs of a mask do not fill its {height} x {width} pixels"
        )
    on = runs[1::2]
    first = ends[0::2][: len(on)]
    return np.repeat(first - np.cumsum(on) + on, on) + np.arange(on.sum())


def _unpacked(text: str) -> list[int]:
    """Return the counts of a compressed run-length code.

    Each is written in groups of five bits, the lowest first, as characters from "0"
    on; a sixth bit says that more follow. From the fourth count on it is the
    difference from the one before the last.
    """
    counts: list[int] = []
    value = shift = 0
    for group in (ord(character) - 48 for character in text):
        value |= (group & 31) << shift
        shift += 5
        if not group & 32:
            value -= (1 << shift) * (group >> 4 & 1)
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts
