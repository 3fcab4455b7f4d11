"""How far a repair is, told as it goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

# Gets the share that is done, 0 to 1, and may raise to end it.
Tell: TypeAlias = Callable[[float], object]


def part_of(tell: Tell, first: float, last: float, count: float = 1) -> Tell:
    """Return what is told of a part that goes from one of `count` to another."""
    return lambda share: tell((first + (last - first) * share) / count)


def silent(share: float) -> None:
    """Tell nobody."""
