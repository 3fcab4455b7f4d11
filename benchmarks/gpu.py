"""What one GPU makes of it all: every way of running a model, in one run.

SegNext SA x2 as a textbook writes it, in plain PyTorch, in bfloat16 (autocast) and on
the engine that ships (`torch.compile` and CUDA graphs), SAM ViT-B and the bundled
model, the large ones with random weights of the published shapes. Of each: embedding,
a batch of planes, first and next click, a batch of objects, the segment-anything task
with all of its 256 clicks, peak memory, and how far the probabilities of the next
click are from the same model's first row. Ratios are to the textbook in the same run.
Each row is printed and written when it is known; with the usual numbers the whole of
it is meant to take less than 20 minutes, the first two spent on compiling.

    python -m benchmarks.gpu --json RESULT.json
    python -m benchmarks.gpu --small --device cpu   # its parts, where there is no GPU
"""

from __future__ import annotations

import json as json_format
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Protocol

import numpy as np
import torch
import typer
from benchmarks.family import least, sat_prompts
from benchmarks.latency import SAT_CLICKS, image_of, prompts_of
from benchmarks.latency import seconds as seconds_of
from rich.console import Console
from rich.table import Table
from tests.models.plain_segnext import PlainSegNext
from tests.models.research.sam import small_model
from torch import Tensor

from napari_segnext.engines import accelerate
from napari_segnext.models import SegmentationModel, build_model
from napari_segnext.models.prompt_batch import PromptBatch
from napari_segnext.models.reference import reference_config
from napari_segnext.prompts import ModelPrompts
from napari_segnext.weights import load_model

TIMES = {
    "embed_ms": "embedding, ms",
    "plane_ms": "plane of a batch, ms",
    "first_ms": "first click, ms",
    "next_ms": "next click, ms",
    "object_ms": "object of a batch, ms",
    "sat_s": "SAT, s",
}
SMALL = {
    "embed_dim": 96,
    "depth": 3,
    "num_heads": 3,
    "neck_channels": [16, 32, 64, 128],
    "head_channels": 32,
}
SEGNEXT, SAM, BUNDLED = "SegNext SA x2", "SAM ViT-B", "tiny"


class Running(Protocol):
    """A model as it is run: it embeds planes, and answers prompts in the last one."""

    def embed(self, planes: Sequence[np.ndarray]) -> None:
        """Embed (S, S, 3) float32 planes at once."""

    def answer(self, prompts: Sequence[ModelPrompts]) -> Tensor:
        """Return (B, S, S) logits of B objects at once."""


class Textbook:
    """A SegNext with explicit softmax, which remembers nothing and knows no batches."""

    def __init__(self, model: SegmentationModel) -> None:
        config, self._device = model.config, model.device
        self._plain = PlainSegNext(model.state_dict(), config.size, config.arch)
        self._features: Tensor | None = None

    def embed(self, planes: Sequence[np.ndarray]) -> None:
        """Embed planes one after the other."""
        for plane in planes:
            pixels = (255 * plane).round().astype(np.uint8)
            self._features = self._plain.features(pixels)

    def answer(self, prompts: Sequence[ModelPrompts]) -> Tensor:
        """Answer prompts one after the other."""
        assert self._features is not None
        found = []
        for each in prompts:
            dense = torch.from_numpy(each.dense)[None].to(self._device)
            low = self._plain.low_logits(self._features, dense)
            size = dense.shape[-2:]
            found.append(
                torch.nn.functional.interpolate(
                    low, size, mode="bilinear", align_corners=True
                )[0]
            )
        return torch.cat(found)


class Ours:
    """A model of the package, in single precision or under autocast."""

    def __init__(self, model: SegmentationModel, half: bool = False) -> None:
        self._model, self._half = model, half
        self._features: dict[str, Tensor] = {}

    def _precision(self) -> AbstractContextManager[Any]:
        if not self._half:
            return nullcontext()
        return torch.autocast(self._model.device.type, torch.bfloat16)

    def embed(self, planes: Sequence[np.ndarray]) -> None:
        """Embed planes at once, and keep the last."""
        with self._precision():
            self._last = self._model.encode_batch(planes)[-1]

    def answer(self, prompts: Sequence[ModelPrompts]) -> Tensor:
        """Answer as a user is answered, or several objects at once."""
        with self._precision():
            if len(prompts) == 1:
                return self._model.decode(self._last, prompts[0]).logits[None]
            features = {
                name: tensor.expand(len(prompts), *tensor.shape)
                for name, tensor in self._last.tensors.items()
            }
            batch = PromptBatch.of(prompts, self._model.device)
            return self._model.prompted_logits(features, batch)[:, 0].float()


def on_engine(model: SegmentationModel) -> Ours:
    """Run a model on what ``auto`` chooses for its device, once that is ready."""
    engine = accelerate(model)
    engine.wait()
    return Ours(engine)


@dataclass(frozen=True)
class Row:
    """One way of running one model.

    Attributes
    ----------
    model, way
        Which.
    run
        Makes it, from the model in single precision.
    """

    model: str
    way: str
    run: Callable[[SegmentationModel], Running]


ROWS = (
    Row(SEGNEXT, "textbook", Textbook),
    Row(SEGNEXT, "PyTorch", Ours),
    Row(SEGNEXT, "bfloat16", lambda model: Ours(model, half=True)),
    Row(SEGNEXT, "engine", on_engine),
    Row(SAM, "PyTorch", Ours),
    Row(SAM, "bfloat16", lambda model: Ours(model, half=True)),
    Row(BUNDLED, "PyTorch", Ours),
    Row(BUNDLED, "engine", on_engine),
)


