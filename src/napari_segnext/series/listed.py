"""Cases that a table lists: a name, and the file of each modality."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from napari_segnext.series.cases import Case, Modality
from napari_segnext.series.labels import is_labels

# What programs for tables put between cells.
_BETWEEN = ",;\t"


def listed_cases(path: Path) -> list[Case]:
    """Read a table of cases: CSV in UTF-8, whose first line names the columns.

    The column ``name`` has what a case is called, each other one the files of a
    modality, relative to the table. A cell may be empty. Columns of labels (``seg``,
    ``labels``, ``mask``) are left out.

    Raises
    ------
    ValueError
        If it has no such first line, or no case.
    OSError
        If it cannot be read.
    """
    lines = _lines(path)
    header = [cell.strip() for cell in lines[0]] if lines else []
    names = [cell.lower() for cell in header]
    if "name" not in names or len(names) < 2:
        raise ValueError(
            f"{path} has no column name and one of images: its first line names the "
            "columns, as name,flair,t1ce"
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{path} has two columns {twice or 'without a name'}")
    cases = [
        _case(path.parent, number, header, cells)
        for number, cells in enumerate(lines[1:], 2)
        if any(cell.strip() for cell in cells)
    ]
    if not cases:
        raise ValueError(f"{path} lists no cases below its first line")
    return cases


def _lines(path: Path) -> list[list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            between = max(_BETWEEN, key=first.count)
            return list(csv.reader(file, delimiter=between))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8: save it as CSV UTF-8") from error
    except csv.Error as error:
        raise ValueError(f"{path} is no table: {error}") from error


def _case(folder: Path, number: int, header: Sequence[str], cells: list[str]) -> Case:
    pairs = list(zip(header, (cell.strip() for cell in cells), strict=False))
    name = next((cell for column, cell in pairs if column.lower() == "name"), "")
    of_images = [column for column in header if column.lower() != "name"]
    wanted = [each for each in of_images if not is_labels(each)] or of_images
    given = {column: cell for column, cell in pairs if column in wanted and cell}
    images = [Modality(n, folder / Path(p).expanduser()) for n, p in given.items()]
    problem = ""
    if len(cells) > len(header):
        problem = f"line {number} has {len(cells)} cells, and there are {len(header)}"
        problem += " columns"
    elif not name:
        problem = f"line {number} has no name"
    elif not images:
        problem = f"line {number} names no image"
    lacks = tuple(each for each in wanted if each not in given)
    return Case(name or f"line {number}", tuple(images), lacks, problem)
