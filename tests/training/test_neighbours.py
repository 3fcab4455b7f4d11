from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import disk

pytest.importorskip("cv2", reason="training needs the extra `train`")

from napari_segnext.propagation.shapes import overlap
from napari_segnext.training.crops import around_object
from napari_segnext.training.data import LabelledImage, Mixture, Sample
from napari_segnext.training.named import openings
from napari_segnext.training.neighbours import deformed, followed
from napari_segnext.training.simulate import step


def round_mask(y: int, x: int, radius: int = 10, size: int = 64) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[disk((y, x), radius, shape=mask.shape)] = True
    return mask


NEIGHBOUR = round_mask(20, 20)


@pytest.mark.parametrize(
    ("here", "goal"),
    [
        (round_mask(24, 22), round_mask(24, 22)),
        # Far off lies another branch of the same cell.
        (round_mask(24, 22) | round_mask(50, 50), round_mask(24, 22)),
        (np.zeros((64, 64), bool), np.zeros((64, 64), bool)),
        # It has moved by a little more than its width.
        (round_mask(20, 44), round_mask(20, 44)),
        (round_mask(50, 50), None),
    ],
    ids=["moved", "branched", "ended", "apart", "elsewhere"],
)
def test_what_goes_on_from_a_neighbour_is_its_goal(
    here: np.ndarray, goal: np.ndarray | None
) -> None:
    found = followed(NEIGHBOUR | round_mask(57, 8, 4), here)
    if goal is None:
        assert found is None
        return
    piece, wanted = found or (None, None)
    np.testing.assert_array_equal(piece, NEIGHBOUR)
    np.testing.assert_array_equal(wanted, goal)


def test_fake_neighbours_overlap_as_neighbours_do() -> None:
    mask = round_mask(30, 34)
    drawn = [deformed(mask, np.random.default_rng(seed)) for seed in range(60)]
    overlaps = [overlap(mask, each) for each in drawn]
    assert all(each.any() for each in drawn)
    assert 0.5 < np.median(overlaps) < 0.8
    assert min(overlaps) < 0.5 < 0.8 < max(overlaps)
    point = np.zeros((64, 64), bool)
    point[3, 5] = True
    assert all(deformed(point, np.random.default_rng(s)).any() for s in range(20))


def test_a_step_begins_softly_and_sometimes_with_a_correction() -> None:
    here = round_mask(26, 24)
    clicked = 0
    for seed in range(60):
        opening = step(NEIGHBOUR, here, np.random.default_rng(seed))
        assert opening.previous is not None
        np.testing.assert_array_equal(opening.previous > 0.5, NEIGHBOUR)
        assert len(np.unique(opening.previous)) > 5
        for click in opening.prompts:
            clicked += 1
            assert here[tuple(int(c) for c in click.at)] == click.positive
    assert 10 < clicked < 35


def test_clicks_where_an_object_has_ended_are_negative() -> None:
    nothing = np.zeros((64, 64), bool)
    signs = set()
    for seed in range(30):
        opening = step(NEIGHBOUR, nothing, np.random.default_rng(seed))
        signs |= {prompt.positive for prompt in opening.prompts}
    assert signs == {False}


def test_some_objects_of_single_images_begin_as_a_step() -> None:
    mask = round_mask(30, 34)
    sample = Sample(np.zeros((64, 64, 3), np.float32), mask[None])
    known = 0
    for seed in range(150):
        (opening,) = openings(sample, np.random.default_rng(seed))
        known += opening.previous is not None
        assert opening.previous is not None or len(opening.prompts)
    assert 8 < known < 35


def test_samples_keep_an_object_and_its_neighbour_together() -> None:
    here, there = np.zeros((2, 120, 120), np.int32)
    for number, (y, x) in enumerate([(30, 30), (30, 90), (90, 30), (90, 90)], 1):
        there[disk((y, x), 14)] = number
        if number < 4:
            here[disk((y + 3, x + 2), 14)] = number
    image = (100 * (here > 0)).astype(np.uint8)
    picture = LabelledImage.of(image, [here], neighbours=[there])
    mixture = Mixture({"pair": (lambda rng: picture, 1.0)}, around_object, 96, 4, 0)
    ended = 0
    for number in range(20):
        sample = mixture.sample(number)
        assert sample.neighbours is not None
        assert sample.neighbours.shape == sample.masks.shape == (4, 96, 96)
        for before, now in zip(sample.neighbours, sample.masks, strict=True):
            assert before.any()
            ended += not now.any()
            # Another object is never the goal, whichever way the crop was turned.
            assert not now.any() or overlap(before, now) > 0.2
    assert 0 < ended < 40
