"""A mask refined near itself is that of the whole tile, and costs less."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.geometry.regions import Extent, Patch
from napari_segnext.models import Cancelled
from napari_segnext.models.tiny import Tiny
from napari_segnext.predicting.nearby import around, refined
from napari_segnext.predicting.prediction import Prediction
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.prompts import Prompts
from napari_segnext.weights import load_model

SIDE = 512
Y, X = np.indices((SIDE, SIDE))


def disc(row: int, column: int, radius: float) -> np.ndarray:
    return np.hypot(Y - row, X - column) < radius


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 60, (SIDE, SIDE), np.uint8)
    for row, column, radius in ((100, 120, 24), (100, 190, 24), (330, 300, 90)):
        image[disc(row, column, radius)] += 120
    predictor = Predictor(load_model("tiny", "cpu"))
    predictor.set_image(image)
    return predictor


def known(mask: np.ndarray) -> Patch:
    return Patch.of(np.where(mask, 0.9, 0.0).astype(np.float32))


@pytest.mark.parametrize(
    ("row", "column", "radius", "drawn"), [(100, 120, 24, 20), (330, 300, 90, 84)]
)
def test_it_is_the_mask_of_the_whole_tile(predictor, row, column, radius, drawn):
    prompts, before = Prompts().click(row, column), known(disc(row, column, drawn))
    near = refined(predictor, prompts, before).mask()
    previous = Prediction.from_probability(before.read(Extent(0, 0, SIDE, SIDE)))
    whole = predictor.predict(prompts, previous).mask
    assert (near & whole).sum() / (near | whole).sum() > 0.97
    truth = disc(row, column, radius)
    assert (near & truth).sum() / (near | truth).sum() > 0.8


def test_no_more_is_decoded_than_lies_around_it(predictor, monkeypatch):
    parts = []
    decode = Tiny.decode_part

    def noted(self, embedding, prompts, part):
        parts.append(part)
        return decode(self, embedding, prompts, part)

    monkeypatch.setattr(Tiny, "decode_part", noted)
    refined(predictor, Prompts().click(100, 120), known(disc(100, 120, 20)))
    (part,) = parts
    rows, columns = part.shape
    assert rows * columns < 0.4 * predictor.model.config.size**2
    assert not any(end % 16 for end in part)


def test_what_is_lost_in_a_coarse_tile_is_looked_for_in_all_of_it():
    faint = np.full((64, 64), 0.4, np.float32)
    assert around([faint]) == (0, 0, 64, 64)
    faint[40:44, 8:12] = 0.6
    assert around([faint]) == (0, 0, 64, 48)


def test_it_can_be_cancelled(predictor):
    predictor.store.clear()
    with pytest.raises(Cancelled):
        refined(
            predictor,
            Prompts().click(100, 120),
            known(disc(100, 120, 20)),
            lambda: True,
        )
