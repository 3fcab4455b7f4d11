"""bfloat16 on CPUs: only where there are instructions for it, and it is faster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_segnext.engines import accelerate, half
from napari_segnext.engines.half import BF16, is_supported
from napari_segnext.engines.running import Functions
from napari_segnext.evaluation.metrics import iou
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.prompts import Prompts
from napari_segnext.weights import load_model


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Say that whatever was tried was twice as fast, into a cache of its own."""
    monkeypatch.setenv("NAPARI_SEGNEXT_CACHE", str(tmp_path))
    faster = {"torch_seconds": 2.0, "seconds": 1.0}
    monkeypatch.setattr(half, "_turns", lambda plain, run: dict(faster))
    monkeypatch.setattr(half, "is_supported", lambda: True)


@pytest.mark.parametrize(
    ("flags", "supported"),
    [
        ("fpu sse2 avx2", False),
        ("fpu avx512f avx512_bf16 amx_tile", True),
        ("fpu amx_bf16", True),
        ("fpu amx_tile amx_int8", False),
    ],
)
def test_only_cpus_that_have_the_instructions(
    flags: str, supported: bool, tmp_path: Path
) -> None:
    cpu = tmp_path / "cpuinfo"
    cpu.write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: none\n")
    assert is_supported(cpu) is supported


def test_where_linux_does_not_tell_pytorch_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for there in (True, False):
        told = {"avx2": True, "avx512_bf16": there}
        monkeypatch.setattr(
            torch.cpu, "get_capabilities", lambda told=told: told, raising=False
        )
        assert is_supported(tmp_path / "nothing") is there


def test_another_cpu_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half, "is_supported", lambda: False)
    with pytest.raises(ValueError, match="needs a CPU with AVX512-BF16 or AMX"):
        accelerate(load_model("tiny", "cpu"), BF16)


def test_masks_are_nearly_the_same(fast: None) -> None:
    model = load_model("tiny", "cpu")
    rows, columns = np.ogrid[:120, :140]
    disk = (rows - 50) ** 2 + (columns - 60) ** 2 < 30**2
    noise = np.random.default_rng(0).integers(0, 40, disk.shape)
    image = (100 * disk + 40 + noise).astype(np.uint8)
    masks = []
    engine = accelerate(model, BF16)
    assert engine.wait(120)
    assert engine.description == "PyTorch, bfloat16"
    for each in (model, engine):
        predictor = Predictor(each)
        predictor.set_image(image)
        masks.append(predictor.predict(Prompts().click(50, 60)))
    exact, rounded = masks
    assert iou(exact.mask.astype(np.int8), rounded.mask) > 0.97
    assert np.abs(exact.probability - rounded.probability).max() > 0


def test_what_was_tried_is_not_tried_again(
    fast: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model("tiny", "cpu")
    assert half.prepare(model).mask_logits is not None
    monkeypatch.setattr(half, "_try", None)
    assert half.prepare(model).mask_logits is not None


@pytest.mark.parametrize(
    ("embedding", "masks", "description"),
    [
        (2.0, 2.0, "PyTorch, bfloat16"),
        (2.0, 1.05, "PyTorch, bfloat16 for embedding"),
        (0.7, 1.5, "PyTorch, bfloat16 for masks"),
        (1.0, 0.9, "PyTorch (bfloat16 is not faster here)"),
    ],
)
def test_what_is_not_faster_is_left_to_pytorch(
    embedding: float, masks: float, description: str
) -> None:
    made = Functions(BF16, lambda images, check: {}, lambda features, dense: dense)
    trials = {
        verb: {"torch_seconds": times, "seconds": 1.0, "difference": 0.01}
        for verb, times in (("image_features", embedding), ("mask_logits", masks))
    }
    functions = half._worth_it(made, trials)
    assert functions.description == description
    assert (functions.image_features is not None) == (embedding > 1.1)
    assert (functions.mask_logits is not None) == (masks > 1.1)


def test_wrong_answers_are_refused() -> None:
    made = Functions(BF16, lambda images, check: {})
    wrong = {"torch_seconds": 9.0, "seconds": 1.0, "difference": float("nan")}
    with pytest.raises(RuntimeError, match="differs from PyTorch"):
        half._worth_it(made, {"image_features": wrong})
