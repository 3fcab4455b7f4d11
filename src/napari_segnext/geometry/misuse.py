"""Telling in one line what was given in place of what is wanted."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def expect(value: T, kind: type, said: str) -> T:
    """Return a value that is what is wanted.

    Parameters
    ----------
    said
        What is wanted, and how it is made.

    Raises
    ------
    TypeError
        If it is of another kind.
    """
    if not isinstance(value, kind):
        given = repr(value) if isinstance(value, str) else type(value).__name__
        raise TypeError(f"{said}, not {given}")
    return value
