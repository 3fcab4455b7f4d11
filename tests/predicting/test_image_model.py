"""What a model wants back reaches it, while it belongs to what is refined."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.doubles import IntensityModel
from tests.models.research.test_sam_ref import build

from napari_segnext.commands.segment import answer
from napari_segnext.geometry.plane import Plane
from napari_segnext.images.volume import Volume
from napari_segnext.models import Decoded
from napari_segnext.predicting.image_model import ImageModel
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.prompts import Prompts
from napari_segnext.session import ArrayLabels, Session

PLANE, CLICKS = Plane(0, 0), ((10, 10), (40, 40), (20, 20))


class CountingModel(IntensityModel):
    """Wants back how many prompts it has answered; writes down what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[int | None] = []

    def decode(self, embedding, prompts, state=None):
        self.given.append(None if state is None else int(state["count"]))
        count = torch.tensor(len(prompts.points))
        return Decoded(super().decode(embedding, prompts).logits, {"count": count})


def bright() -> np.ndarray:
    image = np.zeros((1, 64, 64), np.uint8)
    image[0, 5:45, 5:45] = 200
    return image


@pytest.fixture
def model() -> CountingModel:
    return CountingModel()


@pytest.fixture
def session() -> Session:
    session = Session(ArrayLabels(np.zeros((1, 64, 64), np.int32)))
    session.new_object()
    return session


def clicking(session: Session, at_work: ImageModel, count: int) -> None:
    """Give the first clicks, the last of which is new."""
    prompts = Prompts()
    for y, x in CLICKS[:count]:
        prompts = prompts.click(y, x)
    request = session.set_prompts(PLANE, prompts)
    assert request is not None
    answer(session, at_work, request)


def test_each_click_gives_back_what_the_one_before_left(session, model) -> None:
    at_work = ImageModel(VolumePredictor(model, Volume(bright())))
    for count in (1, 2, 3):
        clicking(session, at_work, count)
    assert model.given == [None, 1, 2]


def test_an_undone_click_leaves_nothing(session, model) -> None:
    at_work = ImageModel(VolumePredictor(model, Volume(bright())))
    clicking(session, at_work, 1)
    clicking(session, at_work, 2)
    session.undo()
    clicking(session, at_work, 2)
    assert model.given == [None, 1, None]


def test_other_objects_keep_theirs_apart(session, model) -> None:
    at_work = ImageModel(VolumePredictor(model, Volume(bright())))
    clicking(session, at_work, 1)
    session.new_object()
    clicking(session, at_work, 1)
    clicking(session, at_work, 2)
    assert model.given == [None, None, 1]


def test_sam_refs_selector_gets_its_error_map_and_answer(session, monkeypatch) -> None:
    model = build().eval()
    given, decode = [], model.decode

    def spy(embedding, prompts, state=None):
        given.append(state)
        return decode(embedding, prompts, state)

    monkeypatch.setattr(model, "decode", spy)
    at_work = ImageModel(VolumePredictor(model, Volume(bright())))
    clicking(session, at_work, 1)
    clicking(session, at_work, 2)
    assert given[0] is None
    assert set(given[1]) == {"error", "logits"}
