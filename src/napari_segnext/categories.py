"""Names of objects, and the classes by which they become semantic labels."""

from __future__ import annotations

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
        if self.value < 1:
            raise ValueError(f"a class has a value of at least 1, not {self.value}")
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


def semantic(labels: Values, legend: Legend) -> tuple[Values, Legend]:
    """Return labels with one value per class, and what these values are called.

    Parameters
    ----------
    labels
        One value per object, 0 for none.
    legend
        Of all objects in the labels; others do not matter.

    Raises
    ------
    ValueError
        As `semantic_values`.
    """
    inside = labels != 0
    ids, index = np.unique(labels[inside], return_inverse=True)
    named = {n: legend.get(n, Named(f"Object {n}")) for n in ids.tolist()}
    values = semantic_values(named)
    classes = np.array([values[n] for n in ids.tolist()], np.int64)
    whole = np.zeros(labels.shape, np.int64)
    whole[inside] = classes[index]
    used = {each.category for each in named.values() if each.category}
    return whole, {each.value: Named(each.name, each) for each in used}
