"""All planes together tell what an object looks like, and put its border right."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.geometry.plane import Plane
from napari_segnext.images.volume import Volume
from napari_segnext.models import Cancelled
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.propagation import Annotated, PlaneResult, reweighed
from napari_segnext.propagation.reweighing import Looks
from tests.doubles import WHOLE, IntensityModel

SHAPE = (5, 64, 64)
rng = np.random.default_rng(0)


def square(top: int, side: int = 24) -> np.ndarray:
    mask = np.zeros(SHAPE[1:], bool)
    mask[top : top + side, 20:44] = True
    return mask


def predictor(inside: float = 160.0, outside: float = 80.0) -> VolumePredictor:
    """Show the same square in all planes, in noise."""
    grey = np.where(square(20), inside, outside) + rng.normal(0, 12, SHAPE)
    return VolumePredictor(IntensityModel(WHOLE), Volume(grey.astype(np.float32)))


def found(index: int, mask: np.ndarray, sure: float = 0.65) -> PlaneResult:
    """Be as sure of the mask, and half as sure within six pixels."""
    near = np.zeros_like(mask)
    near[14:50, 14:50] = True
    probability = np.where(mask, sure, np.where(near, 0.35, 0)).astype(np.float32)
    return PlaneResult.of(Plane(0, index), probability, 0.8)


KNOWN = {Plane(0, 2): Annotated(square(20))}


def test_a_border_that_is_off_is_put_right_where_the_pixels_tell() -> None:
    before = [found(1, square(17)), found(3, square(20))]
    after = reweighed(predictor(), KNOWN, before)
    assert [r.plane.index for r in after] == [1, 3]
    assert [r.confidence for r in after] == [0.8, 0.8]
    wrong, right = square(17) ^ square(20), square(20)
    assert np.count_nonzero(after[0].mask ^ right) < 0.3 * np.count_nonzero(wrong)
    assert np.array_equal(before[0].mask, square(17))


def test_it_stays_where_pixels_do_not_tell() -> None:
    before = [found(1, square(17))]
    (after,) = reweighed(predictor(120, 120), KNOWN, before)
    assert np.count_nonzero(after.mask ^ square(17)) < 0.02 * square(17).sum()


def test_no_piece_begins_beside_the_object() -> None:
    grey = np.where(square(20) | square(50, 8), 160.0, 80.0) + rng.normal(0, 4, SHAPE)
    volume = Volume(grey.astype(np.float32))
    probability = np.where(square(20), 0.65, 0.45).astype(np.float32)
    before = [PlaneResult.of(Plane(0, 1), probability, 0.8)]
    (after,) = reweighed(VolumePredictor(IntensityModel(WHOLE), volume), KNOWN, before)
    assert after.mask[22:42, 22:42].all()
    assert not after.mask[50:].any()


def test_too_few_pixels_tell_nothing() -> None:
    small = np.zeros((20, 20), bool)
    small[8:11, 8:11] = True
    image = np.where(small, 1, 0).astype(np.float32)[..., None].repeat(3, -1)
    assert not Looks([(image, small)]).log_odds(image).any()


def test_large_and_small_count_the_same() -> None:
    mask = np.zeros((40, 40), bool)
    mask[2:38, 2:38] = True
    image = rng.normal(0, 1, (40, 40, 3)).astype(np.float32)
    odds = Looks([(image, mask)]).log_odds(image)
    assert abs(float(odds.mean())) < 0.3


def test_it_can_be_cancelled_and_nothing_comes_of_nothing() -> None:
    with pytest.raises(Cancelled):
        reweighed(predictor(), KNOWN, [found(1, square(17))], lambda: True)
    assert reweighed(predictor(), KNOWN, []) == []
