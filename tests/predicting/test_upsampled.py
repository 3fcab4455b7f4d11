"""A large prediction is computed where it is read, and is what it was at once."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from tests.doubles import TILED, IntensityModel

from napari_segnext.geometry import regions, resample
from napari_segnext.geometry.frame import Frame
from napari_segnext.geometry.regions import Extent
from napari_segnext.images.intensity import Window
from napari_segnext.predicting import upsampled
from napari_segnext.predicting.prediction import Prediction
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.predicting.upsampled import in_pixels
from napari_segnext.prompts import Prompts


def blob(size: int = 64) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size]
    away = np.hypot(rows - 0.4 * size, columns - 0.6 * size)
    noise = np.random.default_rng(0).normal(0, 2, (size, size))
    return (size / 4 - away + noise).astype(np.float32)


@pytest.mark.parametrize("shrunk", [False, True])
def test_parts_of_a_large_map_are_those_of_the_map(shrunk, monkeypatch) -> None:
    frame, plane = Frame(5, 9, 310, 270, 64, "pad"), (400, 300)
    whole = in_pixels(blob(), frame, plane, shrunk)
    monkeypatch.setattr(upsampled, "_LARGE", 0)
    monkeypatch.setattr(regions, "_BAND", 2000)
    read = in_pixels(blob(), frame, plane, shrunk)
    assert not isinstance(read.values, np.ndarray)
    assert read.extent == whole.extent
    np.testing.assert_array_equal(read.expand(), whole.expand())
    np.testing.assert_array_equal(read.mask(), whole.expand() > 0.5)
    part = Extent(40, 100, 90, 290)
    np.testing.assert_array_equal(read.read(part), whole.expand()[part.slices])
    for level in (0.0, 0.02, 0.5, 0.9999, 1.0):
        assert read.above(level) == whole.above(level)
    assert read.finite


def predictions() -> list[Prediction]:
    rows, columns = np.mgrid[:700, :900]
    away = np.hypot(rows - 300, columns - 500)
    image = (200 * (away < 230) + rows // 30).astype(np.uint8)
    predictor = Predictor(IntensityModel(TILED))
    predictor.set_image(image)
    prompts = Prompts().box((60, 260), (540, 740))
    first = predictor.predict(prompts)
    prompts = prompts.click(300, 500).click(650, 20, positive=False)
    second = predictor.predict(prompts, first)
    return [first, second, predictor.predict(prompts.click(100, 480), second)]


def test_predictions_are_the_same_whether_they_are_large_or_not(monkeypatch) -> None:
    known = predictions()
    monkeypatch.setattr(upsampled, "_LARGE", 0)
    monkeypatch.setattr(regions, "_BAND", 5000)
    monkeypatch.setattr(resample, "_LARGE", 0)
    for large, each in zip(predictions(), known, strict=True):
        np.testing.assert_array_equal(large.mask, each.mask)
        np.testing.assert_array_equal(large.probability, each.probability)


class Section:
    """A section of 400 million pixels, of which nothing is held."""

    shape = (20_000, 20_000)

    def __getitem__(self, region: tuple[slice, slice]) -> np.ndarray:
        rows, columns = np.ogrid[region]
        return (200 * ((rows > 3000) & (columns < 17_000))).astype(np.uint8)

    def shrunk(self, region: tuple[slice, slice], step: int) -> np.ndarray:
        rows, columns = (slice(r.start, r.stop, step) for r in region)
        return self[rows, columns]


def test_a_box_over_a_large_section_takes_no_memory_for_its_pixels() -> None:
    predictor = Predictor(IntensityModel(TILED))
    predictor.set_image(Section(), Window((0.0,), (255.0,)), "section")
    prompts = Prompts().box((2500, 100), (19_900, 17_500))
    tracemalloc.start()
    try:
        first = predictor.predict(prompts)
        second = predictor.predict(prompts.click(10_000, 9000), first)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    found = second.patch.above(0.5)
    assert found.shape[0] > 15_000
    assert found.shape[1] > 15_000
    assert peak < 200e6
