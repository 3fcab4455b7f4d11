from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2", reason="training needs the extra `train`")

from napari_segnext.propagation.shapes import overlap
from napari_segnext.training.crops import around_object
from napari_segnext.training.data import Mixture
from napari_segnext.training.stacks import (
    Stack,
    generated_em_steps,
    generated_mri_steps,
    head_steps,
    volume_steps,
)


def oblique() -> np.ndarray:
    """Return a rod that moves on by two columns from plane to plane."""
    labels = np.zeros((12, 60, 60), np.uint16)
    for z in range(12):
        labels[z, 20:36, 10 + 2 * z : 24 + 2 * z] = 3
    return labels


def test_a_step_shows_the_image_of_the_goal_and_not_of_the_neighbour() -> None:
    labels = oblique()
    stack = Stack((60 * labels).astype(np.uint8), [labels], {0: 3})
    moves = set()
    for seed in range(40):
        picture = stack.step(np.random.default_rng(seed))
        (here,), (there,) = picture.labels, picture.neighbours
        np.testing.assert_array_equal(picture.image > 0, here == 3)
        columns = [np.flatnonzero((m == 3).any(0))[0] for m in (here, there)]
        moves.add(int(columns[0] - columns[1]))
        assert here.shape == there.shape
        assert there.any()
    # Up to three planes either way; and some sections slip.
    assert {-6, -4, -2, 2, 4, 6} <= moves
    assert moves - {-6, -4, -2, 2, 4, 6}


def test_volumes_are_gone_through_along_any_axis(tmp_path: Path) -> None:
    labels = oblique()
    np.savez(tmp_path / "volume.npz", image=labels.astype(np.uint8), labels=labels)
    source = volume_steps(tmp_path / "volume.npz", 2)
    shapes = {source(np.random.default_rng(s)).image.shape for s in range(40)}
    assert {(60, 60), (12, 60)} <= shapes


@pytest.mark.parametrize("source", [generated_em_steps, generated_mri_steps])
def test_generated_stacks_give_samples_with_neighbours(source) -> None:
    samples = Mixture({"steps": (source(1), 1.0)}, around_object, 96, 2, seed=0)
    drawn = [samples.sample(number) for number in range(4)]
    pairs = [
        (before, now)
        for sample in drawn
        for before, now in zip(sample.neighbours, sample.masks, strict=True)
        if now.any()
    ]
    assert pairs
    assert np.mean([overlap(*pair) for pair in pairs]) > 0.3


def test_heads_are_drawn_on_label_maps(tmp_path: Path) -> None:
    labels = np.zeros((40, 48, 44), np.uint16)
    labels[4:36, 4:44, 4:40] = 511
    labels[8:32, 8:40, 8:36] = 3
    labels[12:28, 12:36, 12:32] = 2
    labels[16:24, 18:30, 16:22] = 12
    np.savez(tmp_path / "heads.npz", labels_0000=labels)
    source = head_steps(tmp_path / "heads.npz", 3, 4)
    found = 0
    for seed in range(12):
        picture = source(np.random.default_rng(seed))
        assert picture.image.dtype == np.uint8
        assert len(picture.labels) == len(picture.neighbours)
        found += sum(len(boxes) for boxes in picture.boxes)
    assert found > 12


def test_a_plane_from_which_all_objects_slip_has_none_to_follow() -> None:
    corner = np.zeros((2, 40, 40), np.uint16)
    corner[:, 0, 0] = 1
    stack = Stack(corner.astype(np.uint8), [corner], {0: 1})
    drawn = [stack.step(np.random.default_rng(seed)) for seed in range(60)]
    assert {len(picture.neighbours) for picture in drawn} == {0, 1}
    assert all(boxes for picture in drawn for boxes in picture.boxes)