def model_of(name: str, small: bool, device: str) -> SegmentationModel:
    """Make one of the models: the same weights each time."""
    if name == BUNDLED:
        return load_model(BUNDLED, device)
    if small and name == SAM:
        return small_model("sam").to(device)
    config = reference_config("sam-vitb" if name == SAM else "vitb-sa2")
    if small:
        config = replace(config, size=128, arch={**config.arch, **SMALL})
    torch.manual_seed(0)
    return build_model(config).eval().to(device)


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes
    ----------
    planes, objects
        Lengths of the batches.
    sat_clicks
        How many of the clicks of the segment-anything task are timed.
    seconds
        For which each of the other steps is repeated.
    """

    planes: int
    objects: int
    sat_clicks: int
    seconds: float


@torch.inference_mode()
def measure(
    running: Running, model: SegmentationModel, effort: Effort
) -> tuple[dict[str, float], Tensor]:
    """Time one row; also return the (S, S) probabilities of its next click."""
    device, size = model.device.type, model.config.size
    image = image_of(size)
    batch = [np.roll(image, 7 * n, 0) for n in range(effort.planes)]
    disc = np.hypot(*np.indices((size, size)) - size / 2) < size / 6
    first, following = prompts_of(model, None), prompts_of(model, 0.9 * disc)
    anything = sat_prompts(model, effort.sat_clicks)
    others = sat_prompts(model, effort.objects)
    # Kernels are chosen and graphs are recorded at first.
    for given in (batch, [image]):
        running.embed(given)
    for asked in ([first], [following], others):
        running.answer(asked)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()

    def milliseconds(step: Callable[[], Any], at_once: int = 1) -> float:
        return 1e3 * least(step, device, effort.seconds) / at_once

    def segment_anything() -> None:
        for each in anything:
            running.answer([each])

    found = {
        "plane_ms": milliseconds(lambda: running.embed(batch), len(batch)),
        "embed_ms": milliseconds(lambda: running.embed([image])),
        "first_ms": milliseconds(lambda: running.answer([first])),
        "next_ms": milliseconds(lambda: running.answer([following])),
        "object_ms": milliseconds(lambda: running.answer(others), len(others)),
    }
    rest = seconds_of(segment_anything, device) * SAT_CLICKS / len(anything)
    found["sat_s"] = found["embed_ms"] / 1e3 + rest
    if device == "cuda":
        found["peak_mb"] = torch.cuda.max_memory_allocated() / 1e6
    answer = running.answer([following])[0]
    return found, answer.float().sigmoid().cpu()


def show(rows: dict[str, dict[str, float]], title: str) -> None:
    """Print the table: milliseconds, and how many times faster than the textbook."""
    table = Table("", *TIMES.values(), "MB", "difference", title=title)
    plain = next(iter(rows.values()))
    for name, row in rows.items():
        cells = [f"{row[key]:.3g} ({plain[key] / row[key]:.2g})" for key in TIMES]
        memory = f"{row['peak_mb']:.0f}" if "peak_mb" in row else ""
        table.add_row(name, *cells, memory, f"{row['difference']:.1g}")
    Console(width=160).print(table)


def main(
    device: Annotated[str, typer.Option(help="cuda, or cpu with --small.")] = "cuda",
    small: Annotated[bool, typer.Option(help="Light models in their place.")] = False,
    planes: Annotated[int, typer.Option(min=1, help="Embedded at once.")] = 8,
    objects: Annotated[int, typer.Option(min=1, help="Answered at once.")] = 16,
    sat_clicks: Annotated[
        int, typer.Option(min=2, max=SAT_CLICKS, help="Of 256, that are timed.")
    ] = SAT_CLICKS,
    seconds: Annotated[float, typer.Option(min=0, help="For each step.")] = 1.0,
    turns: Annotated[int, typer.Option(min=1, help="The best of so many.")] = 2,
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        raise typer.BadParameter("there is no CUDA GPU here; try --small --device cpu")
    torch.set_num_threads(1)
    place = "1 thread, CPU" if device == "cpu" else torch.cuda.get_device_name()
    effort = Effort(planes, objects, sat_clicks, seconds)
    began, rows = time.perf_counter(), dict[str, dict[str, float]]()
    result = {"device": place, "sat_clicks_timed": sat_clicks, "rows": rows}
    for turn in range(turns):
        exact: dict[str, Tensor] = {}
        for row in ROWS:
            name = f"{row.model}, {row.way}"
            Console(stderr=True).print(f"turn {turn + 1} of {turns}: {name}")
            model = model_of(row.model, small, device)
            found, answer = measure(row.run(model), model, effort)
            apart = (answer - exact.setdefault(row.model, answer)).abs().max()
            known = rows.get(name, found)
            rows[name] = {key: min(found[key], known[key]) for key in found}
            rows[name]["difference"] = float(apart)
            result["minutes"] = (time.perf_counter() - began) / 60
            if json is not None:
                json.write_text(json_format.dumps(result, indent=2) + "\n")
    sat = "measured" if sat_clicks == SAT_CLICKS else f"from {sat_clicks} of 256 clicks"
    show(rows, f"{place}; in brackets times as fast as the textbook; SAT {sat}")
    print(f"{result['minutes']:.1f} minutes")


if __name__ == "__main__":
    typer.run(main)
