"""Parts of a transformer block in memory that is used again.

Whoever allocates large tensors anew for every step waits for the system to clear
their pages: on a CPU that is a tenth of a block's time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from math import prod
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

# timm's, without layer scale; modules have no types for what they hold.
Block: TypeAlias = Any

# Rows whose inner values stay in a processor's cache.
_AT_ONCE = 1024

# Gives a float32 tensor, from the number of a place and the tensor's shape.
Take: TypeAlias = Callable[..., Tensor]


def fresh(place: int, *shape: int) -> Tensor:
    """Take memory that nobody else has."""
    return torch.empty(shape)


class Workspace(threading.local):
    """Memory of a computation's large tensors, used again by the next computation.

    It has numbered places. Whoever takes a tensor of one writes over what was taken of
    it before: a step that reads one place writes another. Each thread has its own.
    """

    def __init__(self) -> None:
        self._places: dict[int, Tensor] = {}

    def __call__(self, place: int, *shape: int) -> Tensor:
        """Return a tensor of a shape, whose values are of no meaning."""
        count = prod(shape)
        memory = self._places.get(place)
        if memory is None or len(memory) < count:
            memory = self._places[place] = torch.empty(count)
        return memory[:count].view(shape)


def answers_at_once(tokens: Tensor) -> bool:
    """Tell an answer on a CPU from training, and from graphs that are recorded."""
    traced = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    recorded = traced or torch.compiler.is_compiling()
    exact = tokens.device.type == "cpu" and tokens.dtype == torch.float32
    rounded = torch.is_autocast_enabled("cpu")
    answers = torch.is_inference_mode_enabled() and not recorded
    return answers and exact and not rounded


def add_linear(linear: Any, found: Tensor, tokens: Tensor) -> Tensor:
    """Return `tokens` plus a linear layer's (N, C) outputs for `found`."""
    return torch.add(tokens, linear.bias).addmm_(found, linear.weight.T)


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None, found: Tensor) -> Tensor:
    """Write a linear layer's outputs for (N, C) rows."""
    if bias is None:
        return torch.mm(rows, weight.T, out=found)
    return torch.addmm(bias, rows, weight.T, out=found)


def add_mlp(block: Block, tokens: Tensor, take: Take = fresh) -> None:
    """Run the second half of a block on (N, C) tokens, in place."""
    first, second = block.mlp.fc1, block.mlp.fc2
    hidden = take(1, min(_AT_ONCE, len(tokens)), first.out_features)
    for part in torch.split(tokens, _AT_ONCE):
        inner = hidden[: len(part)]
        torch.addmm(first.bias, block.norm2(part), first.weight.T, out=inner)
        torch.ops.aten.gelu_(inner)
        part.add_(second.bias).addmm_(inner, second.weight.T)


def run(block: Block, tokens: Tensor) -> Tensor:
    """Run a block on (B, N, C) tokens."""
    # A sum can keep the strides of a permuted input, and flattening would copy it.
    found = (tokens + block.attn(block.norm1(tokens))).contiguous()
    add_mlp(block, found.flatten(0, 1))
    return cast("Tensor", found)
