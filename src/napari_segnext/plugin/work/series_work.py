"""What is read and written of a series beside the window: generators for a thread."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TypeAlias

from napari_segnext.files.checks import about
from napari_segnext.plugin.readers import LayerData, read_layers
from napari_segnext.series import (
    Case,
    Progress,
    SeriesTable,
    read_progress,
    read_series,
)

# By the number of the case.
Read: TypeAlias = dict[int, Progress]

# Of a case: modality, file, and what becomes a layer.
Found: TypeAlias = list[tuple[str, Path, LayerData]]

# How long what is read waits to be shown with more.
_SHOWN_EACH_S = 0.1


def listing(path: Path) -> Generator[list[Case] | Read, None, None]:
    """Yield the cases of a series, then how far some of them are, until all are told.

    Raises
    ------
    ValueError, OSError
        As `read_series`.
    """
    cases = read_series(path)
    yield cases
    read, shown = Read(), time.monotonic()
    for number, case in enumerate(cases):
        read[number] = read_progress(case)
        if time.monotonic() - shown > _SHOWN_EACH_S:
            yield read
            read, shown = Read(), time.monotonic()
    yield read


def read_case(case: Case) -> Found:
    """Read the images of a case.

    Raises
    ------
    ValueError, OSError
        If one cannot be read, or is labels.
    """
    found = Found()
    for modality, path in case.images:
        with about(path):
            layers = read_layers(str(path))
        for layer in layers:
            if layer[2] != "image":
                raise ValueError(f"{path} is labels, not an image")
            found.append((modality, path, layer))
    return found


def tabulating(
    path: Path, cases: Sequence[Case]
) -> Generator[tuple[int, int], None, list[str]]:
    """Write one table of all cases; yield how many are read, of how many.

    Returns
    -------
    What could not be read, a sentence each.

    Raises
    ------
    OSError, ValueError
        If it cannot be written.
    """
    table, problems = SeriesTable(), list[str]()
    for done, case in enumerate(cases):
        yield done, len(cases)
        try:
            problems += table.add(case)
        except (ValueError, OSError) as error:
            problems.append(str(error))
    table.write(path)
    return problems
