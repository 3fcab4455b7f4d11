"""Work that is done piece by piece: at once, and where pieces are interrupted."""

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


def begun_anew(
    piece: Callable[[], Outcome], tell: Callable[[], Told]
) -> Generator[Told, None, Outcome]:
    """Do a piece of work, and begin it anew where it was interrupted.

    Parameters
    ----------
    piece
        May raise `napari_segnext.models.Cancelled`; whoever goes on with the work
        decides whether that was for good.
    tell
        Returns what is yielded then.
    """
    while True:
        try:
            return piece()
        except Cancelled:
            yield tell()
