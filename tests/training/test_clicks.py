from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("cv2", reason="training needs the extra `train`")

from napari_segnext.models import ModelConfig, SegmentationModel, build_model
from napari_segnext.prompts import Prompts, PromptStyle
from napari_segnext.training import simulate
from napari_segnext.training.clicks import (
    Conversation,
    Trainer,
    learned_turns,
)
from napari_segnext.training.data import Sample
from napari_segnext.training.loop import Options

STYLE = PromptStyle(2)
CONFIG = ModelConfig(
    "tiny", 64, resize="pad", style=STYLE, arch={"widths": [8, 8, 8, 16]}
)
OPTIONS = Options(
    steps=1, size=64, images=1, objects=2, corrections=4, warmup=1, workers=0
)
MASKS = np.zeros((2, 64, 64), bool)
MASKS[0, 10:30, 10:30] = MASKS[1, 40:60, 5:25] = True
SAMPLE = Sample(np.repeat(MASKS.any(0)[..., None], 3, 2).astype(np.float32), MASKS)


def model() -> SegmentationModel:
    torch.manual_seed(0)
    return build_model(CONFIG)


def conversation(turns: int) -> Conversation:
    first = [Prompts().click(20, 20), Prompts().click(50, 15)]
    rng = np.random.default_rng(0)
    return Conversation(first, MASKS, turns, STYLE, rng, torch.device("cpu"))


def test_users_click_into_what_is_wrong_and_show_the_answer_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(simulate, "_NEEDLESS", 0)
    talk = conversation(2)
    assert not talk.prompts.dense[:, 0].any()
    answer = torch.full((2, 1, 64, 64), -9.0)
    # The first finds too little, the second too much.
    answer[0, 0, 10:30, 10:20] = 9
    answer[1, 0, 40:60, 5:50] = 9
    talk.reply(answer)
    given = talk.prompts
    assert given.signs.tolist() == [[1, 1], [1, -1]]
    (_, more), (_, less) = given.points.long().tolist()
    assert MASKS[0][tuple(more)]
    assert more[1] >= 20
    assert not MASKS[1][tuple(less)]
    assert 25 <= less[1] < 50
    torch.testing.assert_close(given.dense[:, 0], answer.sigmoid()[:, 0])


def test_nobody_clicks_where_all_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "_NEEDLESS", 0)
    talk = conversation(2)
    talk.reply(18 * torch.from_numpy(MASKS[:, None].astype(np.float32)) - 9)
    assert talk.prompts.signs.tolist() == [[1], [1]]


@pytest.mark.parametrize(
    ("most", "always", "count"), [(1, {4}, 1), (3, {0, 4}, 3), (9, {0, 1, 2, 3, 4}, 5)]
)
def test_the_last_answer_is_learned_from_then_the_first_then_any(
    most: int, always: set[int], count: int
) -> None:
    rng = np.random.default_rng(0)
    drawn = [learned_turns(5, most, rng) for _ in range(40)]
    assert all(always <= turns and len(turns) == count for turns in drawn)
    assert set.union(*drawn) == (always if most == 1 else {0, 1, 2, 3, 4})
    assert learned_turns(1, most, rng) == {0}


def test_only_what_is_learned_from_has_gradients(tmp_path: Path) -> None:
    trainer = Trainer(model(), {}, tmp_path, OPTIONS)
    image = torch.from_numpy(SAMPLE.image).permute(2, 0, 1)[None]
    answers = trainer.network(image, 2, conversation(3), {0, 2})
    assert [len(answer.prompts.signs[0]) for answer in answers] == [1, 3]
    for answer in answers:
        assert answer.logits.shape == (2, 1, 64, 64)
        assert answer.logits.requires_grad


def test_answers_weigh_the_same_in_long_conversations_and_short_ones(
    tmp_path: Path,
) -> None:
    trainer = Trainer(model(), {}, tmp_path, replace(OPTIONS, answers=3))
    shares = []
    for trainer.step in range(40):
        loss, row = trainer.learn([SAMPLE])
        assert set(row) == {"focal", "dice", "click", "iou", "first_iou"}
        # Untrained, all answers are about equally wrong.
        shares.append(round(loss.item() / (row["focal"] + row["dice"]), 1))
    # One, two or, in three of five cases, three answers, divided by 2.4.
    assert min(shares) == pytest.approx(1 / 2.4, abs=0.1)
    assert max(shares) == pytest.approx(3 / 2.4, abs=0.1)


def test_clicked_pixels_are_learned_as_much_as_told(tmp_path: Path) -> None:
    losses = []
    for weight in (0.0, 0.5):
        options = replace(OPTIONS, click=weight, seed=1)
        loss, row = Trainer(model(), {}, tmp_path, options).learn([SAMPLE])
        losses.append(loss.item())
    assert row["click"] > 0
    assert losses[1] - losses[0] == pytest.approx(0.5 * row["click"], rel=1e-4)


def test_a_compiled_network_is_saved_under_the_same_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []

    def remember(function: object) -> object:
        compiled.append(function)
        return function

    monkeypatch.setattr(torch, "compile", remember)
    network = model()
    names = set(network.state_dict())
    trainer = Trainer(network, {}, tmp_path, replace(OPTIONS, compiled=True))
    assert len(compiled) == 2
    assert set(trainer.average.module.state_dict()) == names
    assert set(network.state_dict()) == names
    loss, _ = trainer.learn([SAMPLE])
    assert loss.requires_grad
