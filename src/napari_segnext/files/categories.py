"""Names of objects, and the classes by which they become semantic labels."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, order=True)
class Category:
    """A class of objects.

    Attributes
    ----------
    value
        Of all its objects in semantic labels, at least 1.
    name
        What the user calls it.
    inside
        Value of the class that its objects lie inside of, 0 of none.
    """

    value: int
    name: str
    inside: int = 0

    def __post_init__(self) -> None:
        for name, least in (("value", 1), ("inside", 0)):
            given = getattr(self, name)
            try:
                whole = operator.index(given)
            except TypeError:
                whole = -1
            if whole < least:
                raise ValueError(
                    f"a class has a value of at least 1, a whole number, not {given!r}"
                )
            object.__setattr__(self, name, whole)
        if not self.name:
            raise ValueError("a class needs a name")


@dataclass(frozen=True, slots=True)
class Named:
    """What an object is called, and its class if it has one."""

    name: str
    category: Category | None = None


Values: TypeAlias = NDArray[np.integer[Any]]
# By value in the labels.
Legend: TypeAlias = Mapping[int, Named]


def check_distinct(categories: Iterable[Category]) -> None:
    """Check that no class can be mistaken for another, and none lies inside itself.

    Raises
    ------
    ValueError
        If two have the same value or the same name, but not both, or a class lies
        inside another that lies inside it.
    """
    by_value, by_name = dict[int, Category](), dict[str, Category]()
    categories = list(categories)
    for each in categories:
        same_value = by_value.setdefault(each.value, each)
        same_name = by_name.setdefault(each.name, each)
        for other in (same_value, same_name):
            if (other.value, other.name) != (each.value, each.name):
                raise ValueError(
                    f"{each.value} {each.name} would be mistaken for the class "
                    f"{other.value} {other.name}: a class has one value and one name"
                )
    around = enclosing(categories)
    for each in categories:
        if each.value in around.get(each.value, ()):
            raise ValueError(
                f"{each.name} cannot lie inside a class that lies inside {each.name}"
            )


def enclosing(categories: Iterable[Category]) -> dict[int, tuple[int, ...]]:
    """Return the values of the classes around each, from the nearest, by its value."""
    inside = {each.value: each.inside for each in categories if each.inside}
    around = {}
    for value in inside:
        found, outer = list[int](), inside[value]
        while outer and outer not in found:
            found.append(outer)
            outer = inside.get(outer, 0)
        around[value] = tuple(found)
    return around


def semantic_values(legend: Legend) -> dict[int, int]:
    """Return the value in semantic labels of each object.

    Raises
    ------
    ValueError
        If an object has no class; it is named. As `check_distinct`.
    """
    classes = {}
    for number, named in legend.items():
        if named.category is None:
            raise ValueError(
                f"{named.name} has no class: choose one, or write one value per object"
            )
        classes[number] = named.category
    check_distinct(classes.values())
    return {number: category.value for number, category in classes.items()}
