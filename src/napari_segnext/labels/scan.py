"""Labels that others made as runs, read once from the first voxel to the last."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.files import Geometry
from napari_segnext.files.categories import Legend, Named, check_distinct
from napari_segnext.files.checks import about
from napari_segnext.files.label_file import read_labels
from napari_segnext.files.pieces import parts
from napari_segnext.geometry.space import Space
from napari_segnext.labels.runs import Runs
from napari_segnext.labels.tally import Tally

# Voxels that are read at once, and planes of which chunks of files are made.
_READ, _DEPTH = 1 << 24, 16
# Rows of which chunks are made.
_ROWS = 512
_MOST = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Scanned:
    """All labels of an image.

    Attributes
    ----------
    runs
        Sorted, with the values of the file; none of 0.
    values
        (N,) int64, sorted: those that there are.
    places
        For each run that of its value among the values.
    names
        What each is called, and its class if it has one.
    tally
        Of the runs, if they have been counted.
    """

    runs: Runs
    values: NDArray[np.int64]
    places: NDArray[np.intp]
    names: Legend
    tally: Tally | None = None

    @classmethod
    def of(cls, parts: Iterable[Runs], legend: Legend) -> Scanned:
        """Put what `scan` yields together.

        Parameters
        ----------
        legend
            Names and classes by value, where they are known.

        Raises
        ------
        ValueError
            If there is no label, or a class could be mistaken for another.
        """
        runs = Runs.joined(parts)
        values = np.unique(runs.value)
        if not len(values):
            raise ValueError("there is no label in it: all of it is 0")
        numbers = values.tolist()
        names = {n: legend.get(n, Named(f"Object {n}")) for n in numbers}
        check_distinct(c for each in names.values() if (c := each.category))
        return cls(runs, values, np.searchsorted(values, runs.value), names)

    def counted(self, space: Space) -> Scanned:
        """Return the same, counted; another thread can do that for a session."""
        return replace(self, tally=Tally.of(self.runs, space))


def scan_file(path: Path, image: Geometry) -> Scanned:
    """Read a file of labels that belong to an image.

    Raises
    ------
    ValueError, OSError
        As `read_labels`, `scan` and `Scanned.of`; the message names the file.
    """
    source = read_labels(path, image)
    with about(path):
        return Scanned.of((runs for runs, _ in scan(source.data)), source.legend)


def scan(labels: Any) -> Iterator[tuple[Runs, float]]:
    """Yield the runs of labels part by part, and the share that has been read.

    Parameters
    ----------
    labels
        Array of at least two axes, in memory or lazy; whole numbers from 0 on, perhaps
        of a floating type.

    Raises
    ------
    ValueError
        If there are other numbers among them.
    """
    shape = tuple(map(int, labels.shape))
    done, size = 0, math.prod(shape)
    for part in parts(shape, _sides(shape)):
        values = np.asarray(labels[part])
        flat = whole_numbers(values).ravel()
        first = np.flatnonzero(np.append(True, flat[1:] != flat[:-1]))
        length = np.diff(first, append=len(flat))
        runs = Runs(first + done, length, flat[first].astype(np.int64))
        done += len(flat)
        yield runs.select(runs.value != 0), done / size


def _sides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of parts whose voxels follow each other."""
    *leading, height, width = shape
    rows = min(height, max(1, _READ // width))
    if rows < height:
        rows -= rows % _ROWS if rows > _ROWS else 0
        return (*(1 for _ in leading), rows, width)
    depth = max(1, min(_DEPTH, _READ // (height * width)))
    return (*(1 for _ in leading[:-1]), *(depth for _ in leading[-1:]), height, width)


def whole_numbers(values: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers that are none below 0."""
    if values.dtype.kind == "f":
        largest = float(np.abs(values).max())
        if not np.array_equal(values, np.rint(values)) or largest >= _MOST:
            raise ValueError(
                "labels are whole numbers; these have fractions, NaN, or are too large"
            )
        # Beyond it neighbouring numbers have become one.
        exact = 2 ** (np.finfo(values.dtype).nmant + 1)
        if largest >= exact:
            raise ValueError(
                f"labels of type {values.dtype} are exact below {exact:,} alone, and "
                f"there is {largest:,.0f}: save them as whole numbers (uint32)"
            )
        values = values.astype(np.int64)
    if values.dtype.kind == "i" and values.min() < 0:
        raise ValueError(f"labels are whole numbers from 0 on, not {values.min()}")
    if values.dtype.kind == "u" and values.max() > _MOST:
        raise ValueError(f"labels go up to {_MOST}, and there is {values.max()}")
    return values
