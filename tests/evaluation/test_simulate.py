"""Simulated prompts lie where a user would draw them."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import disk, polygon2mask

from napari_segnext.evaluation.clicker import RobotClick
from napari_segnext.evaluation.simulate import (
    FIRST_PROMPTS,
    box,
    first_prompt,
    polygon,
    scribble,
    shaky,
)


def masks() -> dict[str, np.ndarray]:
    names = ("disk", "ring", "line", "dot", "two", "edge")
    shapes = {name: np.zeros((300, 260), bool) for name in names}
    shapes["disk"][disk((120, 130), 60)] = True
    shapes["ring"][disk((150, 130), 90)] = True
    shapes["ring"][disk((150, 130), 80)] = False
    shapes["line"][40:260, 130] = True
    shapes["dot"][299, 259] = True
    shapes["two"][10:20, 10:20] = True
    shapes["two"][100:200, 100:200] = True
    shapes["edge"][:, :40] = True
    return shapes


MASKS = masks()


@pytest.mark.parametrize("kind", FIRST_PROMPTS)
@pytest.mark.parametrize("name", MASKS)
def test_prompts_lie_in_the_image_and_are_positive(name: str, kind) -> None:
    mask = MASKS[name]
    for seed in range(5):
        prompts = first_prompt(kind, mask, np.random.default_rng(seed))
        assert len(prompts) == 1
        assert prompts.items[0].positive
        prompts.check_inside((300, 260))


@pytest.mark.parametrize("name", MASKS)
def test_scribbles_stay_on_the_object(name: str) -> None:
    mask = MASKS[name]
    for seed in range(5):
        path, width = scribble(mask, np.random.default_rng(seed))
        assert len(path) >= 1
        rows, columns = path.astype(int).T
        assert mask[rows, columns].all()
        assert 1 <= width <= 5


def test_scribble_is_long_and_varies() -> None:
    paths = [scribble(MASKS["line"], np.random.default_rng(s))[0] for s in range(5)]
    assert min(np.ptp(path[:, 0]) for path in paths) > 90
    assert len({tuple(path[0]) for path in paths}) > 1


def test_box_is_nearly_the_bounding_box() -> None:
    for seed in range(10):
        (y0, x0), (y1, x1) = box(MASKS["two"], np.random.default_rng(seed))
        assert np.abs(np.array([y0, x0, y1, x1]) - [10, 10, 199, 199]).max() < 40
        assert y0 < y1 and x0 < x1


def test_polygon_nearly_fills_the_largest_piece() -> None:
    for seed in range(10):
        vertices = polygon(MASKS["two"], np.random.default_rng(seed))
        drawn = polygon2mask((300, 260), vertices)
        largest = MASKS["two"].copy()
        largest[:50] = False
        assert (drawn & largest).sum() / (drawn | largest).sum() > 0.85
        assert len(vertices) < 20


def test_empty_mask_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        first_prompt("box", np.zeros((5, 5), bool), np.random.default_rng(0))


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="known: click"):
        first_prompt("spiral", np.ones((5, 5), bool), np.random.default_rng(0))


def test_steady_hand_clicks_like_the_robot() -> None:
    click = RobotClick(120, 130, True, 60.0)
    assert shaky(click, MASKS["disk"], 0.0, np.random.default_rng(0)) == (120, 130)


def test_shaky_hand_spreads_with_the_room_there_is() -> None:
    rng = np.random.default_rng(0)
    click = RobotClick(120, 130, True, 60.0)
    at = np.array([shaky(click, MASKS["disk"], 0.3, rng) for _ in range(300)])
    assert 12 < at[:, 0].std() < 20
    assert all(MASKS["disk"][y, x] for y, x in at)
