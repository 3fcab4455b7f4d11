"""An evaluation from names and paths to a JSON file: the command `evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from napari_segnext.engines import load_on_engine
from napari_segnext.evaluation import baselines, report
from napari_segnext.evaluation.datasets import load_dataset
from napari_segnext.evaluation.evaluate import (
    InteractivePredictor,
    evaluate,
    segment_anything_seconds,
)
from napari_segnext.evaluation.files import Files
from napari_segnext.evaluation.progress import ProgressFile
from napari_segnext.evaluation.replay import read_work, replay
from napari_segnext.evaluation.results import ObjectResult, Result, Settings
from napari_segnext.evaluation.sample import Sample, select_objects
from napari_segnext.images.volume import Volume
from napari_segnext.models import Embedding
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.predicting.store import EmbeddingStore
from napari_segnext.predicting.volume_predictor import VolumePredictor

Selection = Sequence[tuple[Sample, tuple[int, ...]]]
_PROTOCOL, _NOTHING = Settings(), Files()


def run(
    model: str,
    dataset: str,
    data: Path,
    settings: Settings = _PROTOCOL,
    files: Files = _NOTHING,
    *,
    limit: int | None = None,
    device: str = "auto",
    engine: str = "torch",
    sat: bool = False,
    console: Console | None = None,
) -> Result:
    """Evaluate a model or a baseline, with a progress bar, a table and files.

    Parameters
    ----------
    model
        Name or file for `napari_segnext.load_model`, or one of
        `napari_segnext.evaluation.baselines.BASELINES`.
    dataset, data
        See `napari_segnext.evaluation.datasets`.
    limit
        Take so many objects, evenly spaced over all.
    engine
        See `napari_segnext.engines`.
    sat
        Also time the segment-anything task on the first image.

    Raises
    ------
    ValueError
        If a name or number is wrong, or the partial file is of another evaluation.
    OSError
        If the data or the model cannot be read.
    ImportError
        If something of the extra ``eval`` is asked for and missing.
    """
    files.check(settings)
    if sat and model in baselines.BASELINES:
        raise ValueError("the segment-anything task is timed for models alone")
    console = console or Console()
    selection = select_objects(load_dataset(dataset, data), limit)
    samples = [sample for sample, _ in selection]
    predictor, embeddings = _predictor(model, device, engine)
    identity = {
        "model": [*_identity(model), *([] if engine == "torch" else [engine])],
        "dataset": dataset,
        "data": str(Path(data).resolve()),
        "limit": limit,
        "settings": asdict(settings),
    }
    kept = ProgressFile(files.partial, identity) if files.partial else None
    objects = _objects(predictor, selection, settings, embeddings, kept, console)
    sat_s = _sat_seconds(model, device, engine, samples[0]) if sat else None
    result = Result(model, dataset, objects, settings, sat_s)
    report.show([result], console)
    files.write(result, predictor, samples)
    return result


def run_replay(
    model: str,
    journals: Sequence[Path],
    images: Sequence[Path] = (),
    settings: Settings = _PROTOCOL,
    json: Path | None = None,
    *,
    device: str = "auto",
    engine: str = "torch",
    console: Console | None = None,
) -> Result:
    """Measure a model on users' own work; see `napari_segnext.evaluation.replay`.

    Parameters
    ----------
    model, device, engine
        As for `run`; baselines have no place here.
    images
        One for each journal; by default those that the journals lie beside.

    Raises
    ------
    ValueError, OSError
        As `read_work`, or if there are not as many images as journals.
    """
    if model in baselines.BASELINES:
        raise ValueError(f"{model} is measured on data sets: name a model")
    if images and len(images) != len(journals):
        raise ValueError(
            f"give an --image for each --journal, in the same order: there are "
            f"{len(images)} and {len(journals)}"
        )
    console = console or Console()
    if images:
        works = [read_work(*each) for each in zip(journals, images, strict=True)]
    else:
        works = [read_work(journal) for journal in journals]
    network = load_on_engine(model, device, engine, wait=True)

    def predictor_of(volume: Volume) -> VolumePredictor:
        return VolumePredictor(network, volume)

    total = sum(len(work.accepted) for work in works)
    results = _watched(replay(works, predictor_of, settings), total, 0, console)
    result = Result(model, " ".join(work.name for work in works), [*results], settings)
    report.show([result], console)
    if json is not None:
        report.write_json(result, json)
    return result


def _objects(
    predictor: InteractivePredictor,
    selection: Selection,
    settings: Settings,
    embeddings: Callable[[], int],
    kept: ProgressFile | None,
    console: Console,
) -> list[ObjectResult]:
    """Evaluate what is not finished yet, under a progress bar."""
    results = list(kept.results) if kept else []
    done = {(r.sample, r.object_id) for r in results}
    total = sum(len(objects) for _, objects in selection)
    course = evaluate(predictor, selection, settings, done=done, embeddings=embeddings)
    try:
        for result in _watched(course, total, len(done), console):
            results.append(result)
            if kept:
                kept.add(result)
    finally:
        if kept:
            kept.close()
    return results


def _watched(
    results: Iterable[ObjectResult], total: int, done: int, console: Console
) -> Iterator[ObjectResult]:
    """Pass results on under a progress bar."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("objects", total=total, completed=done)
        for result in results:
            yield result
            bar.advance(task)


def _predictor(
    name: str, device: str, engine: str
) -> tuple[InteractivePredictor, Callable[[], int]]:
    """Return a predictor and a count of the embeddings that it has computed."""
    if name in baselines.BASELINES:
        return baselines.BASELINES[name](), lambda: 0
    store = _CountingStore()
    model = load_on_engine(name, device, engine, wait=True)
    return Predictor(model, store), lambda: store.computed


class _CountingStore(EmbeddingStore):
    """A store that knows how many embeddings were computed for it."""

    computed = 0

    def put(self, key: str, embedding: Embedding) -> None:
        self.computed += 1
        super().put(key, embedding)


def _sat_seconds(name: str, device: str, engine: str, sample: Sample) -> float:
    """Time the segment-anything task with a predictor that knows no image yet."""
    model = load_on_engine(name, device, engine, wait=True)
    return segment_anything_seconds(Predictor(model), sample.image(), model.config.size)


def _identity(model: str) -> list[Any]:
    """Tell a model file from a later one of the same name."""
    path = Path(model)
    if not path.is_file():
        return [model]
    state = path.stat()
    return [str(path.resolve()), state.st_size, state.st_mtime_ns]
