from __future__ import annotations

import numpy as np
import pytest
from tests.doubles import TILED, IntensityModel

from napari_segnext.finding import Example, Finder, learn
from napari_segnext.geometry.plane import Plane
from napari_segnext.images.volume import Volume
from napari_segnext.predicting.volume_predictor import VolumePredictor

STEPS = 60


def drawn(seed: int, shape: tuple[int, int] = (128, 128)) -> np.ndarray:
    """Return labels of disks on a grid, each a little off its place."""
    rng, page = np.random.default_rng(seed), np.zeros(shape, np.int32)
    rows, columns = np.indices(shape)
    for number in range(16):
        y, x = np.array(divmod(number, 4)) * 32 + 16 + rng.integers(-4, 5, 2)
        page[np.hypot(rows - y, columns - x) <= rng.integers(7, 10)] = number + 1
    return page


@pytest.fixture(scope="session")
def pages() -> np.ndarray:
    """Return labels of three planes."""
    return np.stack([drawn(seed) for seed in range(3)])


@pytest.fixture(scope="session")
def predictor(pages: np.ndarray) -> VolumePredictor:
    """Return a predictor of a volume whose disks are bright."""
    noise = np.random.default_rng(0).normal(0, 8, pages.shape)
    image = np.clip(40 + 160 * (pages > 0) + noise, 0, 255).astype(np.uint8)
    return VolumePredictor(IntensityModel(TILED), Volume(image))


@pytest.fixture(scope="session")
def finder(predictor: VolumePredictor, pages: np.ndarray) -> Finder:
    """Return what has learned from the first plane, all of whose disks are known."""
    known = Example.of_labels(Plane(0, 0), pages[0], complete=True)
    return learn(predictor, [known], steps=STEPS)
