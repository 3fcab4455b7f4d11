from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.doubles import TILED, WHOLE, IntensityModel

from napari_segnext.images.intensity import Window
from napari_segnext.models import Cancelled
from napari_segnext.predicting.prediction import Prediction
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.predicting.store import EmbeddingStore
from napari_segnext.prompts import Prompts


def picture(shape: tuple[int, int] = (300, 300), dtype: str = "uint8") -> np.ndarray:
    """Draw a bright square of 40 pixels and a bright disk, apart, on black."""
    image = np.zeros(shape, dtype)
    image[100:140, 60:100] = 200
    image[200:220, 200:230] = 200
    return image


def iou(mask: np.ndarray, truth: np.ndarray) -> float:
    return float((mask & truth).sum() / (mask | truth).sum())


@pytest.fixture
def tiled() -> Predictor:
    predictor = Predictor(IntensityModel(TILED))
    predictor.set_image(picture())
    return predictor


@pytest.mark.parametrize("config", [WHOLE, TILED])
@pytest.mark.parametrize(
    "image",
    [
        picture(),
        picture(dtype="float64") / 200,
        picture(dtype="uint16") * 100,
        picture(dtype="int32") - 100,
        picture() > 0,
        np.repeat(picture()[..., None], 3, 2),
        np.repeat(picture()[..., None], 4, 2),
    ],
    ids=["uint8", "float", "uint16", "negative", "bool", "rgb", "rgba"],
)
def test_a_click_segments_what_is_under_it(image: np.ndarray, config: object) -> None:
    predictor = Predictor(IntensityModel(config))  # type: ignore[arg-type]
    predictor.set_image(image)
    prediction = predictor.predict(Prompts().click(120, 80))
    assert prediction.probability.shape == (300, 300)
    assert prediction.probability.dtype == np.float32
    assert prediction.mask[105:135, 65:95].all()
    assert not prediction.mask[:90].any()
    np.testing.assert_array_equal(prediction.mask, prediction.probability > 0.5)


def test_a_tile_is_embedded_once_however_many_prompts_it_serves() -> None:
    model = IntensityModel(TILED)
    predictor = Predictor(model)
    predictor.set_image(picture())
    prompts = Prompts().click(120, 80)
    first = predictor.predict(prompts)
    embedded = model.encoded
    assert first.embed_ms > 0
    again = predictor.predict(prompts)
    assert model.encoded == embedded
    np.testing.assert_array_equal(first.probability, again.probability)


def test_predictors_that_share_a_store_share_embeddings() -> None:
    model, store = IntensityModel(WHOLE), EmbeddingStore()
    for _ in range(2):
        predictor = Predictor(model, store)
        predictor.set_image(picture())
        predictor.predict(Prompts().click(120, 80))
    assert model.encoded == 1
    predictor.set_image(picture()[::-1])
    predictor.predict(Prompts().click(120, 80))
    assert model.encoded == 2


def test_an_object_larger_than_a_tile_moves_to_a_coarser_one(tiled: Predictor) -> None:
    image = np.zeros((300, 300), np.uint8)
    image[20:280, 20:280] = 255
    tiled.set_image(image)
    prediction = tiled.predict(Prompts().click(150, 150))
    assert prediction.tile is not None
    assert prediction.tile.level == 0
    assert iou(prediction.mask, image > 0) > 0.9


def test_what_lies_outside_the_tile_of_a_refinement_is_kept(tiled: Predictor) -> None:
    probability = np.zeros((300, 300), np.float32)
    probability[0, 0] = 0.3
    previous = Prediction.from_probability(probability)
    refined = tiled.predict(Prompts().click(210, 215), previous)
    assert refined.probability[0, 0] == np.float32(0.3)


def test_a_previous_mask_is_refined_rather_than_forgotten(tiled: Predictor) -> None:
    earlier = tiled.predict(Prompts().click(120, 80))
    both = tiled.predict(Prompts().click(120, 80).click(210, 215), earlier)
    assert both.mask[110:130, 70:90].all()
    assert both.mask[205:215, 205:225].all()


