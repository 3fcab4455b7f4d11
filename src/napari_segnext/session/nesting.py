"""Which objects lie inside which others, as their classes say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from napari_segnext.files.categories import Category, enclosing
from napari_segnext.session.state import SegmentedObject

_NONE: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Nesting:
    """Objects around and inside others.

    Attributes
    ----------
    around, inside
        Of each object that has some, those whose class lies around its own, and those
        whose class lies inside.
    below
        Of each object that lies in one object alone, that one: of all its voxels it is
        known what they become where it leaves them.
    """

    around: Mapping[int, frozenset[int]] = field(default_factory=dict)
    inside: Mapping[int, frozenset[int]] = field(default_factory=dict)
    below: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, objects: Mapping[int, SegmentedObject]) -> Nesting:
        """Return how objects lie by their classes."""
        categories = {c for each in objects.values() if (c := each.category)}
        enclosed = enclosing(categories)
        if not enclosed:
            return cls()
        members = defaultdict[int, set[int]](set)
        for number, each in objects.items():
            if each.category:
                members[each.category.value].add(number)
        around, inside = dict[int, frozenset[int]](), defaultdict[int, set[int]](set)
        below = dict[int, int]()
        for value, outer in enclosed.items():
            others = frozenset[int]().union(*(members[at] for at in outer))
            around |= dict.fromkeys(members[value], others)
            for number in others:
                inside[number] |= members[value]
            nearest = next((members[at] for at in outer if members[at]), set[int]())
            if len(nearest) == 1:
                below |= dict.fromkeys(members[value], *nearest)
        within = {n: frozenset(inner) for n, inner in inside.items()}
        return cls(around, within, below)

    def outer(self, number: int) -> frozenset[int]:
        """Return the objects that one may be drawn on."""
        return self.around.get(number, _NONE)

    def inner(self, number: int) -> frozenset[int]:
        """Return the objects that stay on top of one."""
        return self.inside.get(number, _NONE)


def around(
    objects: Mapping[int, SegmentedObject], category: Category | None
) -> frozenset[int]:
    """Return the objects that one of a class may be drawn on."""
    if category is None:
        return _NONE
    known = {c for each in objects.values() if (c := each.category)}
    values = enclosing({category, *known}).get(category.value, ())
    classes = {number: each.category for number, each in objects.items()}
    return frozenset(n for n, each in classes.items() if each and each.value in values)
