"""Changes of many voxels are written and counted as those of few are."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.labels import counted
from napari_segnext.labels.counted import Painter
from napari_segnext.labels.diffs import Diff
from napari_segnext.labels.labels import ArrayLabels

SHAPE = (3, 520, 530)


def _changes(rng: np.random.Generator) -> list[np.ndarray]:
    """Return labels one after the other: a box, noise in it, one more, and none."""
    box = np.zeros(SHAPE, np.int32)
    box[:, 500:515, 40:400] = 1
    noisy = np.where(rng.random(SHAPE) < 0.3, 2, box).astype(np.int32)
    other = noisy.copy()
    other[1:, 3:200, 7:77] = 3
    return [box, noisy, other, np.zeros_like(box)]


def _diff(old: np.ndarray, new: np.ndarray) -> Diff:
    voxels = np.flatnonzero(old != new)
    return Diff.of(voxels, old.ravel()[voxels], new.ravel()[voxels])


@pytest.mark.parametrize("many", [0, 1 << 30])
def test_labels_and_counts_are_those_of_the_change(
    many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted, "_MANY", many)
    now = np.zeros(SHAPE, np.int32)
    labels = ArrayLabels(now.copy())
    painter = Painter(labels, blank=True)
    for then in _changes(np.random.default_rng(0)):
        painter.write_all(_diff(now, then), None)
        np.testing.assert_array_equal(labels.array, then)
        assert painter.ids == sorted(set(np.unique(then).tolist()) - {0})
        for number in (1, 2, 3):
            assert painter.count(number) == np.count_nonzero(then == number)
            np.testing.assert_array_equal(
                painter.voxels(number), np.flatnonzero(then == number)
            )
        now = then


def test_an_id_that_the_type_does_not_hold_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counted, "_MANY", 0)
    labels = ArrayLabels(np.zeros(SHAPE, np.uint8))
    painter = Painter(labels, blank=True)
    wide = Diff.of(np.arange(4), np.zeros(4, np.int64), np.full(4, 300))
    with pytest.raises(ValueError, match="300 needs labels of a wider type"):
        painter.write_all(wide, None)
    assert not labels.array.any()
