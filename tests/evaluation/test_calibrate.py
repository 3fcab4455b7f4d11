"""What the int8 engine is calibrated with."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.engines import openvino
from napari_segnext.evaluation import calibrate
from napari_segnext.evaluation.sample import Sample
from tests.doubles import IntensityModel


def sample(number):
    """Return an image of one bright square, at a different place for each number."""
    labels = np.zeros((64, 64), np.int32)
    labels[10 + number : 30 + number, 10:30] = 1
    image = (40 + 150 * labels).astype(np.uint8)
    return Sample(str(number), lambda: image, lambda: labels, (1,)), (1,)


@pytest.fixture
def made(monkeypatch):
    calls = []
    monkeypatch.setattr(openvino, "make", lambda *arguments: calls.append(arguments))
    return calls


def test_half_of_the_images_calibrate_and_the_others_are_left(made):
    selection = [sample(n) for n in range(5)]
    model = IntensityModel().eval()
    left = calibrate.calibrate_with_half(model, selection)
    assert [each.name for each, _ in left] == ["1", "3"]
    ((given, engine, samples),) = made
    assert given is model
    assert engine == openvino.INT8
    seen = [samples[f"image_features/{call}/0"] for call in range(3)]
    for number, image in zip((0, 2, 4), seen, strict=True):
        expected = sample(number)[0].image() / 255
        np.testing.assert_allclose(image[0, 0], expected, atol=1e-6)


def test_samples_are_the_arguments_of_whole_sessions(made):
    calibrate.calibrate(IntensityModel().eval(), [sample(0)])
    samples = made[0][2]
    calls = sorted(key for key in samples if key.startswith("mask_logits"))
    assert calls == [f"mask_logits/{n}/{a}" for n in range(3) for a in (0, 1)]
    first, last = samples["mask_logits/0/1"], samples["mask_logits/2/1"]
    assert first.shape == (1, 3, 64, 64)
    assert not first[:, 0].any()
    assert last[:, 0].any()


def test_no_more_is_kept_than_is_of_use(made, monkeypatch):
    monkeypatch.setattr(calibrate, "_CALLS", 2)
    calibrate.calibrate(IntensityModel().eval(), [sample(n) for n in range(6)])
    assert {key.split("/")[1] for key in made[0][2]} == {"0", "1"}


def test_one_image_is_not_enough(made):
    with pytest.raises(ValueError, match="at least two"):
        calibrate.calibrate_with_half(IntensityModel().eval(), [sample(0)])
    assert not made
