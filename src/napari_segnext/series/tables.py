"""One table over all cases of a series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_segnext.series.cases import Case
from napari_segnext.series.past_work import PastWork
from napari_segnext.series.progress import State, read_progress
from napari_segnext.session.table import Row, write_rows


class SeriesTable:
    """Rows of cases, added one by one: those of `export --csv`, by case and image."""

    def __init__(self) -> None:
        self._columns = ["case", "image"]
        self._rows: list[Row] = []
        self._images: list[Path] = []

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self._rows)

    def add(self, case: Case) -> tuple[str, ...]:
        """Add what was done in a case; nothing, if nothing was.

        Returns
        -------
        What its journal held that could not be read; a sentence each.

        Raises
        ------
        ValueError, OSError
            If the case, or what was done in it, cannot be read.
        """
        known = read_progress(case)
        if known.state is State.UNREADABLE:
            raise ValueError(f"{case.name}: {known.told}")
        if known.image is None:
            return ()
        work = PastWork.of(known.image)
        columns, rows = work.table(work.session())
        self._columns += [name for name in columns if name not in self._columns]
        told = {"case": case.name, "image": known.image.name}
        self._rows += [told | row for row in rows]
        self._images.append(known.image)
        return tuple(work.problems)

    def write(self, path: Path) -> None:
        """Write a CSV file, which nobody may read who may not read the first image.

        Raises
        ------
        OSError, ValueError
            If it cannot be written.
        """
        write_rows(path, self._columns, self._rows, next(iter(self._images), None))

    @property
    def images(self) -> Sequence[Path]:
        """The images that rows are of."""
        return tuple(self._images)
