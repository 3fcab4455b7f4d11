"""Masks go where their pixels have gone, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_segnext.geometry.shapes import overlap
from napari_segnext.propagation.motion import carried, motion

rng = np.random.default_rng(0)
TISSUE = ndimage.gaussian_filter(rng.random((96, 104)), 2.0)
TISSUE = ((TISSUE - TISSUE.min()) / np.ptp(TISSUE)).astype(np.float32)
ROWS, COLUMNS = np.indices(TISSUE.shape)
DISK = np.hypot(ROWS - 50, COLUMNS - 46) <= 14


def shifted(image: np.ndarray, move: tuple[float, float]) -> np.ndarray:
    return ndimage.shift(image.astype(np.float32), move, order=1, mode="nearest")


@pytest.mark.parametrize("move", [(0, 0), (4, -3), (-6, 5), (2.5, 7)])
def test_a_mask_moves_with_its_section(move: tuple[float, float]) -> None:
    found = carried(DISK, motion(TISSUE, shifted(TISSUE, move)))
    assert overlap(found, shifted(DISK, move) > 0.5) > 0.93


def test_an_object_moves_while_its_surroundings_stay() -> None:
    bright = np.where(DISK, 0.5 + TISSUE / 2, TISSUE / 2)
    goal = shifted(DISK, (0, 6)) > 0.5
    now = np.where(goal, 0.5 + shifted(TISSUE, (0, 6)) / 2, TISSUE / 2)
    moved = motion(bright.astype(np.float32), now.astype(np.float32))
    found = carried(DISK, moved)
    assert overlap(found, goal) > max(0.85, overlap(DISK, goal) + 0.1)


def test_motion_that_explains_nothing_is_not_believed() -> None:
    noise = rng.normal(0, 0.1, TISSUE.shape).astype(np.float32)
    flat = np.full_like(TISSUE, 0.5)
    assert overlap(carried(DISK, motion(flat, flat + noise)), DISK) > 0.95
    assert overlap(carried(DISK, motion(TISSUE, TISSUE)), DISK) == 1