def test_a_mask_alone_comes_back_and_is_refined(tiled: Predictor) -> None:
    drawn = np.zeros((300, 300), bool)
    drawn[110:150, 55:90] = True
    prompts = Prompts().mask(drawn)
    first = tiled.predict(prompts)
    np.testing.assert_array_equal(first.mask, drawn)
    refined = tiled.predict(prompts.click(105, 95), first)
    square = (picture() > 0) & (np.arange(300) < 150)
    assert iou(refined.mask, square) > iou(drawn, square)
    taken = tiled.predict(Prompts().click(120, 80).mask(drawn))
    assert not np.array_equal(taken.mask, drawn)


def test_a_negative_click_takes_away(tiled: Predictor) -> None:
    prompts = Prompts().click(110, 70)
    before = tiled.predict(prompts)
    after = tiled.predict(prompts.click(130, 90, positive=False), before)
    assert before.mask[130, 90]
    assert not after.mask[130, 90]


def test_a_negative_click_far_off_changes_nothing(tiled: Predictor) -> None:
    prompts = Prompts().click(120, 80)
    first = tiled.predict(prompts)
    second = tiled.predict(prompts.click(122, 82), first)
    far = tiled.predict(prompts.click(290, 290, positive=False), first)
    assert far.tile == second.tile
    np.testing.assert_array_equal(far.mask, first.mask)


def test_embed_prepares_the_first_click(tiled: Predictor) -> None:
    assert not tiled.is_embedded((120, 80))
    tiled.embed(at=(120, 80))
    assert tiled.is_embedded((120, 80))
    assert tiled.predict(Prompts().click(120, 80)).embed_ms < 50


def test_a_cancelled_embedding_leaves_nothing_behind() -> None:
    model = IntensityModel(TILED)
    predictor = Predictor(model)
    predictor.set_image(picture())
    with pytest.raises(Cancelled):
        predictor.predict(Prompts().click(120, 80), cancelled=lambda: True)
    assert model.encoded == 0
    assert predictor.predict(Prompts().click(120, 80)).mask.any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 3), (33, 1000)])
@pytest.mark.parametrize("config", [WHOLE, TILED])
def test_any_shape_works(shape: tuple[int, int], config: object) -> None:
    predictor = Predictor(IntensityModel(config))  # type: ignore[arg-type]
    predictor.set_image(np.random.default_rng(0).random(shape))
    at = (shape[0] - 1, shape[1] - 1)
    prediction = predictor.predict(Prompts().click(*at))
    assert prediction.probability.shape == shape
    assert np.isfinite(prediction.probability).all()


@pytest.mark.parametrize("value", [0, 7, np.nan, np.inf, -np.inf])
def test_a_flat_or_broken_image_gives_finite_probabilities(value: float) -> None:
    image = np.full((50, 60), value, np.float64)
    predictor = Predictor(IntensityModel(TILED))
    predictor.set_image(image)
    prediction = predictor.predict(Prompts().click(5, 5))
    assert np.isfinite(prediction.probability).all()


