"""NoC, NoF and mIoU as the reference counts them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_segnext.evaluation.metrics import clicks_needed, iou, mean_iou, noc, size_of


def test_noc_and_nof_equal_the_reference(shared: Path) -> None:
    golden = np.load(shared / "parity" / "golden_noc.npz")
    for at, threshold in enumerate(golden["thr"]):
        value, failures = noc(golden["ious"], float(threshold))
        assert value == golden["noc"][at]
        assert failures == golden["over_max"][at]


def test_failures_include_objects_that_arrive_at_the_last_click() -> None:
    rows = [[0.1, 0.95, 0.2], [0.1, 0.2, 0.95], [0.1, 0.2, 0.3]]
    assert noc(rows, 0.9, max_clicks=3) == (pytest.approx(8 / 3), 2)


@pytest.mark.parametrize(
    ("ious", "needed"), [([0.9, 0.1], 1), ([0.1, 0.9], 2), ([0.1, 0.2], 20), ([], 20)]
)
def test_clicks_needed_is_the_first_click_that_arrives(
    ious: list[float], needed: int
) -> None:
    assert clicks_needed(ious, 0.9) == needed


def test_threshold_is_compared_in_single_precision() -> None:
    above = 0.9500000000000001
    assert clicks_needed(np.array([0.95], np.float32), above) == 1


def test_mean_iou_is_that_at_the_click_and_not_the_best_so_far() -> None:
    assert mean_iou([[0.5, 0.9, 0.1], [0.5, 0.7]]) == pytest.approx([0.5, 0.8])


def test_ignored_pixels_do_not_count() -> None:
    truth = np.array([[1, 1, 0, -1]])
    assert iou(truth, np.array([[True, False, True, True]])) == pytest.approx(1 / 3)


def test_nothing_found_where_nothing_is_counts_as_right() -> None:
    empty = np.zeros((4, 4), int)
    assert iou(empty, empty == 1) == 1
    assert iou(empty, empty == 0) == 0


@pytest.mark.parametrize(
    ("side", "name"), [(10, "small"), (28, "small"), (50, "medium"), (200, "large")]
)
def test_sizes_go_by_equivalent_diameter(side: int, name: str) -> None:
    assert size_of(side * side) == name
