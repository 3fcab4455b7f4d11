"""The parts of `tiny` that are not taken from timm are the same as there."""

from __future__ import annotations

import subprocess
import sys

import pytest
import timm
import torch
from timm.models import vision_transformer
from torch import nn

from napari_segnext.models.efficientnet import EfficientNetLite0
from napari_segnext.models.tiny import LITE0
from napari_segnext.models.transformer import Block


def make_pair(part: str) -> tuple[nn.Module, nn.Module, torch.Tensor]:
    """Return ours, timm's, and an input."""
    if part == "block":
        theirs = vision_transformer.Block(
            32, 4, mlp_ratio=2, qkv_bias=True, init_values=0.1
        )
        return Block(32, 4), theirs, torch.randn(2, 9, 32)
    encoder = timm.create_model(LITE0, features_only=True, out_indices=(0, 1, 2, 3))
    del encoder.blocks[5:]
    return EfficientNetLite0(), encoder, torch.rand(2, 3, 64, 96)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("part", ["encoder", "block"])
def test_weights_of_timm_fit_and_give_the_same_numbers(
    part: str, training: bool
) -> None:
    torch.manual_seed(0)
    ours, theirs, inputs = make_pair(part)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    with torch.no_grad():
        found, wanted = (m.train(training)(inputs) for m in (ours, theirs))
    torch.testing.assert_close(found, wanted)


def test_tiny_answers_without_timm_and_what_comes_with_it() -> None:
    code = (
        "import sys; sys.modules['timm'] = sys.modules['torchvision'] = None; "
        "import numpy as np; "
        "from napari_segnext import Predictor, Prompts, load_model; "
        "predictor = Predictor(load_model('tiny', 'cpu')); "
        "predictor.set_image(np.eye(64)); predictor.predict(Prompts().click(9, 9)); "
        "print({'torch._dynamo', 'sympy', 'zarr'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "set()", done.stderr
