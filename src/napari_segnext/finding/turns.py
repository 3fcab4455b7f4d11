"""Work that is done piece by piece, done at once."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from napari_segnext.models import Cancelled

Told = TypeVar("Told")
Outcome = TypeVar("Outcome")


def at_once(
    work: Generator[Told, None, Outcome],
    cancelled: Callable[[], bool],
    tell: Callable[[Told], object] = lambda told: None,
) -> Outcome:
    """Do all pieces of some work, and return its outcome.

    Parameters
    ----------
    cancelled
        Asked before every piece.
    tell
        Given what a piece yields.

    Raises
    ------
    napari_segnext.models.Cancelled
        If `cancelled` said so.
    """
    while True:
        if cancelled():
            raise Cancelled
        try:
            told = next(work)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        tell(told)