def test_nan_pixels_do_not_spoil_the_others(tiled: Predictor) -> None:
    image = picture(dtype="float32")
    image[:50, :50] = np.nan
    image[0, 60] = np.inf
    tiled.set_image(image)
    prediction = tiled.predict(Prompts().click(120, 80))
    assert np.isfinite(prediction.probability).all()
    assert prediction.mask[105:135, 65:95].all()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((3, 4, 5, 6)), "pick one slice"),
        (np.zeros((4, 5, 7)), "pick one slice"),
        (np.zeros(5), "pick one slice"),
        (np.zeros((0, 5)), "empty"),
        (np.zeros((4, 5), complex), "real numbers"),
        (np.zeros((4, 5), object), "real numbers"),
    ],
)
def test_what_is_not_an_image_is_refused(image: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Predictor(IntensityModel()).set_image(image)


@pytest.mark.parametrize("at", [(-1, 5), (300, 5), (5, 300), (5, -0.6)])
def test_a_click_outside_names_the_point_and_the_shape(
    tiled: Predictor, at: tuple[float, float]
) -> None:
    with pytest.raises(ValueError, match=r"lies outside the image of shape 300 x 300"):
        tiled.predict(Prompts().click(*at))


def test_misuse_is_told_apart(tiled: Predictor) -> None:
    with pytest.raises(ValueError, match="at least one prompt"):
        tiled.predict(Prompts())
    with pytest.raises(ValueError, match="set_image"):
        Predictor(IntensityModel()).predict(Prompts().click(1, 1))
    other = Prediction.from_probability(np.zeros((5, 5)))
    with pytest.raises(ValueError, match="shape"):
        tiled.predict(Prompts().click(1, 1), other)


def test_a_corrected_box_is_not_drawn_over_the_correction(tiled: Predictor) -> None:
    boxed = Prompts().box((90, 50), (150, 110))
    first = tiled.predict(boxed)
    assert first.mask[95, 55]
    probability = first.probability.copy()
    probability[90:100] = 0
    previous = Prediction.from_probability(probability, boxed)
    refined = tiled.predict(boxed.click(120, 80), previous)
    assert not refined.mask[95, 55]


def test_a_first_click_does_not_zoom_in_but_the_next_prompt_does() -> None:
    assert TILED.tiling is not None
    coarse = replace(TILED, tiling=replace(TILED.tiling, first=0.4))
    predictor = Predictor(IntensityModel(coarse))
    predictor.set_image(picture())
    prompts = Prompts().click(120, 80)
    first = predictor.predict(prompts)
    second = predictor.predict(prompts.click(130, 90), first)
    assert first.tile is not None
    assert second.tile is not None
    assert first.tile.level == predictor.pyramid.first_level() == 1
    assert second.tile.level == 2


def test_a_model_may_look_twice_at_a_first_click_but_at_nothing_else() -> None:
    once, twice = (
        Predictor(IntensityModel(replace(TILED, looks=looks))) for looks in (1, 2)
    )
    once.set_image(picture())
    twice.set_image(picture())
    prompts = Prompts().click(120, 80)
    by_hand = once.predict(prompts, once.predict(prompts))
    found = twice.predict(prompts)
    assert twice.model.decoded == once.model.decoded == 2  # type: ignore[attr-defined]
    np.testing.assert_array_equal(found.probability, by_hand.probability)
    assert found.decode_ms > 0
    twice.predict(prompts.click(130, 90), found)
    twice.predict(prompts.box((90, 50), (150, 110)))
    assert twice.model.decoded == 4  # type: ignore[attr-defined]


class LazyPicture:
    """An image that remembers how many pixels were read of it at once."""

    def __init__(self, image: np.ndarray) -> None:
        self.image, self.most = image, 0
        self.shape = image.shape

    def __getitem__(self, region: tuple[slice, slice]) -> np.ndarray:
        self.most = max(self.most, self.image[region].size)
        return self.image[region]

    def shrunk(self, region: tuple[slice, slice], step: int) -> np.ndarray:
        part = self.image[region]
        self.most = max(self.most, part.size // step**2)
        height, width = (n // step for n in part.shape)
        part = part[: height * step, : width * step]
        return part.reshape(height, step, width, step).mean((1, 3))


@pytest.fixture
def huge(monkeypatch: pytest.MonkeyPatch) -> LazyPicture:
    monkeypatch.setattr("napari_segnext.predicting.tiles._LARGE", 300)
    image = np.zeros((1200, 1600), np.uint8)
    image[100:1000, 200:1100] = 200
    image[1100:1120, 1500:1530] = 200
    return LazyPicture(image)


@pytest.mark.parametrize("lazy", [True, False])
def test_a_large_object_is_found_from_a_shrunk_image(huge, lazy: bool) -> None:
    predictor = Predictor(IntensityModel(TILED))
    image = huge if lazy else huge.image
    predictor.set_image(image, Window((0.0,), (200.0,)), "huge")
    prompts = Prompts().box((100, 200), (999, 1099))
    prediction = predictor.predict(prompts)
    assert prediction.tile is not None
    assert predictor.pyramid.step(prediction.tile.level) > 1
    assert iou(prediction.mask, huge.image > 0) > 0.95
    assert prediction.patch.values.size < huge.image.size / 1.5
    assert huge.most < huge.image.size / 8
    refined = predictor.predict(prompts.click(500, 500), prediction)
    assert iou(refined.mask, huge.image > 0) > 0.95


def test_what_is_kept_of_a_prediction_is_the_tile_it_was_decoded_in(huge) -> None:
    predictor = Predictor(IntensityModel(TILED))
    predictor.set_image(huge, Window((0.0,), (200.0,)), "huge")
    prediction = predictor.predict(Prompts().click(1110, 1515))
    assert prediction.patch.shape == (1200, 1600)
    assert max(prediction.patch.values.shape) <= 300
    assert prediction.mask[1110, 1515]
