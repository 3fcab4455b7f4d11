"""How far an engine's masks are from those of the exact decode, over whole sessions.

The click robot works with the exact model; the engine is given the same clicks, each
answer refining its own one before, as it would for a user. Compared are the two masks
after every click, and both with the truth.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from napari_segnext.engines import EngineState, accelerate, openvino
from napari_segnext.evaluation.calibrate import Selection, calibrate_with_half
from napari_segnext.evaluation.clicker import ClickRobot
from napari_segnext.evaluation.datasets import load_dataset
from napari_segnext.evaluation.metrics import iou
from napari_segnext.evaluation.sample import Sample, object_truth, select_objects
from napari_segnext.predicting.prediction import Prediction
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.prompts import Prompts
from napari_segnext.weights import load_model

# Masks that agree as well as this are the same to a user.
ENOUGH = 0.99


@dataclass(frozen=True, slots=True)
class ObjectAgreement:
    """One object's session; each tuple has one number for each click.

    Attributes
    ----------
    agreement
        IoU of the engine's mask with the exact one.
    exact, engine
        IoU of each with the truth.
    exact_s, engine_s
        CPU seconds of each, embedding left out.
    """

    sample: str
    object_id: int
    agreement: tuple[float, ...]
    exact: tuple[float, ...]
    engine: tuple[float, ...]
    exact_s: tuple[float, ...]
    engine_s: tuple[float, ...]


def compare(
    exact: Predictor,
    engine: Predictor,
    selection: Sequence[tuple[Sample, tuple[int, ...]]],
    max_clicks: int,
) -> Iterator[ObjectAgreement]:
    """Compare two predictors, object by object.

    Parameters
    ----------
    selection
        From `napari_segnext.evaluation.sample.select_objects`.
    """
    for sample, objects in selection:
        image, labels = sample.image(), sample.labels()
        for predictor in (exact, engine):
            predictor.set_image(image)
        for object_id in objects:
            truth = object_truth(labels, object_id)
            rows = _session(exact, engine, truth, max_clicks)
            columns = zip(*rows, strict=True)
            yield ObjectAgreement(sample.name, object_id, *map(tuple, columns))


def _session(
    exact: Predictor, engine: Predictor, truth: NDArray[Any], max_clicks: int
) -> Iterator[tuple[float, float, float, float, float]]:
    robot, prompts = ClickRobot(truth), Prompts()
    ours: Prediction | None = None
    theirs: Prediction | None = None
    mask = np.zeros(truth.shape, bool)
    for _ in range(max_clicks):
        click = robot.next_click(mask)
        prompts = prompts.click(click.y, click.x, click.positive)
        ours, seconds = _timed(exact, prompts, ours)
        theirs, their_seconds = _timed(engine, prompts, theirs)
        mask = ours.mask
        yield (
            iou(mask.astype(np.int8), theirs.mask),
            iou(truth, mask),
            iou(truth, theirs.mask),
            seconds,
            their_seconds,
        )


def _timed(
    predictor: Predictor, prompts: Prompts, previous: Prediction | None
) -> tuple[Prediction, float]:
    """Return the answer, and the CPU seconds of all but the embedding."""
    started = time.process_time()
    found = predictor.predict(prompts, previous)
    seconds = time.process_time() - started
    return found, seconds * found.decode_ms / (found.decode_ms + found.embed_ms)


def summary(found: Sequence[ObjectAgreement]) -> dict[str, Any]:
    """Return what `run` writes of all objects and clicks together."""
    agreement = np.array([one.agreement for one in found])
    seconds = np.array([[one.exact_s, one.engine_s] for one in found])
    return {
        "objects": len(found),
        "clicks": int(agreement.shape[1]),
        "agreement_mean": float(agreement.mean()),
        "agreement_p5": float(np.percentile(agreement, 5)),
        "agreement_least": float(agreement.min()),
        "agreement_by_click": agreement.mean(0).tolist(),
        "share_enough": float((agreement >= ENOUGH).mean()),
        "miou_exact": np.mean([one.exact for one in found], axis=0).tolist(),
        "miou_engine": np.mean([one.engine for one in found], axis=0).tolist(),
        "click_cpu_s_exact": float(np.median(seconds[:, 0])),
        "click_cpu_s_engine": float(np.median(seconds[:, 1])),
    }


def run(
    model: str,
    engine: str,
    data: Path,
    dataset: str = "pairs",
    max_clicks: int = 5,
    limit: int | None = None,
    device: str = "auto",
    json_path: Path | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Measure an engine against the exact decode: a table, and a JSON file.

    Parameters
    ----------
    model
        Name or file for `napari_segnext.load_model`.
    engine
        One of `napari_segnext.engines.ENGINES`.
    data, dataset, limit
        See `napari_segnext.evaluation.datasets`. Every second image is taken to
        calibrate the engine, if that is int8.

    Raises
    ------
    ValueError
        If a name is unknown, or the engine cannot run this model.
    OSError
        If model or data cannot be read.
    RuntimeError
        If the engine did not come to be, or failed on the way.
    """
    console = console or Console()
    selection: Selection = select_objects(load_dataset(dataset, data), limit)
    plain = load_model(model, device)
    if engine == openvino.INT8:
        selection = calibrate_with_half(plain, selection)
    accelerated = accelerate(plain, engine)
    accelerated.wait()
    told: list[EngineState] = []
    accelerated.listen(told.append)
    _require(told)
    described = accelerated.description
    objects = compare(Predictor(plain), Predictor(accelerated), selection, max_clicks)
    total = sum(len(ids) for _, ids in selection)
    title = f"{model}: {described}"
    found = list(track(objects, title, total, console=console))
    _require(told)
    result = {"model": model, "engine": engine, "data": data.name, **summary(found)}
    _show(result, console)
    if json_path is not None:
        json_path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


def _require(told: Sequence[EngineState]) -> None:
    """Raise the failure of an engine; PyTorch must not be measured in its place."""
    for state in told:
        if state.message:
            raise RuntimeError(state.message)


def _show(result: dict[str, Any], console: Console) -> None:
    table = Table("IoU with the exact decode", "", box=None, pad_edge=False)
    for title, name in (
        ("mean", "agreement_mean"),
        ("5th percentile", "agreement_p5"),
        ("least", "agreement_least"),
        (f"share of masks of at least {ENOUGH}", "share_enough"),
    ):
        table.add_row(title, f"{result[name]:.4f}")
    exact, engine = result["miou_exact"], result["miou_engine"]
    for click in sorted({0, len(exact) // 2, len(exact) - 1}):
        text = f"{exact[click]:.4f} / {engine[click]:.4f}"
        table.add_row(f"mean IoU, click {click + 1}: exact / engine", text)
    times = f"{result['click_cpu_s_exact']:.3f} / {result['click_cpu_s_engine']:.3f}"
    table.add_row("CPU seconds a click: exact / engine", times)
    console.print(table)
