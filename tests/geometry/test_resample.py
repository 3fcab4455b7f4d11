from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from napari_segnext.geometry.resample import resize

SHAPES = [
    ((300, 420), (448, 448)),
    ((1003, 610), (448, 448)),
    ((448, 448), (300, 421)),
    ((448, 448), (1003, 610)),
    ((5, 2), (1, 9)),
    ((1, 1), (7, 3)),
    ((1, 40), (64, 64)),
]


def _torch(image: np.ndarray, shape: tuple[int, int], antialias: bool) -> np.ndarray:
    return F.interpolate(
        torch.from_numpy(image)[None, None],
        shape,
        mode="bilinear",
        align_corners=False,
        antialias=antialias,
    )[0, 0].numpy()


@pytest.mark.parametrize(("source", "target"), SHAPES)
def test_it_is_torchs_bilinear_interpolation(source, target):
    image = np.random.default_rng(0).random(source, np.float32)
    wanted = _torch(image, target, antialias=False)
    np.testing.assert_allclose(resize(image, target), wanted, atol=1e-6)


@pytest.mark.parametrize(("source", "target"), SHAPES)
def test_with_antialias_too(source, target):
    image = np.random.default_rng(0).random(source, np.float32)
    wanted = _torch(image, target, antialias=True)
    np.testing.assert_allclose(resize(image, target, antialias=True), wanted, atol=1e-4)


def test_channels_are_resized_one_by_one():
    image = np.random.default_rng(0).random((31, 17, 3), np.float32)
    each = [resize(image[..., c], (20, 40)) for c in range(3)]
    np.testing.assert_array_equal(resize(image, (20, 40)), np.stack(each, -1))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint16, np.float64])
def test_any_real_dtype_becomes_single_precision(dtype):
    image = np.random.default_rng(0).integers(0, 2, (9, 12)).astype(dtype)
    small = resize(image, (4, 5))
    assert small.dtype == np.float32
    np.testing.assert_array_equal(small, resize(image.astype(np.float32), (4, 5)))


def test_a_view_with_any_strides_is_read_right():
    image = np.random.default_rng(0).random((40, 30), np.float32)
    view = image[::-2, ::3].T
    np.testing.assert_array_equal(resize(view, (7, 9)), resize(view.copy(), (7, 9)))


def test_antialias_sees_what_lies_between_the_samples():
    line = np.zeros((64, 64), np.float32)
    line[:, 1] = 1
    assert not resize(line, (8, 8)).any()
    assert resize(line, (8, 8), antialias=True)[:, 0].min() > 0


def test_a_constant_stays_constant():
    for antialias in (False, True):
        for shape in ((3, 200), (41, 5)):
            ones = resize(np.ones((40, 41)), shape, antialias)
            np.testing.assert_allclose(ones, 1, atol=1e-6)
