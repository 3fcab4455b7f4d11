"""Sections that are brighter than others are told from changes of tissue."""

import numpy as np
import pytest

from napari_segnext.propagation.brightness import Brightness

rng = np.random.default_rng(0)
TISSUE = rng.random((40, 40, 3)).astype(np.float32)
JUMPS = np.array([0.0, 0.3, -0.2, 0.1, 0.1], np.float32)


@pytest.mark.parametrize("start", [0, 2, 4])
def test_jumps_add_up_both_ways(start: int) -> None:
    brightness = Brightness(start, lambda index: TISSUE + JUMPS[index])
    for index, jump in enumerate(JUMPS):
        expected = np.full(3, jump - JUMPS[start])
        np.testing.assert_allclose(
            np.broadcast_to(brightness.at(index), 3), expected, atol=1e-5
        )


def test_what_appears_in_less_than_half_of_the_image_is_no_jump() -> None:
    def read(index: int) -> np.ndarray:
        image = TISSUE.copy()
        image[: 4 * index] = 1
        return image

    assert np.abs(Brightness(0, read).at(5)).max() == 0


def test_each_section_is_compared_once() -> None:
    asked: list[int] = []

    def read(index: int) -> np.ndarray:
        asked.append(index)
        return TISSUE

    brightness = Brightness(3, read)
    for index in (4, 5, 6, 5, 2):
        brightness.at(index)
    assert len(asked) == 2 * 4
