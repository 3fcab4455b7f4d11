"""Runs compared with the voxels that they stand for."""

import numpy as np
import pytest

from napari_segnext.geometry.plane import Plane
from napari_segnext.labels.counted import Painter
from napari_segnext.labels.diffs import Diff
from napari_segnext.labels.runs import Runs
from napari_segnext.labels.sparse import Sparse
from napari_segnext.session import ArrayLabels


def some(rng, most=300):
    values = np.repeat(rng.integers(0, 4, 60), rng.integers(1, 9, 60))[:most]
    voxels = np.flatnonzero(values)
    return Runs.of(voxels, values[voxels]), values


@pytest.mark.parametrize("seed", range(20))
def test_parts_are_those_of_the_voxels(seed):
    rng = np.random.default_rng(seed)
    (first, _), (second, _) = some(rng), some(rng)
    here = np.isin(first.voxels, second.voxels)
    for part, chosen in ((first.without(second), ~here), (first.within(second), here)):
        np.testing.assert_array_equal(part.voxels, first.voxels[chosen])
        np.testing.assert_array_equal(part.values, first.values[chosen])
        assert len(part) == len(part.merged())
    assert not len(Runs().without(first)) + len(first.within(Runs()))
    np.testing.assert_array_equal(first.without(Runs()).voxels, first.voxels)


@pytest.mark.parametrize("seed", range(10))
def test_values_of_voxels_in_any_order_and_later_ones_that_hold(seed):
    rng = np.random.default_rng(seed)
    (first, values), (second, later) = some(rng), some(rng)
    width = max(len(values), len(later))
    values, later = (np.pad(v, (0, width - len(v))) for v in (values, later))
    voxels = rng.permutation(width)
    np.testing.assert_array_equal(first.values_at(voxels), values[voxels])
    both = Sparse(first).updated(Sparse(second)).runs
    np.testing.assert_array_equal(
        both.values_at(np.arange(width)), np.where(later, later, values)
    )


@pytest.mark.parametrize("seed", range(10))
def test_a_change_between_runs_is_that_of_their_voxels(seed):
    rng = np.random.default_rng(seed)
    before = np.repeat(rng.integers(1, 4, 40), rng.integers(1, 9, 40))
    after = np.repeat(rng.integers(1, 4, 200), rng.integers(1, 9, 200))[: len(before)]
    voxels = np.arange(len(before)) + 7
    diff = Diff.between(Runs.of(voxels, before), Runs.of(voxels, after))
    differs = before != after
    np.testing.assert_array_equal(diff.voxels, voxels[differs])
    np.testing.assert_array_equal(diff.old, before[differs])
    np.testing.assert_array_equal(diff.new, after[differs])


@pytest.mark.parametrize("shape", [(5, 30, 1100), (2, 3, 600, 40), (40, 50)])
def test_an_id_is_found_along_any_axis(shape):
    rng = np.random.default_rng(0)
    labels = (rng.random(shape) > 0.995).astype(np.uint8)
    labels[..., 10:30, :20] = 1
    painter = Painter(ArrayLabels(labels))
    np.testing.assert_array_equal(painter.voxels(1), np.flatnonzero(labels))
    fixed = (1,) * (len(shape) - 3)
    volume = labels[fixed] if len(shape) > 2 else labels[None]
    for axis in range(3 if len(shape) > 2 else 1):
        others = tuple({0, 1, 2} - {axis})
        used = np.flatnonzero(volume.any(others)).tolist()
        assert painter.indices(1, Plane(axis, 0, fixed)) == used
