from __future__ import annotations

from collections.abc import Generator

import pytest

from napari_segnext.finding.turns import at_once, begun_anew
from napari_segnext.models import Cancelled


def counting() -> Generator[int, None, str]:
    yield 1
    yield 2
    return "done"


def test_all_pieces_are_done_and_told() -> None:
    told: list[int] = []
    assert at_once(counting(), lambda: False, told.append) == "done"
    assert told == [1, 2]


def test_no_piece_is_begun_once_cancelled() -> None:
    told: list[int] = []
    with pytest.raises(Cancelled):
        at_once(counting(), lambda: told == [1], told.append)
    assert told == [1]


def test_an_interrupted_piece_is_begun_anew() -> None:
    tried = []

    def piece() -> str:
        tried.append(1)
        if len(tried) < 3:
            raise Cancelled
        return "done"

    work = begun_anew(piece, lambda: len(tried))
    assert [next(work), next(work)] == [1, 2]
    with pytest.raises(StopIteration, match="done"):
        next(work)
