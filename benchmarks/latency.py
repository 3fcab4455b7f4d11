"""What a model costs: embedding, first and next click, segment anything, memory.

Every engine is timed next to a plain textbook version of the same weights (explicit
softmax, levels concatenated after upsampling), turn by turn in one process, because
machines are shared: what counts are the ratios. On a CPU times are CPU seconds with
one thread, wall seconds with more of them (``--threads``); on a GPU wall seconds. A
model without a textbook version is compared with its own plain PyTorch. The
segment-anything task is extrapolated from some of its 256 clicks, and says so. Each
row is printed and written when it is known, so that nothing is lost when a run is
stopped.

    python -m benchmarks.latency random:vitb-sa2 tiny --json RESULT.json

``random:NAME`` is a published model with random weights, for its times alone. What the
engine ``approximate`` saves depends on the mask, and random weights draw none: see
`benchmarks.approximate`.
"""

from __future__ import annotations

import json as json_format
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from benchmarks.volumes import peak_gb
from tests.models.plain_segnext import PlainSegNext
from torch.nn import functional as F

from napari_segnext.engines import accelerate
from napari_segnext.geometry.frame import Frame
from napari_segnext.models import Embedding, SegmentationModel, build_model
from napari_segnext.models.reference import reference_config
from napari_segnext.models.segnext import SegNext
from napari_segnext.prompts import ModelPrompts, Prompts
from napari_segnext.weights import load_model

RANDOM = "random:"
SAT_CLICKS = 256
VERBS = ("embed", "first_click", "further_click", "next_click")
# A click on an image that has had clicks before, but none of this object, is to the
# textbook what the first one is.
TURNS = (("embed",), ("first_click", "further_click"), ("next_click",))
# What is quicker is timed more often, and once before it counts.
LEAST_S = 2.0
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
    first = prompts_of(model, None)
    held: dict[str, Any] = {}

    def embed() -> None:
        held["embedding"] = model.encode(image)

    def click(prompts: ModelPrompts) -> torch.Tensor:
        return model.decode(held["embedding"], prompts).logits

    def next_click() -> torch.Tensor:
        return click(held["next"])

    def first_click() -> torch.Tensor:
        tensors = held["embedding"].tensors.items()
        # Of this one nothing is remembered.
        held["embedding"] = Embedding({name: t.clone() for name, t in tensors})
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
    pixels = (255 * image).round().astype(np.uint8)
    held: dict[str, torch.Tensor] = {}

    def embed() -> None:
        held["features"] = plain.features(pixels)

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

    return {
        "embed": embed,
        "first_click": first_click,
        "next_click": lambda: click("next"),
    }


def seconds(step: Callable[[], Any], device: str) -> float:
    """CPU seconds of one thread; else wall seconds until it has finished."""
    if device == "cpu":
        single = torch.get_num_threads() == 1
        clock = time.process_time if single else time.perf_counter
        started = clock()
        step()
        return clock() - started
    torch.cuda.synchronize()
    started = time.perf_counter()
    step()
    torch.cuda.synchronize()
    return time.perf_counter() - started


@dataclass(frozen=True)
class Row:
    """One number of a model on an engine, and of what it is compared with.

    Attributes
    ----------
    what
        Which, and its unit.
    plain, here
        The textbook's (or plain PyTorch's), and the engine's: medians of seconds.
    ratio
        Median, least and largest ratio within a turn.
    """

    model: str
    engine: str
    device: str
    against: str
    what: str
    plain: float | None
    here: float
    ratio: tuple[float, float, float] | None = None


class Report:
    """Rows, printed and written one by one.

    Parameters
    ----------
    path
        Of the JSON file, or None.
    """

    def __init__(self, path: Path | None) -> None:
        self.rows: list[Row] = []
        self._path = path

    def add(self, row: Row) -> None:
        """Print a row, and write all that are known."""
        self.rows.append(row)
        plain = "" if row.plain is None else f"{row.plain:.4g} -> "
        text = f"  {row.what}: {plain}{row.here:.4g}"
        if row.ratio is not None:
            text += "  x {:.2f} ({:.2f}..{:.2f})".format(*row.ratio)
        print(text, flush=True)
        if self._path is not None:
            part = self._path.with_name(self._path.name + ".part")
            rows = [asdict(each) for each in self.rows]
            part.write_text(json_format.dumps(rows, indent=2) + "\n")
            os.replace(part, self._path)


