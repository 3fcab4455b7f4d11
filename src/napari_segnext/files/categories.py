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
    """

    value: int
    name: str

    def __post_init__(self) -> None:
        try:
            whole = operator.index(self.value)
        except TypeError:
            whole = 0
        if whole < 1:
            raise ValueError(
                f"a class has a value of at least 1, a whole number, not {self.value!r}"
            )
        object.__setattr__(self, "value", whole)
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
    """Check that no class can be mistaken for another.

    Raises
    ------
    ValueError
        If two have the same value or the same name, but not both.
    """
    by_value, by_name = dict[int, Category](), dict[str, Category]()
    for each in categories:
        same_value = by_value.setdefault(each.value, each)
        same_name = by_name.setdefault(each.name, each)
        for other in (same_value, same_name):
            if other != each:
                raise ValueError(
                    f"{each.value} {each.name} would be mistaken for the class "
                    f"{other.value} {other.name}: a class has one value and one name"
                )


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
