from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import ellipse

pytest.importorskip("cv2", reason="training needs the extra `train`")

from napari_segnext.prompts import Box, Click, Polygon, PromptStyle, Scribble
from napari_segnext.training.simulate import (
    MAX_FIRST_CLICKS,
    correction,
    depth,
    first_prompts,
    identity_frame,
    next_click,
    point_inside,
)


def blob(size: int = 96) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[ellipse(40, 50, 18, 28)] = True
    return mask


def test_depth_counts_the_border_as_outside() -> None:
    mask = np.ones((5, 5), bool)
    assert depth(mask)[2, 2] == 3
    assert depth(mask)[0, 0] == 1


@pytest.mark.parametrize("seed", range(20))
def test_a_point_inside_is_inside(seed: int) -> None:
    mask = blob()
    assert mask[point_inside(mask, np.random.default_rng(seed))]


def test_a_single_pixel_is_found() -> None:
    mask = np.zeros((20, 20), bool)
    mask[7, 9] = True
    for seed in range(10):
        assert point_inside(mask, np.random.default_rng(seed)) == (7, 9)


def test_first_prompts_of_all_kinds_are_on_the_object() -> None:
    mask, kinds = blob(), set()
    for seed in range(120):
        prompts = first_prompts(mask, np.random.default_rng(seed))
        kinds |= {type(p) for p in prompts}
        clicks = [p for p in prompts if isinstance(p, Click)]
        assert all(mask[int(p.at[0]), int(p.at[1])] == p.positive for p in clicks)
        assert sum(p.positive for p in clicks) <= MAX_FIRST_CLICKS
        assert prompts.items[0].positive
        prompts.check_inside(mask.shape)
    assert kinds == {Click, Box, Polygon, Scribble}


def test_boxes_and_polygons_follow_the_object() -> None:
    mask = blob()
    overlaps = []
    for seed in range(200):
        prompts = first_prompts(mask, np.random.default_rng(seed))
        if isinstance(prompts.items[0], (Box, Polygon)):
            drawn = prompts.to_dense(identity_frame(96), PromptStyle(2))[0] > 0
            overlaps.append((drawn & mask).sum() / (drawn | mask).sum())
    assert len(overlaps) > 10
    assert np.mean(overlaps) > 0.65


def test_the_same_seed_gives_the_same_prompts() -> None:
    mask = blob()
    first, second = (first_prompts(mask, np.random.default_rng(3)) for _ in range(2))
    assert first == second


def test_a_correction_goes_into_the_larger_error() -> None:
    mask = blob()
    missing = mask.copy()
    missing[:, :45] = False
    y, x, positive = correction(missing, mask, np.random.default_rng(0)) or (0, 0, None)
    assert positive is True
    assert mask[y, x]
    assert not missing[y, x]
    extra = mask.copy()
    extra[70:, 70:] = True
    y, x, positive = correction(extra, mask, np.random.default_rng(0)) or (0, 0, None)
    assert positive is False
    assert y >= 70
    assert x >= 70


def test_nothing_is_corrected_when_all_is_right() -> None:
    assert correction(blob(), blob(), np.random.default_rng(0)) is None


def test_some_clicks_say_what_is_right_already() -> None:
    mask, rng = blob(), np.random.default_rng(0)
    prediction = mask.copy()
    prediction[: len(mask) // 2] = False
    clicks = [next_click(prediction, mask, rng) for _ in range(400)]
    needless = []
    for y, x, positive in filter(None, clicks):
        if prediction[y, x] == mask[y, x]:
            assert positive == mask[y, x]
            needless.append(positive)
    assert 0.1 < len(needless) / 400 < 0.2
    assert {True, False} == set(needless)
