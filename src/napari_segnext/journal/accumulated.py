"""All that a journal tells, summed up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from napari_segnext.journal.runs import Runs, fold
from napari_segnext.labels.diffs import Diff
from napari_segnext.session import Record, SegmentedObject
from napari_segnext.session.proposed import Findings
from napari_segnext.session.state import Delta, everything


class Ledger:
    """What a session knows, kept from its records apart from the session itself.

    It is small, so it can be kept in memory: labels as runs, the rest shared with
    the session.

    Attributes
    ----------
    objects, findings, current, semantic, taught
        As in the session.
    """

    def __init__(self) -> None:
        self.objects: dict[int, SegmentedObject] = {}
        self.findings = Findings()
        self.current = 0
        self.semantic = False
        self.taught = ""
        self._labels: list[Runs] = []
        self._folded = True

    def add(self, record: Record) -> None:
        """Take in a change."""
        record.delta.apply(self.objects, self.findings)
        if record.delta.current is not None:
            self.current = record.delta.current
        if record.delta.semantic is not None:
            self.semantic = record.delta.semantic
        if record.delta.taught is not None:
            self.taught = record.delta.taught
        if len(record.diff):
            self._labels.append(record.diff.after)
            self._folded = False

    def fold(self) -> None:
        """Sum up the labels now, so that `records` need not."""
        if not self._folded:
            self._labels, self._folded = list(fold(self._labels)), True

    def __len__(self) -> int:
        """Return how many records the sum has."""
        self.fold()
        return 1 + len(self._labels)

    def records(self) -> Iterator[Record]:
        """Yield the sum, as changes from nothing."""
        self.fold()
        delta = everything(
            self.objects, self.findings, self.current, self.semantic, self.taught
        )
        yield Record("all", delta, Diff())
        for runs in self._labels:
            nothing = replace(runs, value=np.zeros_like(runs.value))
            yield Record("labels", Delta(), Diff(nothing, runs))
