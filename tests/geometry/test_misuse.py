"""What is easily given in place of something else is named, or taken for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.doubles import IntensityModel

import napari_segnext
from napari_segnext.evaluation.metrics import iou
from napari_segnext.geometry.plane import Plane
from napari_segnext.images.intensity import Window
from napari_segnext.images.volume import Volume
from napari_segnext.predicting.prediction import Prediction
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.prompts import Click, Prompts
from napari_segnext.session import ArrayLabels, Session
from napari_segnext.weights import load_model

IMAGE = np.zeros((40, 60), np.uint8)
IMAGE[10:20, 30:40] = 200
CLICK = Prompts().click(15, 35)


def predictor(**given) -> Predictor:
    made = Predictor(IntensityModel())
    made.set_image(IMAGE, **given)
    return made


def tells(error: type[Exception], *words: str):
    return pytest.raises(error, match=r"(?s)\A(?!.*\n).*" + ".*".join(words))


@pytest.mark.parametrize(
    "prompts", [[(5, 5)], (5, 5), None, np.array([[5, 5]]), Click((5, 5)), "coin"]
)
def test_prompts_are_prompts(prompts) -> None:
    with tells(TypeError, "click"):
        predictor().predict(prompts)


@pytest.mark.parametrize("previous", [IMAGE > 0, [1], "mask", CLICK])
def test_what_came_before_is_a_prediction(previous) -> None:
    with tells(TypeError, "from_probability"):
        predictor().predict(CLICK, previous)


@pytest.mark.parametrize("model", ["tiny", None, Path("tiny"), IMAGE])
def test_a_model_is_a_model(model) -> None:
    with tells(TypeError, "load_model"):
        Predictor(model)


@pytest.mark.parametrize("model", [None, 5, IMAGE])
def test_a_model_of_a_volume_is_a_model_or_its_name(model) -> None:
    with tells(TypeError, "load_model"):
        VolumePredictor(model, Volume(IMAGE))
    assert VolumePredictor("tiny", IMAGE).model.config.architecture == "tiny"


@pytest.mark.parametrize("image", ["a.png", Path("a.png"), None, b"a", object()])
def test_an_image_is_an_array(image) -> None:
    with tells(TypeError, "array", "read_image"):
        Predictor(IntensityModel()).set_image(image)


def test_two_numbers_are_a_window() -> None:
    known = predictor(window=Window((0.0,), (255.0,))).predict(CLICK).mask
    for pair in ((0, 255), [0.0, 255.0], np.array([0, 255]), ([0], [255])):
        np.testing.assert_array_equal(predictor(window=pair).predict(CLICK).mask, known)
    volume = VolumePredictor(IntensityModel(), Volume(IMAGE), window=(0, 255))
    np.testing.assert_array_equal(volume.predict(Plane(), CLICK).mask, known)


@pytest.mark.parametrize(
    "window",
    [(255, 0), (0, 0), 255, (1, 2, 3), "uint8", (0, np.nan), {}, [[[0]], [[1]]]],
)
def test_what_is_no_window_is_refused(window) -> None:
    with tells(ValueError, "low, high"):
        predictor(window=window)


def test_a_mask_of_any_value_is_a_mask() -> None:
    known = Prediction.from_probability(IMAGE > 0)
    for mask in (IMAGE, IMAGE // 200, np.where(IMAGE, 255.0, 0), IMAGE.astype(int)):
        made = Prediction.from_probability(mask)
        np.testing.assert_array_equal(made.probability, known.probability)
    kept = Prediction.from_probability(IMAGE / 250)
    assert kept.probability.max() == np.float32(0.8)


@pytest.mark.parametrize(
    "probability",
    [
        np.arange(256, dtype=np.uint8).reshape(16, 16),
        np.full((4, 4), np.nan),
        np.array([[0.5, np.nan]]),
        np.array([[0.0, np.inf]]),
        np.array([[0.0, -0.5, 1.0]]),
        np.zeros((2, 4, 4)),
        "mask.png",
        None,
    ],
)
def test_what_is_no_probability_is_refused(probability) -> None:
    with tells(ValueError, "probability is"):
        Prediction.from_probability(probability)


def test_an_array_is_a_volume() -> None:
    stack, plane = np.stack([IMAGE, IMAGE.T.reshape(IMAGE.shape)]), Plane(0, 1)
    found = VolumePredictor(IntensityModel(), stack).predict(plane, CLICK)
    known = VolumePredictor(IntensityModel(), Volume(stack)).predict(plane, CLICK)
    np.testing.assert_array_equal(found.mask, known.mask)


def test_a_truth_of_any_value_is_compared_where_it_is_not_zero() -> None:
    mask = IMAGE > 0
    for truth in (IMAGE, mask, mask * 255.0, mask.astype(np.int8)):
        assert iou(truth, mask) == 1
        assert iou(truth, mask.astype(np.uint8) * 255) == 1
    ignored = np.where(mask, 1, -1)
    assert iou(ignored, np.ones_like(mask)) == 1
    for other in (IMAGE.T, IMAGE[:-1], IMAGE[None]):
        with tells(ValueError, "shape"):
            iou(other, mask)


@pytest.mark.parametrize("name", [None, 3, IMAGE])
def test_a_model_is_loaded_by_name(name) -> None:
    with pytest.raises(TypeError, match="tiny"):
        load_model(name)


def test_all_that_is_exported_is_there() -> None:
    assert dir(napari_segnext) == sorted(napari_segnext.__all__)
    for name in napari_segnext.__all__:
        assert getattr(napari_segnext, name) is not None
    assert napari_segnext.VolumePredictor is VolumePredictor


@pytest.mark.parametrize(
    "data", ["a.nii", None, [[1, 2], [3, 4]], 5, ["a"], [IMAGE, 1]]
)
def test_a_volume_is_made_of_arrays(data) -> None:
    with tells(TypeError, "array", "read_image"):
        Volume(data)


def test_arrays_of_other_libraries_are_not_guessed_at() -> None:
    with tells(ValueError, "real numbers"):
        Volume(torch.zeros(3, 40, 60))


@pytest.mark.parametrize("plane", [6, (0, 6), None, CLICK])
def test_a_plane_is_a_plane(plane) -> None:
    with tells(TypeError, "Plane"):
        VolumePredictor(IntensityModel(), IMAGE[None]).predict(plane, CLICK)
    session = Session(ArrayLabels(np.zeros((3, 40, 60), np.uint8)))
    with tells(TypeError, "Plane"):
        session.set_prompts(plane, CLICK)


@pytest.mark.parametrize("prompts", [None, [(5, 5)], Click((5, 5))])
def test_a_session_takes_prompts(prompts) -> None:
    session = Session(ArrayLabels(np.zeros((3, 40, 60), np.uint8)))
    with tells(TypeError, "click"):
        session.set_prompts(Plane(0, 1), prompts)
    with tells(TypeError, "Prompts"):
        Prediction.from_probability(IMAGE, prompts or 5)


def test_what_else_is_easily_mistaken() -> None:
    with tells(TypeError, "EmbeddingStore"):
        Predictor(IntensityModel(), "folder")
    with tells(TypeError, "text"):
        Prompts().text(5)
    with tells(ValueError, "device"):
        load_model("tiny", device=None)
