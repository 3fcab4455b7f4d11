"""Bounds of a configuration, which may come from anybody's file.

They are generous to every model there is, and keep a few bytes of text from asking
for hours or for terabytes.
"""

from __future__ import annotations

import reprlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from typing import Any

from torch.nn.modules.module import register_module_parameter_registration_hook

# Of the input's side, in model pixels.
LARGEST_SIZE = 2048
# Any number of an architecture: channels, blocks, heads, sides.
_LARGEST = 1_000_000
_LONGEST_TEXT, _MOST_ENTRIES, _DEEPEST = 200, 256, 8
# The largest published model has less than a thousand.
_MOST_PARAMETERS = 8000


def check_number(name: str, value: object, low: float, high: float) -> None:
    """Raise `ValueError` unless a value is a number within bounds."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    # NaN is in no bounds.
    if not number or not low <= value <= high:  # type: ignore[operator]
        raise ValueError(
            f"{name} is a number from {low:g} to {high:g}, not {reprlib.repr(value)}"
        )


def check_whole(name: str, value: object, low: int, high: int) -> None:
    """Raise `ValueError` unless a value is a whole number within bounds."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name} is a whole number, not {reprlib.repr(value)}")
    check_number(name, value, low, high)


def check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise `ValueError` unless a value is one of those that there are."""
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        known = ", ".join(map(str, choices))
        raise ValueError(f"{name} is one of {known}, not {reprlib.repr(value)}")


def check_triple(name: str, values: object, low: float, high: float) -> None:
    """Raise `ValueError` unless there are three numbers, each within bounds."""
    if not isinstance(values, tuple) or len(values) != 3:
        raise ValueError(f"{name} is three numbers, not {reprlib.repr(values)}")
    for value in values:
        check_number(name, value, low, high)


def check_arch(value: object, name: str = "arch", depth: int = 0) -> None:
    """Raise `ValueError` unless an architecture's numbers, texts and lists are sane."""
    match value:
        case None | bool():
            return
        case int() | float() if isfinite(value) and abs(value) <= _LARGEST:
            return
        case str() if len(value) <= _LONGEST_TEXT:
            return
        case Mapping() | list() | tuple() if depth < _DEEPEST:
            if len(value) <= _MOST_ENTRIES:
                inner = (
                    value.items() if isinstance(value, Mapping) else enumerate(value)
                )
                for key, each in inner:
                    check_arch(each, f"{name}.{reprlib.repr(key)}", depth + 1)
                return
    raise ValueError(f"{name} cannot be {reprlib.repr(value)}")


@contextmanager
def few_parameters() -> Iterator[None]:
    """Stop, with a `ValueError`, building a model that has more blocks than any."""
    thread, count = threading.get_ident(), 0

    def registered(*_: Any) -> None:
        nonlocal count
        if threading.get_ident() == thread:
            count += 1
            if count > _MOST_PARAMETERS:
                raise ValueError(f"it has more than {_MOST_PARAMETERS} tensors")

    hook = register_module_parameter_registration_hook(registered)
    try:
        yield
    finally:
        hook.remove()
