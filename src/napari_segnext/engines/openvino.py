"""Run a model's tensor functions with OpenVINO, on a CPU.

Converting, quantising and trying them takes from seconds to minutes and holds
Python's lock, so that is done in a process of its own (`engines.build`), once; the
result is kept in the user's cache folder and loaded within seconds.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor

from napari_segnext.engines.cache import folder_of, prune
from napari_segnext.engines.running import Check, Functions
from napari_segnext.models import Cancelled, SegmentationModel
from napari_segnext.models.base import Features
from napari_segnext.weights import save_model

FP32, INT8 = "openvino", "openvino-int8"
LABELS = {FP32: "OpenVINO", INT8: "OpenVINO, int8"}
# Faster by less than this is not worth another library's rounding.
_WORTH = 1.1
# How far the exact engine may be from PyTorch in its trial: of probabilities, and of
# features in terms of the largest.
_TOLERANCE = 1e-3
_POLL_MS = 20

Samples = Mapping[str, NDArray[np.float32]]


def is_installed() -> bool:
    """Tell whether OpenVINO is there."""
    return find_spec("openvino") is not None


def prepare(model: SegmentationModel, engine: str = FP32) -> Functions:
    """Load an engine from the cache, or make it first.

    Raises
    ------
    RuntimeError
        If it cannot be made; the message says why.
    """
    folder = folder_of(model, engine, "openvino", "nncf")
    if not folder.is_dir():
        if engine == INT8:
            raise RuntimeError(
                "int8 is calibrated first: napari-segnext models verify MODEL "
                f"--engine {INT8} --data FOLDER"
            )
        make(model, engine)
    return load(folder, engine)


def make(
    model: SegmentationModel, engine: str = FP32, samples: Samples | None = None
) -> Path:
    """Convert a model, quantise it if the engine is int8, and try it.

    Parameters
    ----------
    samples
        What int8 is calibrated with; see `engines.calibration`.

    Returns
    -------
    The folder of the engine in the cache

    Raises
    ------
    RuntimeError
        If that fails; the message says why.
    """
    if not is_installed():
        raise RuntimeError(
            "OpenVINO is not installed: pip install 'napari-segnext[openvino]'"
        )
    folder = folder_of(model, engine, "openvino", "nncf")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if samples is None and folder.is_dir():
            return folder  # another process made it meanwhile
        part = folder.with_name(f".part-{uuid.uuid4().hex}")
        part.mkdir()
        try:
            save_model(model, part / "model.safetensors")
            arrays: dict[str, Any] = dict(samples or {})
            np.savez(part / "samples.npz", **arrays)
            _build(part, engine)
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    prune(folder)
    return folder


def _build(folder: Path, engine: str) -> None:
    module = "napari_segnext.engines.build"
    command = [sys.executable, "-m", module, engine, str(folder)]
    # Windows would open a console.
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    with (folder / "log.txt").open("w+", encoding="utf-8", errors="replace") as log:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            creationflags=flags,
            check=False,
        )
        log.seek(0)
        said = log.read().strip().splitlines() or ["no word of why"]
    if done.returncode:
        raise RuntimeError(said[-1])


def report_of(folder: Path) -> dict[str, Any]:
    """Return what the trial of an engine found; see `engines.build`."""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return dict(report)


def load(folder: Path, engine: str, threads: int | None = None) -> Functions:
    """Load an engine that has been made.

    A function that is not faster than PyTorch, or not exact although the engine
    promises it, is left out.

    Parameters
    ----------
    threads
        Of the CPU; default: as many as PyTorch uses.
    """
    report = report_of(folder)
    networks = {}
    for verb, found in report["functions"].items():
        faster = found["torch_seconds"] > _WORTH * found["seconds"]
        if faster and (engine == INT8 or found["difference"] <= _TOLERANCE):
            networks[verb] = Network(folder / f"{verb}.xml", threads)
    names = report["features"]
    encoder, decoder = networks.get("image_features"), networks.get("mask_logits")

    def image_features(images: Tensor, check: Check) -> Features:
        assert encoder is not None
        return dict(zip(names, encoder(images, check=check), strict=True))

    def mask_logits(features: Features, dense: Tensor) -> Tensor:
        assert decoder is not None
        return decoder(*(features[name] for name in names), dense)[0]

    parts = [
        word
        for word, network in (("embedding", encoder), ("masks", decoder))
        if network is not None
    ]
    if not parts:
        return Functions(f"PyTorch ({LABELS[engine]} is not faster here)")
    only = f" for {parts[0]}" if len(parts) == 1 else ""
    return Functions(
        LABELS[engine] + only,
        None if encoder is None else image_features,
        None if decoder is None else mask_logits,
    )


class Network:
    """One compiled function: tensors in, tensors out.

    Parameters
    ----------
    path
        What OpenVINO saved.
    threads
        Of the CPU; default: as many as PyTorch uses.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        core = import_openvino().Core()
        options = {
            "CACHE_DIR": str(path.parent / "compiled"),
            "INFERENCE_NUM_THREADS": threads or torch.get_num_threads(),
            # Some CPUs would be given bfloat16.
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        compiled = core.compile_model(str(path), "CPU", options)
        self._request = compiled.create_infer_request()
        # A request computes one thing at a time.
        self._alone = threading.Lock()
        self._outputs = len(compiled.outputs)

    def __call__(self, *tensors: Tensor, check: Check = lambda: None) -> list[Tensor]:
        """Compute, on the CPU; `check` is called meanwhile and may raise."""
        arrays = {n: np.ascontiguousarray(t.numpy()) for n, t in enumerate(tensors)}
        check()
        with self._alone:
            self._request.start_async(arrays, share_inputs=True)
            while not self._request.wait_for(_POLL_MS):
                try:
                    check()
                except Cancelled:
                    self._cancel()
                    raise
            results = map(self._request.get_output_tensor, range(self._outputs))
            return [torch.from_numpy(result.data.copy()) for result in results]

    def _cancel(self) -> None:
        self._request.cancel()
        with suppress(RuntimeError):  # it says that it was cancelled
            self._request.wait()


def import_openvino() -> Any:
    """Import OpenVINO, without the part of it that reports to its makers."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return import_module("openvino")
