"""Engines: what runs a model's computations. PyTorch by default, and always at hand.

``torch`` is exact and runs everywhere. ``compiled`` is for CUDA: `torch.compile`, CUDA
graphs, bfloat16. ``traced`` and ``openvino`` are for CPUs, exact; ``bf16`` is for those
with instructions for bfloat16; ``openvino-int8`` is faster and approximate, as is
``approximate``, which runs SegNext's decode with fewer tokens: these three are never
chosen by themselves. An engine is made in the background while
PyTorch answers, and PyTorch takes over from one that fails.
"""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from napari_segnext.engines import compiled, half, openvino, traced
from napari_segnext.engines.running import EngineModel, EngineState, Functions
from napari_segnext.models import SegmentationModel
from napari_segnext.weights import load_model

__all__ = [
    "ENGINES",
    "Engine",
    "EngineModel",
    "EngineState",
    "Functions",
    "accelerate",
    "choose_engine",
    "load_on_engine",
]

Engine: TypeAlias = Literal[
    "auto",
    "torch",
    "compiled",
    "traced",
    "bf16",
    "openvino",
    "openvino-int8",
    "approximate",
]
ENGINES: tuple[Engine, ...] = get_args(Engine)


def choose_engine(device: str, masks: bool = True) -> Engine:
    """Return what ``auto`` means for a model on a device: its type, as "cuda".

    CUDA is compiled for. A CPU takes OpenVINO where it is installed; that engine
    then keeps to the functions that it was seen to run faster than PyTorch, and
    exactly, on this machine. Other CPUs run what PyTorch has traced, if there are to
    be `masks` and not embeddings alone. Anything else, as Apple's GPUs, runs PyTorch.
    """
    if device == "cuda":
        return "compiled"
    if device != "cpu":
        return "torch"
    if openvino.is_installed():
        return "openvino"
    return "traced" if masks else "torch"


def accelerate(model: SegmentationModel, engine: str = "auto") -> EngineModel:
    """Run a model on an engine; the result takes the model's place.

    It answers at once: by PyTorch until the engine is ready, and again if that fails.

    Parameters
    ----------
    model
        From `napari_segnext.load_model`.
    engine
        One of `ENGINES`.

    Raises
    ------
    ValueError
        If the engine is unknown, or not one for the model's device.
    """
    device = model.device.type
    if engine not in ENGINES:
        raise ValueError(f"unknown engine {engine!r}; known: {', '.join(ENGINES)}")
    if engine == "auto":
        engine = choose_engine(device)
    if engine == "torch":
        return EngineModel(model)
    if engine == "compiled":
        numerics = "bfloat16" if device == "cuda" else ""
        return EngineModel(model, compiled.prepare, numerics)
    if device != "cpu":
        raise ValueError(f"{engine} runs on CPUs; choose the device cpu, not {device}")
    if engine == "traced":
        return EngineModel(model, traced.prepare)
    if engine == half.BF16:
        if not half.is_supported():
            raise ValueError(
                "the engine bf16 needs a CPU with AVX512-BF16 or AMX, which this one "
                "has not: choose another"
            )
        return EngineModel(model, half.prepare, "bfloat16")
    if engine == "approximate":
        # Here, because timm comes with SegNext.
        from napari_segnext.engines import approximate

        approximate.prepare(model)  # raises here, not in the background
        return EngineModel(model, approximate.prepare)
    numerics = engine if engine == openvino.INT8 else ""
    return EngineModel(model, partial(openvino.prepare, engine=engine), numerics)


def load_on_engine(
    name_or_path: str | Path,
    device: str = "auto",
    engine: str = "auto",
    wait: bool = False,
    text: str | Path | None = None,
) -> EngineModel:
    """Load a model and run it on an engine.

    Parameters and errors are those of `napari_segnext.load_model` and `accelerate`;
    an engine for CPUs makes the device ``auto`` the CPU.

    Parameters
    ----------
    wait
        Return when the engine is ready; what goes wrong then or later is a warning.
    """
    for_cpus = ("traced", half.BF16, *openvino.LABELS, "approximate")
    if device == "auto" and engine in for_cpus:
        device = "cpu"
    model = accelerate(load_model(name_or_path, device, text), engine)
    if wait:
        model.wait()
        model.listen(_warn)
    return model


def _warn(state: EngineState) -> None:
    if state.message:
        warnings.warn(state.message, stacklevel=2)
