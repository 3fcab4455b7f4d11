"""Objects that are looked for together are seen as if each were looked for alone."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Patch
from napari_segnext.images.volume import Volume
from napari_segnext.models import Cancelled
from napari_segnext.models.follower import Follower
from napari_segnext.predicting.following import Look, Tracker
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.weights import load_follower, load_model

# As large as the model's input. Near a border there is less around an object.
SHAPE = (3, 256, 256)
SIDES = (24, 30, 24, 36, 24, 26, 24, 33, 24, 24, 24, 24)


@pytest.fixture(scope="module")
def predictor() -> VolumePredictor:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 60, SHAPE, np.uint8)
    for at, side in _places():
        image[:, at[0] : at[0] + side, at[1] : at[1] + side] += 120
    return VolumePredictor(load_model("tiny", "cpu"), Volume(image))


@pytest.fixture(scope="module")
def follower() -> Follower:
    return load_follower("cpu")


def _places() -> list[tuple[tuple[int, int], int]]:
    return [
        ((40 + 80 * (n // 4), 16 + 64 * (n % 4)), side) for n, side in enumerate(SIDES)
    ]


def _looks() -> list[Look]:
    """Look for squares, from their own slice, the one before, or from both sides."""
    looks = []
    for number, (at, side) in enumerate(_places()):
        patch = Patch(SHAPE[1:], at, np.ones((side, side), np.float32))
        near = ([1], [0], [0, 2])[number % 3]
        looks.append(Look(Plane(0, 1), patch, [(Plane(0, i), patch) for i in near]))
    return looks


def test_together_they_are_seen_as_alone(predictor, follower, monkeypatch) -> None:
    sizes = []
    follow = Follower.follow

    def noted(self, features, expected, seen):
        sizes.append(len(expected))
        return follow(self, features, expected, seen)

    monkeypatch.setattr(Follower, "follow", noted)
    tracker, looks = Tracker(follower, predictor), _looks()
    together = dict(tracker.glance(looks))
    assert max(sizes) > 1
    assert sum(sizes) == len(looks) == len(together)
    for number, look in enumerate(looks):
        [(_, alone)] = tracker.glance([look])
        seen = together[number]
        assert seen.patch.offset == alone.patch.offset
        np.testing.assert_allclose(seen.patch.values, alone.patch.values, atol=1e-5)
        assert seen.present == pytest.approx(alone.present, abs=1e-5)
        assert seen.overlap == pytest.approx(alone.overlap, abs=1e-5)
        # They are found, too.
        assert seen.present > 0.5
        assert seen.patch.above(0.5).shape == pytest.approx([SIDES[number]] * 2, abs=4)


def test_what_was_seen_before_an_interruption_is_kept(predictor, follower) -> None:
    tracker, looks = Tracker(follower, predictor), _looks()
    seen = dict(tracker.glance(looks))
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 1

    kept = {}
    with pytest.raises(Cancelled):
        for number, sighting in tracker.glance(looks, cancelled):
            kept[number] = sighting
    assert 0 < len(kept) < len(looks)
    assert all(kept[n].present == pytest.approx(seen[n].present) for n in kept)
