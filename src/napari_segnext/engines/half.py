"""bfloat16 on CPUs that compute in it: AVX512-BF16 and AMX.

Weights and activations have 8 bits of mantissa, sums 24. Where a function of the model
is not faster so, PyTorch goes on in single precision: the decode of a SegNext that
remembers what prompts do not change, for one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from napari_segnext.engines.cache import folder_of
from napari_segnext.engines.functions import Decoding, decodes_dense, sample_of
from napari_segnext.engines.running import Check, Functions, not_at_the_end
from napari_segnext.engines.traced import trace
from napari_segnext.files.atomic import replacing
from napari_segnext.models import SegmentationModel
from napari_segnext.models.base import Features

BF16 = "bf16"
# Any of these is enough.
_INSTRUCTIONS = {"avx512_bf16", "amx_bf16"}
_CPU = Path("/proc/cpuinfo")
# Faster by less than this is not worth the rounding.
_WORTH = 1.1
# How far probabilities may be from PyTorch's in the trial; or, of a model that has no
# decode of its own here, features on average, in terms of their size.
_TOLERANCE = 0.05
_TURNS = 2

# Of a function: CPU seconds of PyTorch and of bfloat16, and how far they are apart.
Trial: TypeAlias = dict[str, float]


def is_supported(cpu: Path = _CPU) -> bool:
    """Tell whether this CPU has instructions for bfloat16.

    Parameters
    ----------
    cpu
        Where Linux describes it; elsewhere PyTorch is asked.
    """
    try:
        lines = cpu.read_text(encoding="utf-8", errors="replace").splitlines()
        flags = next((line for line in lines if line.startswith("flags")), "").split()
    except OSError:
        told: Any = getattr(torch.cpu, "get_capabilities", dict)()
        flags = [name for name, there in told.items() if there]
    return not _INSTRUCTIONS.isdisjoint(flags)


def prepare(model: SegmentationModel) -> Functions:
    """Copy a model in bfloat16, and find out where that is faster on this machine.

    What was found out is kept in the cache folder.

    Raises
    ------
    RuntimeError
        If it answers wrongly.
    """
    with not_at_the_end, torch.inference_mode():
        functions = _functions(model)
        report = folder_of(model, BF16) / "report.json"
        if not report.is_file():
            report.parent.mkdir(parents=True, exist_ok=True)
            with replacing(report) as part:
                part.write_text(json.dumps(_try(model, functions)), encoding="utf-8")
        trials = json.loads(report.read_text(encoding="utf-8"))
    return _worth_it(functions, trials)


def _functions(model: SegmentationModel) -> Functions:
    half = deepcopy(model).to(torch.bfloat16)

    def image_features(images: Tensor, check: Check) -> Features:
        features = half.image_features(images.to(torch.bfloat16), check)
        return {name: each.float() for name, each in features.items()}

    if not decodes_dense(model):
        return Functions(BF16, image_features)
    sample = sample_of(model)
    features = image_features(sample.images, lambda: None)
    decoding: Any = Decoding(half, tuple(features)).eval()
    if not model.remembers:
        example = (*features.values(), sample.dense[0])
        decoding = trace(decoding, tuple(each.to(torch.bfloat16) for each in example))

    def mask_logits(features: Features, dense: Tensor) -> Tensor:
        given = (*features.values(), dense)
        answer: Tensor = decoding(*(each.to(torch.bfloat16) for each in given))
        return answer.float()

    return Functions(BF16, image_features, mask_logits)


def _try(model: SegmentationModel, functions: Functions) -> dict[str, Trial]:
    """Time functions in turns with PyTorch's, and compare their results."""
    sample = sample_of(model)
    images, dense = sample.images, sample.dense[-1]
    run, decode = functions.image_features, functions.mask_logits
    assert run is not None
    exact, found = model.image_features(images), run(images, lambda: None)
    encoding = _turns(
        lambda: model.image_features(images), lambda: run(images, lambda: None)
    )
    if decode is None:
        off = max(_apart(found[name], each) for name, each in exact.items())
        return {"image_features": {**encoding, "difference": off}}
    plain = _plain_decode(model, exact)
    answers = plain(exact, dense), plain(found, dense), decode(exact, dense)
    right, *others = (answer.sigmoid() for answer in answers)
    encoded, decoded = (float((each - right).abs().max()) for each in others)
    decoding = _turns(lambda: plain(exact, dense), lambda: decode(exact, dense))
    return {
        "image_features": {**encoding, "difference": encoded},
        "mask_logits": {**decoding, "difference": decoded},
    }


def _plain_decode(
    model: SegmentationModel, features: Features
) -> Callable[[Features, Tensor], Tensor]:
    """Return the decode that PyTorch would do otherwise: traced, if it can be."""
    if model.remembers:
        return model.mask_logits
    names, example = tuple(features), (*features.values(), sample_of(model).dense[0])
    traced: Any = trace(Decoding(model, names).eval(), example)
    return lambda given, dense: traced(*(given[name] for name in names), dense)


def _turns(plain: Callable[[], Any], half: Callable[[], Any]) -> Trial:
    """Return the least CPU time of each, of this thread's share."""
    taken: dict[str, list[float]] = {"torch_seconds": [], "seconds": []}
    for _ in range(_TURNS):
        for kept, run in zip(taken.values(), (plain, half), strict=True):
            began = time.thread_time()
            run()
            kept.append(time.thread_time() - began)
    return {name: min(each) for name, each in taken.items()}


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().mean() / other.abs().mean())


def _worth_it(functions: Functions, trials: dict[str, Trial]) -> Functions:
    for trial in trials.values():
        if not trial["difference"] <= _TOLERANCE:
            raise RuntimeError(
                f"in bfloat16 it differs from PyTorch by {trial['difference']:.2f}"
            )
    worth = {
        verb
        for verb, trial in trials.items()
        if trial["torch_seconds"] > _WORTH * trial["seconds"]
    }
    if not worth:
        return Functions("PyTorch (bfloat16 is not faster here)")
    names = {"image_features": " for embedding", "mask_logits": " for masks"}
    only = "" if len(worth) > 1 else names[min(worth)]
    return Functions(
        f"PyTorch, bfloat16{only}",
        functions.image_features if "image_features" in worth else None,
        functions.mask_logits if "mask_logits" in worth else None,
    )
