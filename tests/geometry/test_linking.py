from __future__ import annotations

import numpy as np

from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.linking import continued


def square(top: int, left: int, side: int = 10) -> Region:
    return Region((top, left), np.ones((side, side), bool))


def test_each_continues_the_one_that_it_overlaps_and_one_at_most() -> None:
    before = {7: square(0, 0), 9: square(40, 40)}
    found = [square(41, 42), square(2, 1), square(4, 4), square(80, 80)]
    assert continued(found, before) == {0: 9, 1: 7}


def test_what_hardly_overlaps_is_another_object() -> None:
    assert continued([square(9, 9)], {1: square(0, 0)}) == {}
    assert continued([], {1: square(0, 0)}) == {}
    assert continued([square(0, 0)], {}) == {}
