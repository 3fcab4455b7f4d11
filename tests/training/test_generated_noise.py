"""The smooth random fields under everything that is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.training.generated.noise import sigmoid, smooth_noise


@pytest.mark.parametrize("octaves", [1, 3])
@pytest.mark.parametrize("shape", [(200, 180), (40, 50, 60)])
def test_a_field_has_mean_zero_and_deviation_one(
    shape: tuple[int, ...], octaves: int
) -> None:
    rng = np.random.default_rng(0)
    feature = (5.0,) * len(shape)
    fields = [smooth_noise(rng, shape, feature, octaves) for _ in range(4)]
    assert np.mean(fields) == pytest.approx(0, abs=0.1)
    assert np.std(fields) == pytest.approx(1, abs=0.06)
    assert fields[0].dtype == np.float32


def test_a_field_is_smooth_over_its_feature_size_and_not_beyond() -> None:
    field = smooth_noise(np.random.default_rng(1), (400, 400), (20.0, 20.0))

    def correlation(lag: int) -> float:
        return float(np.corrcoef(field[lag:].ravel(), field[:-lag].ravel())[0, 1])

    assert correlation(2) > 0.97
    assert abs(correlation(80)) < 0.15


def test_each_axis_may_have_its_own_feature_size() -> None:
    field = smooth_noise(np.random.default_rng(2), (300, 300), (1.0, 60.0))
    assert np.std(np.diff(field, axis=0)) > 5 * np.std(np.diff(field, axis=1))


def test_sigmoid_does_not_overflow() -> None:
    values = sigmoid(np.float32([-1e6, 0, 1e6]))
    np.testing.assert_allclose(values, [0, 0.5, 1])
