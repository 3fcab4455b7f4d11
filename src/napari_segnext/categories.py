"""Names of objects, and the classes by which they become semantic labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


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


# By value in the labels.
Legend: TypeAlias = Mapping[int, Named]


def semantic_values(legend: Legend) -> dict[int, int]:
    """Return the value in semantic labels of each object.

    Raises
    ------
    ValueError
        If an object has no class, or one value stands for several; it is named.
    """
    values, names = {}, dict[int, str]()
    for number, named in legend.items():
        category = named.category
        if category is None:
            raise ValueError(
                f"{named.name} has no class: choose one, or write one value per object"
            )
        if names.setdefault(category.value, category.name) != category.name:
            raise ValueError(
                f"the classes {names[category.value]} and {category.name} both have "
                f"the value {category.value}"
            )
        values[number] = category.value
    return values
