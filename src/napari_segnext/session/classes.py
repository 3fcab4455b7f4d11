"""Classes of objects, and which of them lie inside which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import replace

import numpy as np

from napari_segnext.files.categories import Category, check_distinct
from napari_segnext.session.book import ObjectBook
from napari_segnext.session.state import Delta


class Classified(ObjectBook):
    """Objects that have classes.

    Parameters and attributes are those of `ObjectBook`.
    """

    @property
    def categories(self) -> list[Category]:
        """The classes of all objects, by value."""
        every = {c for each in self._objects.values() if (c := each.category)}
        # Of what came from files not all may say what the class lies inside of.
        return list({each.value: each for each in sorted(every)}.values())

    def categorise(self, object_ids: Iterable[int], category: Category | None) -> None:
        """Make objects members of a class, or of none: one step.

        Raises
        ------
        ValueError
            As `check_category`.
        """
        self.labels.settle()
        chosen = {n: self._known(n).info for n in object_ids}
        if category is not None:
            self.check_category(category, chosen)
            same = (c for c in self.categories if c.value == category.value)
            if not category.inside:
                outer = max((c.inside for c in same), default=0)
                category = replace(category, inside=outer)
        infos = {n: replace(info, category=category) for n, info in chosen.items()}
        if infos and infos != chosen:
            delta = Delta(objects=dict(infos))
            self._take(self._step("class", next(iter(infos)), None, delta))

    def nest(self, value: int, inside: int) -> None:
        """Let the objects of a class lie inside those of another: one step.

        They may be drawn where those are, finished or not, and stay on top of them.

        Parameters
        ----------
        value, inside
            Of the two classes; 0: inside of none.

        Raises
        ------
        ValueError
            If there is no such class, or the other lies inside it.
        """
        self.labels.settle()
        members = {
            number: each.info
            for number, each in self._objects.items()
            if each.category and each.category.value == value
        }
        infos = dict(members)
        for number, info in members.items():
            assert info.category is not None
            infos[number] = replace(
                info, category=replace(info.category, inside=inside)
            )
        if not infos:
            raise ValueError(f"there is no class {value}")
        others = (c for c in self.categories if c.value != value)
        check_distinct([*others, *(c for i in infos.values() if (c := i.category))])
        if infos != members:
            self._take(self._step("nest", 0, None, Delta(objects=dict(infos))))

    def with_inner(self, object_id: int) -> list[int]:
        """Return an object and those inside it, which count to its size.

        Where there are several objects of its class, those inside it are the ones that
        were drawn on it.
        """
        category = self._known(object_id).category
        inner = sorted(self.nesting.inner(object_id))
        if inner and self._members(category) > 1:
            inner = [n for n in inner if object_id in self._drawn_on(n)]
        return [object_id, *inner]

    def inner_of_all(self) -> dict[int, list[int]]:
        """Return of each object that has some those inside it; see `with_inner`."""
        alone = {each for each in self.categories if self._members(each) == 1}
        found = defaultdict[int, list[int]](list)
        for number in sorted(self.nesting.around):
            drawn_on = self._drawn_on(number)
            for outer in self.nesting.outer(number):
                if outer in drawn_on or self._objects[outer].category in alone:
                    found[outer].append(number)
        return dict(found)

    def check_category(self, category: Category, besides: Container[int] = ()) -> None:
        """Check that a class is not mistaken for one that objects have already.

        Parameters
        ----------
        besides
            Objects whose class does not matter.

        Raises
        ------
        ValueError
            As `napari_segnext.files.categories.check_distinct`.
        """
        others = (each for n, each in self._objects.items() if n not in besides)
        check_distinct([*(c for each in others if (c := each.category)), category])

    def _members(self, category: Category | None) -> int:
        return sum(each.category == category for each in self._objects.values())

    def _drawn_on(self, object_id: int) -> set[int]:
        """Return what is below an object, by id."""
        results = self._objects[object_id].results.values()
        bases = [each.base.runs.value for each in results]
        return set(np.concatenate(bases).tolist()) if bases else set()
