"""Labels of a session with the values that its objects have in a file."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.files import (
    Geometry,
    LabelPieces,
    keeps_objects,
    write_labels,
)
from napari_segnext.files.categories import Legend, Named, semantic_values
from napari_segnext.files.image import smallest_type
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.labels.labels import ReadableLabels
from napari_segnext.session.book import ObjectBook


class Numbered(LabelPieces):
    """Labels of a session, with the values that their objects have in a file.

    Parameters
    ----------
    values
        By id in the session. What has another id there becomes 0.
    """

    def __init__(self, labels: ReadableLabels, values: Mapping[int, int]) -> None:
        self.shape = tuple(labels.shape)
        self.dtype = smallest_type(max(values.values(), default=0))
        self._labels = labels
        ids = sorted({0, *values})
        self._ids = np.array(ids, np.int64)
        self._values = np.array([values.get(n, 0) for n in ids], self.dtype)

    def __getitem__(self, part: tuple[slice, ...]) -> NDArray[np.integer[Any]]:
        """Return a part, given by a slice of step 1 along each axis."""
        piece = np.zeros([each.stop - each.start for each in part], self.dtype)
        *leading, rows, columns = part
        extent = Extent(rows.start, columns.start, rows.stop, columns.stop)
        for at in product(*(range(each.start, each.stop) for each in leading)):
            plane = Plane(0, at[-1], at[:-1]) if at else Plane()
            ids = self._labels.read(plane, extent)
            if ids.any():
                inside = ids != 0
                page = piece[
                    tuple(n - s.start for n, s in zip(at, leading, strict=True))
                ]
                page[inside] = self._of(ids[inside])
        return piece

    def _of(self, ids: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        at = np.searchsorted(self._ids, ids)
        at[at == len(self._ids)] = 0
        return np.where(self._ids[at] == ids, self._values[at], 0)


def values_in_file(
    session: ObjectBook, names: Legend, ids: Mapping[int, int], by_class: bool = False
) -> tuple[dict[int, int], Legend]:
    """Return the value of each object that has voxels, and what the values mean.

    Parameters
    ----------
    names
        Names and classes by id in the file.
    ids
        In the file, by id in the session.
    by_class
        Whether objects of a class have one value.

    Raises
    ------
    ValueError
        As `semantic_values`.
    """
    shown = [n for n in session.objects if session.count(n).voxels]
    names = {ids[n]: names[ids[n]] for n in shown}
    if not by_class:
        return {n: ids[n] for n in shown}, names
    classes = semantic_values(names)
    used = {each.category for each in names.values() if each.category}
    legend = {each.value: Named(each.name, each) for each in used}
    return {n: classes[ids[n]] for n in shown}, legend


def write_session(
    out: Path,
    session: ObjectBook,
    geometry: Geometry,
    names: Legend,
    ids: Mapping[int, int],
    semantic: bool = False,
    image: Path | None = None,
) -> None:
    """Write the labels of a session, of its objects or of their classes.

    Annotations and ROIs are of objects always, each with its class.

    Parameters
    ----------
    names, ids
        As for `values_in_file`.
    image
        A new file may be read by nobody who may not read this one.

    Raises
    ------
    ValueError, OSError
        As `write_labels`, and `semantic_values`.
    """
    by_class = semantic and not keeps_objects(out)
    values, legend = values_in_file(session, names, ids, by_class)
    write_labels(out, Numbered(session.labels, values), geometry, legend, image)
