"""Objects are told from their surroundings by intensity, where it tells."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.propagation.appearance import Appearance

rng = np.random.default_rng(0)
MASK = np.zeros((40, 40), bool)
MASK[10:30, 10:30] = True


def image(inside: float, outside: float, noise: float = 0.05) -> np.ndarray:
    grey = np.where(MASK, inside, outside) + rng.normal(0, noise, MASK.shape)
    return np.clip(grey, 0, 1).astype(np.float32)[..., None].repeat(3, -1)


@pytest.mark.parametrize(("inside", "outside"), [(0.7, 0.4), (0.2, 0.6)])
def test_the_object_is_like_itself_and_the_background_is_not(inside, outside) -> None:
    appearance = Appearance([(image(inside, outside), MASK)])
    assert appearance.likeness(image(inside, outside), MASK) == pytest.approx(
        1, abs=0.1
    )
    assert appearance.likeness(image(outside, outside), MASK) < -0.5
    half = (inside + outside) / 2
    assert -0.7 < appearance.likeness(image(half, outside), MASK) < 0.7


def test_texture_without_a_difference_in_grey_says_nothing() -> None:
    appearance = Appearance([(image(0.5, 0.5), MASK)])
    assert appearance.likeness(image(0.9, 0.1), MASK) == 1


def test_one_channel_that_tells_is_enough() -> None:
    example, gone = image(0.5, 0.5), image(0.5, 0.5)
    example[..., 1] = image(0.8, 0.3)[..., 1]
    gone[..., 1] = image(0.3, 0.3)[..., 1]
    appearance = Appearance([(example, MASK)])
    assert appearance.likeness(gone, MASK) < -0.5


def test_several_examples_count_together() -> None:
    dark, bright = image(0.5, 0.2), image(0.8, 0.2)
    both = Appearance([(dark, MASK), (bright, MASK)])
    assert both.likeness(dark, MASK) > 0.5
    assert both.likeness(bright, MASK) > 0.5
    assert Appearance([(dark, MASK)]).likeness(bright, MASK) < 0.5


def test_only_what_is_near_counts_as_surroundings() -> None:
    wide = np.zeros((80, 80, 3), np.float32)
    mask = np.zeros((80, 80), bool)
    mask[30:50, 30:50] = True
    wide[mask], far = 0.7, np.ones((80, 80), bool)
    far[18:62, 18:62] = False
    wide[far] = 0.7
    appearance = Appearance([(wide, mask)])
    assert appearance.likeness(wide, far) == pytest.approx(1, abs=0.1)


def test_an_object_that_fills_the_image_has_no_surroundings() -> None:
    full = np.ones_like(MASK)
    appearance = Appearance([(image(0.5, 0.5), full)])
    assert appearance.likeness(image(0.5, 0.5), full) == pytest.approx(1, abs=0.1)
