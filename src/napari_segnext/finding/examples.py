"""What is known of a kind of object: some of its objects, and what is none of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segnext.geometry.frame import BoolArray, Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.shapes import pieces


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """What is known of a plane.

    Attributes
    ----------
    plane
        Which one.
    objects
        The objects of the kind that are known.
    others
        What is none of the kind: rejected proposals, objects of other classes.
    complete
        Parts of the plane in which every object of the kind is among `objects`.
    """

    plane: Plane
    objects: tuple[Region, ...] = ()
    others: tuple[Region, ...] = ()
    complete: tuple[Extent, ...] = ()

    @classmethod
    def of_labels(
        cls, plane: Plane, page: NDArray[np.integer], complete: bool = False
    ) -> Example:
        """Return what a (H, W) page of labels shows: pieces of a value are objects.

        Parameters
        ----------
        complete
            Whether every object of the kind is labelled in it.
        """
        whole = Extent(0, 0, *page.shape)
        objects = tuple(part for _, each in labelled(page) for part in _parts(each))
        return cls(plane, objects, complete=(whole,) if complete else ())

    def drawn(self, extent: Extent) -> NDArray[np.int32]:
        """Return the (h, w) numbers of the objects in an extent, from 1; 0 for none."""
        page = np.zeros(extent.shape, np.int32)
        for number, region in enumerate(self.objects, 1):
            common = region.extent.common(extent)
            if not common.empty:
                inside = region.pixels[common.within(region.extent)]
                page[common.within(extent)][inside] = number
        return page

    def excluded(self, extent: Extent) -> BoolArray:
        """Return which pixels of an extent are known to be in no object, (h, w)."""
        known = np.zeros(extent.shape, bool)
        for part in self.complete:
            known[part.common(extent).within(extent)] = True
        for region in self.others:
            known |= region.read(extent)
        return np.asarray(known & (self.drawn(extent) == 0))


def labelled(page: NDArray[np.integer]) -> Iterator[tuple[int, Region]]:
    """Yield the values of a (H, W) page of labels but 0, and where they are."""
    numbers, dense = np.unique(page, return_inverse=True)
    boxes = ndimage.find_objects(dense.reshape(page.shape) + 1)
    for number, box in zip(numbers.tolist(), boxes, strict=True):
        if number:
            yield number, Region.of(page[box] == number, (box[0].start, box[1].start))


def _parts(region: Region) -> Iterator[Region]:
    parts, count = pieces(region.pixels)
    for number in range(1, count + 1):
        yield Region.of(parts == number, region.offset)


def sizes(examples: Sequence[Example]) -> NDArray[np.float64]:
    """Return the square roots of the areas of all objects, in pixels, sorted.

    Raises
    ------
    ValueError
        If there is no object.
    """
    areas = [int(r.pixels.sum()) for each in examples for r in each.objects]
    areas = [area for area in areas if area]
    if not areas:
        raise ValueError("there is no object to find others like: accept one first")
    return np.asarray(np.sqrt(np.sort(np.array(areas, float))))


def halving(example: Example) -> int:
    """Return the first column of a plane beyond half of what is known in it."""
    parts = [r.extent for r in example.objects] or [*example.complete]
    parts = parts or [r.extent for r in example.others]
    return int(np.median([(part.left + part.right) / 2 for part in parts]))