class Comparison:
    """A model on an engine, turn by turn beside its textbook version.

    Parameters
    ----------
    name, engine, device
        Which.
    repeats
        Least number of turns of each row.
    report
        Gets the rows.
    """

    def __init__(
        self, name: str, engine: str, device: str, repeats: int, report: Report
    ) -> None:
        model = model_named(name, device)
        image = image_of(model.config.size)
        if textbook := isinstance(model, SegNext):
            self._plain = textbook_of(model, image)
        else:
            self._plain = steps_of(model, image)
        self._fast = steps_of(_on(model, engine), image)
        threads = f"cpu, threads: {torch.get_num_threads()}"
        place = torch.cuda.get_device_name() if device == "cuda" else threads
        self._against = "textbook" if textbook else "its own PyTorch"
        self._head = name, engine, place, self._against
        self._asked = name, engine, device
        self._repeats, self._report = repeats, report
        self._medians: dict[str, tuple[float, float]] = {}
        self._gaps: list[float] = []

    @torch.inference_mode()
    def run(self) -> None:
        """Measure all rows."""
        print("{}, {}, {}, against {}".format(*self._head), flush=True)
        for verbs in TURNS:
            self._time(verbs)
        # Clicks of the segment-anything task are on an image that is known.
        (embed, embed_here), (click, _) = (
            self._medians[v] for v in ("embed", "first_click")
        )
        click_here = self._medians["further_click"][1]
        plain, here = embed + SAT_CLICKS * click, embed_here + SAT_CLICKS * click_here
        self._add("SAT 16 x 16, s, extrapolated", plain, here, (plain / here,) * 3)
        self._add("largest difference of probabilities", None, max(self._gaps))
        name, engine, device = self._asked
        other = "textbook" if self._against == "textbook" else "torch"
        peaks = [peak_mb(name, each, device) for each in (other, engine)]
        self._add("peak memory, MB", *peaks)

    def _time(self, verbs: tuple[str, ...]) -> None:
        """Take turns at the first of some steps, and at all of them on the engine."""
        turns: list[list[float]] = []
        steps = [self._plain[verbs[0]], *(self._fast[verb] for verb in verbs)]
        device = self._asked[2]
        print(f"  ... {' and '.join(verbs)}:", end="", flush=True)
        taken, results = zip(*(_timed(step, device) for step in steps), strict=True)
        if sum(taken) > LEAST_S:
            turns.append(list(taken))
        if verbs[0] != "embed":
            theirs, ours = (logits.float().sigmoid() for logits in results[:2])
            self._gaps.append(float((ours - theirs.view_as(ours)).abs().max()))
        while len(turns) < self._repeats or np.sum(turns) < LEAST_S:
            turns.append([seconds(step, device) for step in steps])
            print(".", end="", flush=True)
        print()
        for number, verb in enumerate(verbs, start=1):
            pairs = np.array(turns)[:, [0, number]]
            plain, here = (float(n) for n in np.median(pairs, 0))
            ratios = pairs[:, 0] / pairs[:, 1]
            spread = float(np.median(ratios)), float(ratios.min()), float(ratios.max())
            self._medians[verb] = plain, here
            self._add(f"{verb.replace('_', ' ')}, s", plain, here, spread)

    def _add(self, *numbers: Any) -> None:
        self._report.add(Row(*self._head, *numbers))


def _timed(step: Callable[[], Any], device: str) -> tuple[float, Any]:
    """Return the seconds of a step, and its result."""
    results: list[Any] = []
    return seconds(lambda: results.append(step()), device), results[0]


def peak_mb(name: str, engine: str, device: str) -> float:
    """Peak memory of a process that embeds and clicks twice, in MB."""
    asked = name, engine, device, torch.get_num_threads()
    code = f"from benchmarks.latency import alone; alone(*{asked!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


@torch.inference_mode()
def alone(name: str, engine: str, device: str, threads: int) -> None:
    """Run once and print the peak memory in MB: of the process, or of the GPU."""
    torch.set_num_threads(threads)
    model = model_named(name, device)
    image = image_of(model.config.size)
    if engine == "textbook":
        steps = textbook_of(_segnext(model), image)
    else:
        steps = steps_of(_on(model, engine), image)
    for verb in ("embed", "first_click", "next_click"):
        steps[verb]()
    if device == "cpu":
        # `getrusage` would count what the process had before it became this program.
        peak = 1e3 * peak_gb()
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


def main(
    models: Annotated[list[str], typer.Argument(help="Names, files or random:NAME.")],
    engine: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Turns, at least.")] = 3,
    threads: Annotated[int, typer.Option(min=1, help="Of the CPU.")] = 1,
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
) -> None:
    torch.set_num_threads(threads)
    report = Report(json)
    for name in models:
        for each in engine or ["torch"]:
            Comparison(name, each, "cpu", repeats, report).run()
        if torch.cuda.is_available():
            for each in ("torch", "compiled"):
                Comparison(name, each, "cuda", 10 * repeats, report).run()


if __name__ == "__main__":
    typer.run(main)
