"""Classical methods find what a click on a plain image should find."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

from napari_segnext.evaluation import Settings, evaluate_object
from napari_segnext.evaluation.baselines import BASELINES, GrabCut
from napari_segnext.evaluation.metrics import iou
from napari_segnext.prompts import Prompts


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    """A bright ellipse on a dark noisy ground beside another one."""
    y, x = np.mgrid[:90, :120]
    truth = ((y - 45) / 25) ** 2 + ((x - 35) / 20) ** 2 <= 1
    other = ((y - 45) / 25) ** 2 + ((x - 90) / 18) ** 2 <= 1
    noise = np.random.default_rng(0).normal(0, 6, truth.shape)
    return (60 + 120 * (truth | other) + noise).astype(np.uint8), truth.astype(int)


def make(name: str):
    if name == "grabcut":
        pytest.importorskip("cv2")
    return BASELINES[name]()


@pytest.mark.parametrize("name", BASELINES)
def test_clicks_lead_on_until_the_object_is_found(name: str, scene) -> None:
    image, truth = scene
    baseline = make(name)
    baseline.set_image(image)
    ious, _ = evaluate_object(baseline, truth, Settings(8))
    assert ious[-1] > 0.9
    assert ious[-1] >= ious[0] - 0.05


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("kind", ["box", "scribble", "polygon"])
def test_any_first_prompt_is_understood(name: str, kind, scene) -> None:
    image, truth = scene
    baseline = make(name)
    baseline.set_image(image)
    ious, _ = evaluate_object(baseline, truth, Settings(1, first_prompt=kind))
    assert ious[0] > 0.5


@pytest.mark.parametrize("name", BASELINES)
def test_answers_are_probabilities_of_the_images_shape(name: str, scene) -> None:
    colour = np.dstack([scene[0]] * 3)
    baseline = make(name)
    baseline.set_image(colour)
    prompts = Prompts().click(45, 35).click(45, 90, positive=False)
    answer = baseline.predict(prompts)
    assert answer.probability.shape == (90, 120)
    assert answer.probability.dtype == np.float32
    assert 0 <= answer.probability.min() <= answer.probability.max() <= 1
    assert answer.embed_ms == 0


@pytest.mark.parametrize("name", ["flood-fill", "random-walker"])
def test_negative_click_removes_the_neighbour(name: str) -> None:
    image = np.zeros((60, 60), np.uint8)
    image[6:54, 6:54] = 200
    image[6:54, 29:31] = 180
    truth = np.zeros((60, 60), int)
    truth[6:54, 6:29] = 1
    baseline = make(name)
    baseline.set_image(image)
    one = baseline.predict(Prompts().click(30, 14))
    two = baseline.predict(Prompts().click(30, 14).click(30, 45, False), one)
    assert iou(truth, one.probability > 0.49) < 0.7
    assert iou(truth, two.probability > 0.49) > 0.8


@pytest.mark.parametrize("name", BASELINES)
def test_negative_prompts_alone_find_nothing(name: str, scene) -> None:
    baseline = make(name)
    baseline.set_image(scene[0])
    answer = baseline.predict(Prompts().click(45, 90, positive=False))
    assert not answer.probability.any()


def test_grabcut_without_opencv_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def missing(name: str, *rest, **options):
        if name == "cv2":
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"napari-segnext\[eval\]"):
        GrabCut()
