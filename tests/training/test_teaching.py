"""A model is taught accepted objects on embeddings that stay of use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_segnext import Plane, Prompts, load_model
from napari_segnext.engines import accelerate
from napari_segnext.finding.turns import at_once
from napari_segnext.geometry.frame import Region
from napari_segnext.models import Cancelled
from napari_segnext.models.base import Embedding
from napari_segnext.models.fingerprint import model_fingerprint
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.session.accepted import Accepted
from napari_segnext.training import teaching
from napari_segnext.training.lessons import Lessons
from napari_segnext.training.teaching import Taught, check_teachable, teach
from napari_segnext.weights import load_follower, save_model

# What was accepted are discs with a bright core, which alone is found at first.
SIDE, CORE, WHOLE = 256, 11, 20


def objects() -> tuple[np.ndarray, list[Accepted]]:
    """Return a section of discs, all of which were accepted."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    image, found = rng.normal(60, 6, (SIDE, SIDE)), []
    for number in range(10):
        y, x = 30 + 48 * (number // 2), 50 + 130 * (number % 2)
        away = np.hypot(rows - y, columns - x)
        image += 25 * (away <= WHOLE) + 70 * (away <= CORE)
        prompts = Prompts().click(y, x).click(y, x + 16)
        whole = Region.of(away <= WHOLE)
        found.append(Accepted(number + 1, Plane(0, 0), prompts, whole))
    return image.clip(0, 255).astype(np.uint8)[None], found


@pytest.fixture(scope="module")
def base() -> tuple[VolumePredictor, list[Accepted]]:
    image, accepted = objects()
    return VolumePredictor("tiny", image), accepted


@pytest.fixture(scope="module")
def taught(base: tuple[VolumePredictor, list[Accepted]]) -> Taught:
    return teach(*base, steps=12)


def encodes(monkeypatch: pytest.MonkeyPatch, model: torch.nn.Module) -> list[int]:
    """Count how often a model embeds anything from now on."""
    calls: list[int] = []
    verb = model.encode

    def counting(*args: object, **kwargs: object) -> Embedding:
        calls.append(1)
        found: Embedding = verb(*args, **kwargs)
        return found

    monkeypatch.setattr(model, "encode", counting)
    return calls


def test_what_was_held_out_gets_better(taught: Taught) -> None:
    assert (taught.learned, taught.held_out) == (8, 2)
    assert len(taught.before) == len(taught.after) == 3
    assert taught.better
    assert taught.after[1] > taught.before[1] + 0.1


def test_it_is_better_only_with_one_prompt_and_with_three(taught: Taught) -> None:
    def better(*after: float) -> bool:
        return Taught(taught.model, (0.5, 0.6, 0.9), after, 8, 2).better

    assert better(0.51, 0.5, 0.91)
    assert not better(0.9, 0.9, 0.89)
    assert not better(0.49, 0.9, 0.91)
    # All were right with three already.
    assert better(0.51, 0.5, 0.9)
    assert not better(0.5, 0.9, 0.9)


def test_it_need_not_come_closer_to_the_answers_of_the_model_before(
    base: tuple[VolumePredictor, list[Accepted]],
) -> None:
    predictor, accepted = base
    own = []
    for each in accepted[:5]:
        given = Prompts(each.prompts.items[:1])
        found = Region.of(predictor.predict(each.plane, given).mask)
        own.append(Accepted(each.object_id, each.plane, given, found))
    measured = at_once(teaching._measured(predictor, own, 0.0), lambda: False)
    assert measured[0] <= teaching.RIGHT
    assert measured[0] == pytest.approx(teaching.RIGHT, abs=0.02)


def test_every_fifth_object_is_held_out_in_all_of_its_planes() -> None:
    _, accepted = objects()
    again = [Accepted(e.object_id, Plane(0, 1), e.prompts, e.mask) for e in accepted]
    both = sorted([*accepted, *again], key=lambda each: each.object_id)
    learned, held_out = teaching._divided(both)
    assert [each.object_id for each in held_out] == [5, 5, 10, 10]
    assert len(learned) == 16


def test_the_model_before_is_as_it_was(
    base: tuple[VolumePredictor, list[Accepted]], taught: Taught
) -> None:
    fresh, known = load_model("tiny").state_dict(), base[0].model.state_dict()
    own = taught.model.state_dict()
    for name, tensor in fresh.items():
        torch.testing.assert_close(known[name], tensor, rtol=0, atol=0)
        if name.startswith(("encoder.", "lateral.")):
            torch.testing.assert_close(own[name], tensor, rtol=0, atol=0)
    assert not torch.equal(own["head.weight"], fresh["head.weight"])
    assert taught.model.config.looks == base[0].model.config.looks == 2


def test_as_a_file_it_is_a_model_that_embeds_nothing_anew(
    base: tuple[VolumePredictor, list[Accepted]],
    taught: Taught,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_model(taught.model, tmp_path / "taught.safetensors")
    predictor, accepted = base
    model = accelerate(load_model(tmp_path / "taught.safetensors"), "torch")
    assert model.embeds_as == model_fingerprint(predictor.model)
    loaded = VolumePredictor(model, predictor.volume, predictor.store, predictor.window)
    calls = encodes(monkeypatch, model)
    plane, prompts = Plane(0, 0), Prompts(accepted[0].prompts.items[:1])
    mask = loaded.predict(plane, prompts).mask
    assert not calls
    assert not np.array_equal(mask, predictor.predict(plane, prompts).mask)


def test_it_can_be_taught_once_more(
    base: tuple[VolumePredictor, list[Accepted]], taught: Taught
) -> None:
    predictor, accepted = base
    model = accelerate(taught.model, "torch")
    again = VolumePredictor(model, predictor.volume, predictor.store, predictor.window)
    twice = teach(again, accepted[:5], steps=1)
    assert twice.model.embeds_as == taught.model.embeds_as
    assert (twice.learned, twice.held_out) == (4, 1)


def test_prompts_of_the_user_are_replayed_in_their_order(
    base: tuple[VolumePredictor, list[Accepted]],
) -> None:
    predictor, accepted = base
    pupil = teaching._copy(check_teachable(predictor.model, accepted), "")
    with_pupil = VolumePredictor(pupil, predictor.volume, window=predictor.window)
    lessons = Lessons(with_pupil, 2, np.random.default_rng(0), lambda: False)
    talk = lessons.replayed(accepted[0])
    asked = [next(talk)]
    while True:
        try:
            asked.append(talk.send(np.zeros((1, 1), np.float32)))
        except StopIteration:
            break
    # Two looks at the first click, and one at both clicks.
    drawn = [float(lesson.dense[0, 1].sum()) for lesson in asked]
    assert drawn[0] == drawn[1] > 0
    assert drawn[2] > 1.5 * drawn[1]
    assert asked[0].dense[0, 0].sum() == 0 < asked[1].dense[0, 0].sum()
    assert all(lesson.target.sum() > 300 for lesson in asked)


def test_it_can_be_stopped(base: tuple[VolumePredictor, list[Accepted]]) -> None:
    shares: list[float] = []
    with pytest.raises(Cancelled):
        teach(*base, cancelled=lambda: len(shares) > 3, progress=shares.append)
    assert 0 < shares[0] < 0.1
    assert len(shares) == 4


@pytest.mark.parametrize("count", [0, 4])
def test_with_few_objects_it_says_how_many_it_takes(
    base: tuple[VolumePredictor, list[Accepted]], count: int
) -> None:
    with pytest.raises(
        ValueError, match=f"accept 5 objects .* so far there are {count}"
    ):
        teach(base[0], base[1][:count])


def test_other_models_are_fine_tuned(
    base: tuple[VolumePredictor, list[Accepted]],
) -> None:
    with pytest.raises(ValueError, match="only tiny, and models trained from it"):
        check_teachable(load_follower("cpu"), base[1])
