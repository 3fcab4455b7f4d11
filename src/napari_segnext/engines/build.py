"""Make an OpenVINO engine: `python -m napari_segnext.engines.build ENGINE FOLDER`.

FOLDER holds ``model.safetensors`` and ``samples.npz``; what is added is an ``.xml`` and
a ``.bin`` of each tensor function, and ``report.json``: the names of the features, and
of each function its CPU seconds with one thread, PyTorch's, and how far their results
are apart: probabilities, and features in terms of the largest.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from napari_segnext.engines.functions import (
    Decoding,
    Encoding,
    decodes_dense,
    sample_of,
)
from napari_segnext.engines.openvino import INT8, Network, import_openvino
from napari_segnext.models import SegmentationModel
from napari_segnext.weights import load_model

# A function is timed at least twice, and for so many seconds.
_TIMED_S = 0.5
Inputs: TypeAlias = tuple[Tensor, ...]
Arrays: TypeAlias = list[np.ndarray]


def main(engine: str, folder: Path) -> None:
    """Make and try an engine."""
    if hasattr(os, "nice"):
        os.nice(10)  # whoever waits for a mask comes first
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    model = load_model(folder / "model.safetensors", "cpu")
    samples = dict(np.load(folder / "samples.npz"))
    if engine == INT8 and not samples:
        raise ValueError("int8 needs samples to be calibrated with")
    with torch.inference_mode():
        report = _build(model, engine, samples, folder)
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    for name in ("model.safetensors", "samples.npz"):
        (folder / name).unlink()


def _build(
    model: SegmentationModel,
    engine: str,
    samples: dict[str, np.ndarray],
    folder: Path,
) -> dict[str, Any]:
    sample = sample_of(model)
    features = model.image_features(sample.images)
    jobs: list[tuple[str, nn.Module, list[Inputs]]] = [
        ("image_features", Encoding(model), [(sample.images,)])
    ]
    if decodes_dense(model):
        given = [(*features.values(), dense) for dense in sample.dense]
        jobs.append(("mask_logits", Decoding(model, tuple(features)), given))
    functions = {}
    for verb, module, examples in jobs:
        path = folder / f"{verb}.xml"
        calibration = _calibration(samples, verb) if engine == INT8 else None
        _convert(module, examples[0], path, calibration)
        functions[verb] = _try(module, examples, Network(path, threads=1))
    return {"features": list(features), "functions": functions}


def _convert(
    module: nn.Module,
    example: Inputs,
    path: Path,
    calibration: list[Arrays] | None,
) -> None:
    openvino = import_openvino()
    shapes = [tuple(tensor.shape) for tensor in example]
    network = openvino.convert_model(module, example_input=example, input=shapes)
    if calibration is not None:
        nncf = import_module("nncf")
        network = nncf.quantize(
            network,
            nncf.Dataset(calibration),
            subset_size=len(calibration),
            model_type=nncf.ModelType.TRANSFORMER,
        )
    openvino.save_model(network, path, compress_to_fp16=False)


def _calibration(samples: dict[str, np.ndarray], verb: str) -> list[Arrays]:
    """Return the inputs of a function, one list of arrays per call."""
    calls: dict[int, dict[int, np.ndarray]] = {}
    for key, array in samples.items():
        kind, call, argument = key.split("/")
        if kind == verb:
            calls.setdefault(int(call), {})[int(argument)] = array
    return [[each[n] for n in sorted(each)] for _, each in sorted(calls.items())]


def _try(
    module: nn.Module, examples: Sequence[Inputs], network: Network
) -> dict[str, float]:
    torch_seconds, exact = _seconds(module, examples)
    seconds, found = _seconds(network, examples)
    if isinstance(exact, Tensor):
        apart = [(found[0].sigmoid() - exact.sigmoid()).abs().max()]
    else:
        pairs = zip(found, exact, strict=True)
        apart = [(got - e).abs().max() / e.abs().max() for got, e in pairs]
    return {
        "seconds": seconds,
        "torch_seconds": torch_seconds,
        "difference": float(max(apart)),
    }


def _seconds(
    function: Callable[..., Any], examples: Sequence[Inputs]
) -> tuple[float, Any]:
    """Return the least CPU time of some rounds per call, and the last result."""
    rounds: list[float] = []
    while len(rounds) < 2 or sum(rounds) < _TIMED_S:
        started = time.process_time()
        for example in examples:
            result = function(*example)
        rounds.append(time.process_time() - started)
    return min(rounds) / len(examples), result


if __name__ == "__main__":
    try:
        main(sys.argv[1], Path(sys.argv[2]))
    except Exception as error:
        # The last line is what the user is told.
        print(" ".join(f"{type(error).__name__}: {error}".split()))
        sys.exit(1)
