"""Labels and prompts of a session as files, without a viewer and without a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.categories import Legend, Named, semantic_values
from napari_segnext.io import (
    Geometry,
    LabelPieces,
    check_labels_fit,
    check_output,
    check_writable,
    read_image,
    write_labels,
    write_prompts,
)
from napari_segnext.io.checks import about
from napari_segnext.io.image import smallest_type
from napari_segnext.journal import DamagedJournalError, Saved, Subject, read_journal
from napari_segnext.label_store import blank_labels
from napari_segnext.patch import Extent
from napari_segnext.prompts import Plane
from napari_segnext.session.book import ObjectBook
from napari_segnext.session.exchange import exported, legend
from napari_segnext.session.grid import ReadableLabels


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

    COCO annotations are of objects always, each with its class.

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
    values, legend = values_in_file(session, names, ids, semantic)
    if out.suffix.lower() == ".json":
        values, legend = values_in_file(session, names, ids)
    write_labels(out, Numbered(session.labels, values), geometry, legend, image)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written from a journal.

    Attributes
    ----------
    journal
        Which one.
    problems
        What it, or newer ones, held that could not be read; a sentence each.
    """

    journal: Path
    problems: tuple[str, ...] = ()


def export_session(
    image: Path,
    labels: Path | None,
    prompts: Path | None,
    journal: Path | None = None,
    semantic: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write what the journal of an image holds.

    Parameters
    ----------
    labels, prompts
        The files to write; None for none.
    journal
        Which one; default: the newest of the image that can be read.
    semantic
        Whether labels have the values of the objects' classes, not of the objects.

    Returns
    -------
    What was read: where a journal is damaged, what stands before the damage.

    Raises
    ------
    ValueError, OSError
        If there is no journal of the image, it does not fit, or something cannot be
        read or written.
    """
    outs = [path for path in (labels, prompts) if path is not None]
    if not outs:
        raise ValueError("say what to write: --labels, --prompts or both")
    if labels is not None:
        check_writable(labels)
    if len(outs) == 2 and outs[0].resolve() == outs[1].resolve():
        raise ValueError(f"{outs[0]} cannot be both labels and prompts")
    inputs = [image] if journal is None else [image, journal]
    _check(outs, inputs, overwrite)
    with about(image):
        geometry = read_image(image).geometry
    subject = Subject(image, image.name, geometry.shape)
    journals = subject.journals()
    _check(outs, journals, overwrite)
    problems: list[str] = []
    if journal is None:
        journal, saved = _newest(image, journals, geometry.shape, problems)
    else:
        with about(journal):
            saved = read_journal(journal)
    if saved.shape != geometry.shape:
        raise ValueError(
            f"{journal} is about an image of shape {saved.shape}, not {geometry.shape}"
        )
    if saved.damaged or saved.lost:
        problems.append(_told(journal, saved))
    largest = max(saved.ledger.objects, default=0)
    if labels is not None:
        check_labels_fit(labels, geometry, largest)
    with about(journal):
        session = saved.resume(blank_labels(saved.shape, largest))
    if prompts is not None:
        write_prompts(prompts, exported(session), image)
    if labels is not None:
        ids = {number: number for number in session.objects}
        names = legend(session)
        write_session(labels, session, geometry, names, ids, semantic, image)
    return Exported(journal, tuple(problems))


def _check(outs: Iterable[Path], inputs: Iterable[Path], overwrite: bool) -> None:
    inputs = list(inputs)
    for out in outs:
        check_output(out, inputs, overwrite)


def _newest(
    image: Path, journals: Iterable[Path], shape: tuple[int, ...], problems: list[str]
) -> tuple[Path, Saved]:
    """Return the newest journal that can be read; note what newer ones lack."""
    for path in journals:
        try:
            saved = read_journal(path)
        except DamagedJournalError as error:
            problems.append(f"{error}; an older one was looked for")
            continue
        if saved.shape == shape and not saved.empty:
            return path, saved
    problems.append(
        f"there is no journal of {image}: the plugin writes one when the image was "
        "opened from this very file"
    )
    raise FileNotFoundError("; ".join(problems))


def _told(journal: Path, saved: Saved) -> str:
    what = "is damaged" if saved.damaged and saved.lost else "was cut short"
    whole = saved.size + saved.lost
    return (
        f"{journal} {what} after change {saved.number}: {saved.lost} of {whole} "
        "bytes cannot be read, and what was done from there on is missing from what "
        "was written"
    )
