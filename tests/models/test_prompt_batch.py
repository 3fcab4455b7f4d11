from __future__ import annotations

import torch

from napari_segnext.geometry.frame import Frame
from napari_segnext.models import PromptBatch
from napari_segnext.prompts import Prompts, PromptStyle

FRAME = Frame(0, 0, 16, 16, 16)


def test_clicks_keep_their_order_and_sign_and_missing_rows_say_so() -> None:
    both = Prompts().click(1, 2, positive=False).click(3, 4)
    given = [p.to_model(FRAME, PromptStyle(0)) for p in (both, Prompts().click(5, 6))]
    batch = PromptBatch.of(given, torch.device("cpu"))
    assert batch.dense.shape == (2, 3, 16, 16)
    assert batch.points.floor().tolist() == [[[1, 2], [3, 4]], [[5, 6], [0, 0]]]
    assert batch.signs.tolist() == [[-1, 1], [1, 0]]


def test_prompts_without_clicks_have_no_rows() -> None:
    box = Prompts().box((2, 2), (9, 9)).to_model(FRAME, PromptStyle(0))
    batch = PromptBatch.of([box], torch.device("cpu"))
    assert batch.points.shape == (1, 0, 2)
    assert batch.signs.shape == (1, 0)
