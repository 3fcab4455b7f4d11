"""What a model costs: embedding, first and next click, segment anything, memory.

Every engine is timed next to a plain textbook version of the same weights (explicit
softmax, levels concatenated after upsampling), turn by turn in one process, because
machines are shared: what counts are the ratios. On a CPU times are CPU seconds with
one thread, on a GPU wall seconds. A model without a textbook version is compared with
its own plain PyTorch. The segment-anything task is extrapolated from some of its 256
clicks, and says so.

    python -m benchmarks.latency random:vitb-sa2 tiny --json RESULT.json

``random:NAME`` is a published model with random weights, for its times alone: what the
engine ``approximate`` saves depends on trained weights.
"""

from __future__ import annotations

import json as json_format
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table
from tests.models.plain_segnext import PlainSegNext
from torch.nn import functional as F

from napari_segnext.engines import accelerate
from napari_segnext.models import SegmentationModel, build_model
from napari_segnext.models.reference import reference_config
from napari_segnext.models.segnext import SegNext
from napari_segnext.prompts import Frame, ModelPrompts, Prompts
from napari_segnext.weights import load_model

RANDOM = "random:"
SAT_CLICKS = 256
VERBS = ("embed", "first_click", "further_click", "next_click")
Steps = dict[str, Callable[[], Any]]


def model_named(name: str, device: str) -> SegmentationModel:
    """Load a model, or make one with random weights and lively probabilities."""
    if not name.startswith(RANDOM):
        return load_model(name, device)
    torch.manual_seed(0)
    model = build_model(reference_config(name.removeprefix(RANDOM))).eval()
    return model.to(device)


def image_of(size: int) -> np.ndarray:
    """(S, S, 3) float32: smooth, with noise."""
    rng = np.random.default_rng(0)
    wave = np.sin(np.linspace(0, 12, size, dtype=np.float32))
    grey = 0.5 + 0.2 * wave[:, None] * wave + 0.05 * rng.standard_normal((size, size))
    # Both versions get the same 8-bit values.
    levels = (255 * grey.clip(0, 1)).round().astype(np.float32)
    return np.repeat(levels[..., None], 3, 2) / 255


