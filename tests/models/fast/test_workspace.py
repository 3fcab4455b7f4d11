from __future__ import annotations

import threading

import torch
from timm.models.vision_transformer import Block
from torch import Tensor

from napari_segnext.models.fast.workspace import Workspace, add_mlp


def test_a_place_is_given_again_and_grows_when_more_is_needed() -> None:
    take = Workspace()
    first = take(0, 4, 8)
    assert take(0, 8, 2).data_ptr() == first.data_ptr()
    assert take(1, 4, 8).data_ptr() != first.data_ptr()
    larger = take(0, 5, 8)
    assert larger.shape == (5, 8)
    assert take(0, 4, 8).data_ptr() == larger.data_ptr()


def test_threads_do_not_write_over_each_others_memory() -> None:
    take = Workspace()
    here = take(0, 3)
    elsewhere: list[Tensor] = []
    thread = threading.Thread(target=lambda: elsewhere.append(take(0, 3)))
    thread.start()
    thread.join()
    assert elsewhere[0].data_ptr() != here.data_ptr()


def test_what_was_left_in_the_memory_does_not_reach_the_result() -> None:
    block = Block(8, 2).eval()
    tokens = torch.randn(20, 8)
    with torch.inference_mode():
        wanted = tokens + block.mlp(block.norm2(tokens))
        take = Workspace()
        take(1, 20, 32).fill_(torch.nan)
        add_mlp(block, tokens, take)
    torch.testing.assert_close(tokens, wanted)
