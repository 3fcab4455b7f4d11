"""Compiled and recorded by PyTorch itself: for CUDA, and to be tried on CPUs.

On CUDA the functions run in bfloat16 where that is safe (autocast), are compiled by
`torch.compile` where there is triton, and are recorded as CUDA graphs: one launch in
place of some hundreds, which is what a click of a few milliseconds is made of. On a
CPU the decoder alone is compiled, so that an encoder can still be interrupted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from napari_segnext.engines.cache import engines_folder
from napari_segnext.engines.functions import (
    Decoding,
    Encoding,
    decodes_dense,
    sample_of,
)
from napari_segnext.engines.running import Check, Functions, not_at_the_end
from napari_segnext.models import SegmentationModel
from napari_segnext.models.base import Features

# How far the probabilities of an engine may be from PyTorch's in the trial run.
_TOLERANCE = 0.05
_WARMUPS = 3


class Recorded:
    """A function of tensors, recorded once as a CUDA graph and replayed.

    Parameters
    ----------
    function
        From tensors to a tuple of tensors, always of the same shapes.
    example
        Its arguments, on the GPU.
    """

    def __init__(
        self,
        function: Callable[..., tuple[Tensor, ...]],
        example: Sequence[Tensor],
    ) -> None:
        self._inputs = [tensor.clone() for tensor in example]
        # What is allocated or compiled at first must not become part of the graph.
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARMUPS):
                function(*self._inputs)
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        # Other threads go on using the GPU meanwhile.
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._outputs = function(*self._inputs)

    def __call__(self, *given: Tensor) -> tuple[Tensor, ...]:
        """Return new tensors: the next call writes over the recorded ones."""
        for kept, new in zip(self._inputs, given, strict=True):
            kept.copy_(new)
        self._graph.replay()
        return tuple(output.clone() for output in self._outputs)


def prepare(model: SegmentationModel) -> Functions:
    """Compile a model's functions on its device, and try them.

    Raises
    ------
    RuntimeError
        If they cannot be compiled or recorded, or answer wrongly.
    """
    with not_at_the_end, torch.inference_mode():
        return _prepare(model)


def _prepare(model: SegmentationModel) -> Functions:
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(engines_folder() / "inductor"))
    sample = sample_of(model)
    features, dense = model.image_features(sample.images), sample.dense[0]
    exact = model.mask_logits(features, dense) if decodes_dense(model) else None
    if model.device.type == "cuda":
        functions = _on_cuda(model, sample.images, features, dense)
    else:
        functions = _on_cpu(model, features)
    if exact is not None and functions.mask_logits is not None:
        encode = functions.image_features
        seen = features if encode is None else encode(sample.images, lambda: None)
        answer = functions.mask_logits(seen, dense)
        off = float((answer.sigmoid() - exact.sigmoid()).abs().max())
        if not off <= _TOLERANCE:
            raise RuntimeError(f"it differs from PyTorch by a probability of {off:.2f}")
    return functions


def may_load_triton(maps: Path = Path("/proc/self/maps")) -> bool:
    """Tell whether `torch.compile` can be used in this process.

    It loads triton, which brings an LLVM of its own. Where Mesa has drawn with another
    one, loading that ends the process.

    Parameters
    ----------
    maps
        The libraries of this process, where the system tells them in a file.
    """
    if find_spec("triton") is None:
        return True
    return not (maps.exists() and "libLLVM" in maps.read_text())


def _on_cpu(model: SegmentationModel, features: Features) -> Functions:
    if not may_load_triton():
        raise RuntimeError("torch.compile cannot be used where Mesa draws the window")
    if not decodes_dense(model):
        return Functions("PyTorch")
    names = tuple(features)
    decoding = torch.compile(Decoding(model, names))

    def logits(features: Features, dense: Tensor) -> Tensor:
        return cast("Tensor", decoding(*(features[n] for n in names), dense))

    return Functions("torch.compile", mask_logits=logits)


def _on_cuda(
    model: SegmentationModel, images: Tensor, features: Features, dense: Tensor
) -> Functions:
    names = tuple(features)
    encoding = _recorded(Encoding(model), (images,))

    def encode(images: Tensor, check: Check) -> Features:
        check()
        return dict(zip(names, encoding(images), strict=True))

    label = "CUDA graphs, bf16"
    if not decodes_dense(model):
        return Functions(label, encode)
    decoding = _recorded(Decoding(model, names), (*features.values(), dense))

    def logits(features: Features, dense: Tensor) -> Tensor:
        return decoding(*(features[n] for n in names), dense)[0]

    return Functions(label, encode, logits)


def _recorded(module: nn.Module, example: Sequence[Tensor]) -> Recorded:
    """Record a module in bfloat16, compiled if it can be."""
    if may_load_triton():
        try:
            return Recorded(_in_half(torch.compile(module)), example)
        except Exception:  # triton is missing, too old for the GPU, or fails
            torch.compiler.reset()
    return Recorded(_in_half(module), example)


def _in_half(run: Callable[..., Any]) -> Callable[..., tuple[Tensor, ...]]:
    def in_half(*tensors: Tensor) -> tuple[Tensor, ...]:
        with torch.autocast("cuda", torch.bfloat16):
            result = run(*tensors)
        outputs = (result,) if isinstance(result, Tensor) else result
        return tuple(each.float() for each in outputs)

    return in_half