def prompts_of(model: SegmentationModel, previous: np.ndarray | None) -> ModelPrompts:
    """Click in the middle and, with a mask before, once more elsewhere."""
    size = model.config.size
    prompts = Prompts().click(size // 2, size // 2)
    if previous is not None:
        prompts = prompts.click(size // 4, size // 3, positive=False)
    frame = Frame(0, 0, size, size, size)
    return prompts.to_model(frame, model.config.style, previous)


def steps_of(model: SegmentationModel, image: np.ndarray) -> Steps:
    """Return what is timed, in the order of `VERBS`; each uses what came before."""
    first, held = prompts_of(model, None), {}

    def embed() -> None:
        held["embedding"] = model.encode(image)

    def click(prompts: ModelPrompts) -> torch.Tensor:
        return model.decode(held["embedding"], prompts).logits

    def next_click() -> torch.Tensor:
        return click(held["next"])

    def first_click() -> torch.Tensor:
        logits = click(first)
        if "next" not in held:
            probability = logits.float().sigmoid().cpu().numpy()
            held["next"] = prompts_of(model, probability)
        return logits

    return dict(
        zip(VERBS, (embed, first_click, lambda: click(first), next_click), strict=True)
    )


def textbook_of(model: SegNext, image: np.ndarray) -> Steps:
    """Return the same for the textbook version."""
    size, device = model.config.size, model.device
    plain = PlainSegNext(model.state_dict(), size, model.config.arch)
    pixels = torch.from_numpy((255 * image).round().astype(np.uint8))
    held: dict[str, torch.Tensor] = {}

    def embed() -> None:
        # Its pixels are prepared on the CPU, which costs little.
        with torch.device("cpu"):
            held["features"] = plain.features(pixels.numpy())

    def click(name: str) -> torch.Tensor:
        low = plain.low_logits(held["features"], held[name])
        return F.interpolate(low, (size, size), mode="bilinear", align_corners=True)

    def first_click() -> torch.Tensor:
        held["first"] = torch.from_numpy(prompts_of(model, None).dense)[None].to(device)
        logits = click("first")
        if "next" not in held:
            probability = logits[0, 0].sigmoid().cpu().numpy()
            dense = prompts_of(model, probability).dense
            held["next"] = torch.from_numpy(dense)[None].to(device)
        return logits

    return dict(
        zip(
            VERBS,
            (embed, first_click, lambda: click("first"), lambda: click("next")),
            strict=True,
        )
    )


def seconds(step: Callable[[], Any], device: str) -> float:
    """CPU seconds, or on a GPU wall seconds until it has finished."""
    if device == "cpu":
        started = time.process_time()
        step()
        return time.process_time() - started
    torch.cuda.synchronize()
    started = time.perf_counter()
    step()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def compare(plain: Steps, fast: Steps, device: str, repeats: int) -> dict[str, Any]:
    """Time two versions turn by turn: seconds, and the ratio with its spread."""
    rows: dict[str, list[tuple[float, float]]] = {verb: [] for verb in VERBS}
    for _ in range(repeats):
        for verb in VERBS:
            pair = seconds(plain[verb], device), seconds(fast[verb], device)
            rows[verb].append(pair)
    result: dict[str, Any] = {}
    for verb, pairs in rows.items():
        ratios = sorted(before / after for before, after in pairs)
        result[verb] = {
            "plain_s": float(np.median([p for p, _ in pairs])),
            "engine_s": float(np.median([e for _, e in pairs])),
            "ratio": float(np.median(ratios)),
            "ratio_range": [ratios[0], ratios[-1]],
        }
    embed, click = result["embed"], result["further_click"]
    for key in ("plain_s", "engine_s"):
        sat = embed[key] + SAT_CLICKS * click[key]
        result.setdefault("sat_16x16_extrapolated", {})[key] = sat
    return result


def difference(plain: Steps, fast: Steps) -> float:
    """Largest difference of the probabilities after a first and a next click."""
    found = []
    for verb in ("first_click", "next_click"):
        ours, theirs = fast[verb]().float(), plain[verb]().float()
        gap = ours.sigmoid() - theirs.sigmoid().view_as(ours)
        found.append(float(gap.abs().max()))
    return max(found)


def peak_mb(name: str, engine: str, device: str) -> float:
    """Peak memory of a process that embeds and clicks twice, in MB."""
    code = (
        f"from benchmarks.latency import alone; alone({name!r}, {engine!r}, {device!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


@torch.inference_mode()
def alone(name: str, engine: str, device: str) -> None:
    """Run once and print the peak memory in MB: of the process, or of the GPU."""
    torch.set_num_threads(1)
    model = model_named(name, device)
    image = image_of(model.config.size)
    if engine == "textbook":
        steps = textbook_of(_segnext(model), image)
    else:
        steps = steps_of(_on(model, engine), image)
    for verb in ("embed", "first_click", "next_click"):
        steps[verb]()
    if device == "cpu":
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    else:
        peak = torch.cuda.max_memory_allocated() / 1e6
    print(peak)


def _on(model: SegmentationModel, engine: str) -> SegmentationModel:
    accelerated = accelerate(model, engine)
    accelerated.wait()
    return accelerated


def _segnext(model: SegmentationModel) -> SegNext:
    assert isinstance(model, SegNext)
    return model


@torch.inference_mode()
def measure(name: str, engine: str, device: str, repeats: int) -> dict[str, Any]:
    """Return all about one model on one engine."""
    model = model_named(name, device)
    image = image_of(model.config.size)
    textbook = isinstance(model, SegNext)
    plain = textbook_of(model, image) if textbook else steps_of(model, image)
    fast = steps_of(_on(model, engine), image)
    for steps in (plain, fast):  # buffers, kernels, and what a click needs
        for verb in VERBS:
            steps[verb]()
    return {
        "model": name,
        "engine": engine,
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu, 1 thread",
        "against": "textbook" if textbook else "its own PyTorch",
        **compare(plain, fast, device, repeats),
        "probability_difference": difference(plain, fast),
        "peak_mb": peak_mb(name, engine, device),
        "peak_mb_plain": peak_mb(name, "textbook" if textbook else "torch", device),
    }


def show(row: dict[str, Any], console: Console) -> None:
    table = Table(f"{row['model']}, {row['engine']}", row["against"], "engine", "ratio")
    for verb in VERBS:
        cell = row[verb]
        low, high = cell["ratio_range"]
        table.add_row(
            f"{verb.replace('_', ' ')}, s",
            f"{cell['plain_s']:.3f}",
            f"{cell['engine_s']:.3f}",
            f"{cell['ratio']:.2f} ({low:.2f}..{high:.2f})",
        )
    sat = row["sat_16x16_extrapolated"]
    table.add_row(
        "SAT 16 x 16, s (extrapolated)",
        *(f"{sat[key]:.0f}" for key in ("plain_s", "engine_s")),
        f"{sat['plain_s'] / sat['engine_s']:.2f}",
    )
    peaks = row["peak_mb_plain"], row["peak_mb"]
    table.add_row("peak memory, MB", *(f"{p:.0f}" for p in peaks), "")
    gap = f"{row['probability_difference']:.1e}"
    table.add_row("largest difference of probabilities", "", gap, "")
    console.print(table)


def main(
    models: Annotated[list[str], typer.Argument(help="Names, files or random:NAME.")],
    engine: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Turns.")] = 3,
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
) -> None:
    torch.set_num_threads(1)
    console, rows = Console(), []
    for name in models:
        for each in engine or ["torch"]:
            rows.append(measure(name, each, "cpu", repeats))
            show(rows[-1], console)
        if torch.cuda.is_available():
            for each in ("torch", "compiled"):
                rows.append(measure(name, each, "cuda", 10 * repeats))
                show(rows[-1], console)
    if json is not None:
        json.write_text(json_format.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
