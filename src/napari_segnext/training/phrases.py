"""Images with labels and phrases that name them, as they lie in a folder."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_segnext.evaluation import Sample
from napari_segnext.images.intensity import WindowRule
from napari_segnext.training.data import LabelledImage
from napari_segnext.training.folders import read_folders

PHRASES = "phrases"
_COLUMNS = ("file", "label", "phrase")


@dataclass(frozen=True, slots=True)
class Named:
    """A labelled plane, and phrase -> the labels in it that it means together."""

    sample: Sample
    phrases: Mapping[str, frozenset[int]]


def read_phrases(folder: Path) -> list[Named]:
    """List the planes of a folder in which something has a name.

    Parameters
    ----------
    folder
        Holds ``image/`` and ``annotation/``, as
        `napari_segnext.training.folders.read_folders` wants them, and
        ``phrases.csv`` with the columns ``file`` (name before the first dot),
        ``label`` and ``phrase``, a row for each phrase of each label. A phrase that
        several labels of a file have means all of them.

    Raises
    ------
    ValueError
        If a row does not fit, or nothing is named.
    OSError
        If a file cannot be read.
    """
    path = folder / f"{PHRASES}.csv"
    said = _read_rows(path)
    named = []
    found: dict[str, set[int]] = {}
    for sample in read_folders(folder):
        # A sample is named after its file and its plane.
        file = sample.name.rpartition(" ")[0]
        found.setdefault(file, set()).update(sample.objects)
        here = {
            phrase: frozenset(labels & set(sample.objects))
            for phrase, labels in said.get(file, {}).items()
            if labels & set(sample.objects)
        }
        if here:
            named.append(Named(sample, here))
    for file, phrases in said.items():
        lost = sorted(set().union(*phrases.values()) - found.get(file, set()))
        if lost:
            raise ValueError(
                f"{path} names label {lost[0]} of {file!r}, which annotation/ does "
                "not have"
            )
    return named


def _read_rows(path: Path) -> dict[str, dict[str, set[int]]]:
    """Return file -> phrase -> labels."""
    said: dict[str, dict[str, set[int]]] = {}
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: a table with the columns {', '.join(_COLUMNS)}"
        )
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if not set(_COLUMNS) <= set(rows.fieldnames or ()):
            raise ValueError(f"{path} needs the columns {', '.join(_COLUMNS)}")
        for row in rows:
            name, label, phrase = (str(row[c] or "").strip() for c in _COLUMNS)
            if not (name and phrase and label.isdecimal() and int(label)):
                raise ValueError(
                    f"{path}, line {rows.line_num}: a row is a file, a label from 1 "
                    f"and a phrase, not {name!r}, {label!r}, {phrase!r}"
                )
            phrases = said.setdefault(name.split(".")[0], {})
            phrases.setdefault(" ".join(phrase.split()), set()).add(int(label))
    if not said:
        raise ValueError(f"{path} names nothing")
    return said


def write_phrases(folder: Path, rows: Iterable[tuple[str, int, str]]) -> None:
    """Write ``phrases.csv``: file, label and phrase of each row."""
    with (folder / f"{PHRASES}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows(rows)


class NamedImages:
    """The planes that `read_phrases` lists, read each time that one is drawn."""

    def __init__(self, named: Sequence[Named], window: WindowRule) -> None:
        self._named, self._window = named, window

    def __call__(self, rng: np.random.Generator) -> LabelledImage:
        """Draw one plane."""
        drawn = self._named[int(rng.integers(len(self._named)))]
        labels = [drawn.sample.labels().astype(np.int32)]
        image = LabelledImage.of(drawn.sample.image(), labels, self._window)
        return replace(image, phrases=drawn.phrases)
