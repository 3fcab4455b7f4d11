"""Taking in objects that were made elsewhere: in another session, or as labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from napari_segnext.files.categories import check_distinct
from napari_segnext.labels.diffs import Diff
from napari_segnext.labels.scan import Scanned
from napari_segnext.session import operations
from napari_segnext.session.classes import Classified
from napari_segnext.session.state import Delta, Info


class Adopting(Classified):
    """Objects, beside which others can be taken in.

    They get the voxels that nothing has; what is there stays as it is. Parameters and
    attributes are those of `ObjectBook`.
    """

    def free_ids(self, wanted: Iterable[int]) -> dict[int, int]:
        """Return ids under which other objects can be taken in; they stay if they can.

        Raises
        ------
        ValueError
            If the labels' type does not hold so many.
        """
        self.labels.settle()
        wanted = list(wanted)
        taken = {n for n in wanted if n in self._objects and not self._is_fresh(n)}
        limit = int(np.iinfo(self._painter.dtype).max)
        return operations.free_ids(wanted, taken, self._used_ids(), limit)

    def adopt(self, other: Classified, ids: Mapping[int, int]) -> None:
        """Take in the objects of another session of the same image: one step.

        Parameters
        ----------
        ids
            From `free_ids`, of all objects of the other session.

        Raises
        ------
        ValueError
            As `check_category`. Nothing has changed then.
        """
        self.labels.settle()
        for category in other.categories:
            self.check_category(category)
        new_ids = np.zeros(max(ids) + 1, np.int64)
        new_ids[list(ids)] = list(ids.values())
        delta, has = operations.adopted(other.objects, new_ids), self._values()
        for number, info in delta.objects.items():
            if info is not None and info.value in has:
                delta.objects[number] = replace(info, value=number)
        runs = Diff.joined(other._painter.pages()).after
        diff = self._painter.filling(replace(runs, value=new_ids[runs.value]))
        self._take_in("import", next(iter(ids.values())), delta, diff)

    def adopt_labels(self, labels: Scanned) -> list[int]:
        """Make every label an object without prompts: one step.

        Files get it with the value that it has there, unless another object has that.

        Returns
        -------
        The ids of the objects; a label of which no voxel was free is none

        Raises
        ------
        ValueError
            If no voxel of any was free, the session has no room for so many objects,
            or a class could be mistaken for another. Nothing has changed then.
        """
        self.labels.settle()
        classes = (c for each in labels.names.values() if (c := each.category))
        check_distinct([*self.categories, *classes])
        ids = self.free_ids(labels.values.tolist())
        numbers = np.array([*ids.values()], np.int64)
        runs, tally = replace(labels.runs, value=numbers[labels.places]), labels.tally
        if tally is not None:
            own = np.searchsorted(labels.values, tally.ids)
            tally = tally.renumbered(numbers[own])
        diff = self._painter.filling(runs, tally)
        found = diff.after.ids
        if not found:
            raise ValueError("there is no label where no object is yet")
        delta, has = Delta(), self._values()
        value_of = {number: value for value, number in ids.items()}
        for number in found:
            value = value_of[number]
            named = labels.names[value]
            kept = number if value in has else value
            info = Info(named.name, category=named.category, value=kept)
            delta.objects[number] = info
        self._take_in("labels", found[0], delta, diff)
        return found

    def _values(self) -> set[int]:
        """Return the values that objects have in files."""
        return {n.value for n in self._objects.values() if not self._is_fresh(n.id)}

    def _take_in(self, what: str, current: int, delta: Delta, diff: Diff) -> None:
        """Take in objects, and go to one of them; an empty one makes room."""
        known = self.current in self._objects and self.current not in delta.objects
        if known and self._is_fresh(self.current):
            delta.objects[self.current] = None
        delta.current = current
        # It is not about one object; a late mask of any takes what would be its.
        step = self._step(what, 0, None, delta)
        step.settles, step.diff = set(delta.prompts), diff
        self._take(step)
