"""The click robot clicks where the reference's does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_segnext.evaluation.clicker import ClickRobot
from napari_segnext.evaluation.metrics import iou


@pytest.mark.parametrize("pair", range(12))
def test_clicks_and_iou_equal_the_reference(shared: Path, pair: int) -> None:
    golden = np.load(shared / "parity" / "golden_clicker.npz")
    truth, mask = golden["gt"][pair], golden["pred"][pair]
    robot = ClickRobot(truth)
    clicks = [robot.next_click(mask) for _ in range(5)]
    made = [(click.positive, click.y, click.x) for click in clicks]
    assert made == [tuple(row) for row in golden["clicks"][pair].tolist()]
    assert iou(truth, mask) == golden["iou"][pair]


def test_first_click_is_the_pixel_deepest_in_the_object() -> None:
    truth = np.zeros((20, 30), int)
    truth[5:14, 10:19] = 1
    click = ClickRobot(truth).next_click(np.zeros(truth.shape, bool))
    assert (click.y, click.x, click.positive) == (9, 14, True)
    assert click.reach == 5


def test_image_border_counts_as_a_border_of_the_region() -> None:
    click = ClickRobot(np.ones((7, 9), int)).next_click(np.zeros((7, 9), bool))
    assert (click.y, click.x) == (3, 3)


def test_tie_goes_to_the_negative_click() -> None:
    truth = np.zeros((10, 20), int)
    truth[2:7, 2:7] = 1
    mask = np.zeros((10, 20), bool)
    mask[2:7, 12:17] = True
    click = ClickRobot(truth).next_click(mask)
    assert (click.positive, click.y, click.x) == (False, 4, 14)


def test_ignored_pixels_are_never_clicked() -> None:
    truth = np.zeros((9, 9), int)
    truth[2:7, 2:7] = -1
    truth[0, 8] = 1
    click = ClickRobot(truth).next_click(truth == -1)
    assert (click.positive, click.y, click.x) == (True, 0, 8)


def test_no_pixel_is_clicked_twice() -> None:
    truth = np.zeros((6, 6), int)
    truth[2:5, 2:5] = 1
    robot = ClickRobot(truth)
    empty = np.zeros((6, 6), bool)
    clicks = [robot.next_click(empty) for _ in range(9)]
    assert len({(c.y, c.x) for c in clicks}) == 9
    assert all(truth[c.y, c.x] == 1 for c in clicks)


def test_perfect_mask_gives_a_negative_click_at_the_origin_each_time() -> None:
    truth = np.zeros((8, 8), int)
    truth[2:5, 2:5] = 1
    robot = ClickRobot(truth)
    for _ in range(3):
        click = robot.next_click(truth == 1)
        assert (click.positive, click.y, click.x, click.reach) == (False, 0, 0, 0)


def test_crop_has_the_distances_of_the_whole_image() -> None:
    from scipy.ndimage import distance_transform_edt

    rng = np.random.default_rng(3)
    truth = np.zeros((60, 80), int)
    truth[10:50, 20:70] = rng.random((40, 50)) > 0.2
    click = ClickRobot(truth).next_click(np.zeros(truth.shape, bool))
    whole = distance_transform_edt(np.pad(truth, 1))[1:-1, 1:-1]
    assert click.y * 80 + click.x == np.argmax(whole)
    assert click.reach == whole.max()
