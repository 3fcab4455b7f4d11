"""A decode in one call, for CPUs: traced by PyTorch, answered without Python's lock.

A light decode is a hundred short operations, and after each of them a thread waits for
Python's lock. Beside a busy window that took most of a click's time; a traced function
asks for it once.
"""

from __future__ import annotations

import warnings
from typing import cast

import torch
from torch import Tensor, nn

from napari_segnext.engines.functions import Decoding, decodes_dense, sample_of
from napari_segnext.engines.running import Functions, not_at_the_end
from napari_segnext.models import SegmentationModel
from napari_segnext.models.base import Features

# How far the probabilities may be from PyTorch's in the trial run.
_TOLERANCE = 1e-4
# The first calls are watched and optimised by PyTorch.
_WARMUPS = 3


def prepare(model: SegmentationModel) -> Functions:
    """Trace a model's decode, and try it.

    A decode that reads more than the dense map stays as it is, and so does one that
    remembers what it has computed.

    Raises
    ------
    RuntimeError
        If it cannot be traced, or answers wrongly.
    """
    if not decodes_dense(model) or model.remembers:
        return Functions("PyTorch")
    with not_at_the_end, torch.inference_mode():
        return _prepare(model)


def _prepare(model: SegmentationModel) -> Functions:
    sample = sample_of(model)
    features = model.image_features(sample.images)
    first, second = ((*features.values(), dense) for dense in sample.dense)
    decoding = Decoding(model, tuple(features)).eval()
    traced = trace(decoding, first)
    for _ in range(_WARMUPS):
        answer = traced(*second)
    off = float((answer.sigmoid() - decoding(*second).sigmoid()).abs().max())
    if not off <= _TOLERANCE:
        raise RuntimeError(f"traced, it differs from PyTorch by a probability of {off}")

    def logits(features: Features, dense: Tensor) -> Tensor:
        return cast("Tensor", traced(*(features[n] for n in decoding.names), dense))

    return Functions("PyTorch, traced", mask_logits=logits)


def trace(module: nn.Module, example: tuple[Tensor, ...]) -> nn.Module:
    """Record what a module does with tensors of these shapes, as one call."""
    with warnings.catch_warnings():
        # It is to be given up for compilers, which a user's computer has not got.
        warnings.simplefilter("ignore", FutureWarning)
        traced = torch.jit.trace(module, example, check_trace=False)  # type: ignore[no-untyped-call]
        return cast("nn.Module", torch.jit.freeze(traced))
