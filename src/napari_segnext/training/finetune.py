"""Teach a model the user's own images, and check on some that it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from napari_segnext.evaluation import Result, Sample, Settings, evaluate
from napari_segnext.evaluation.sample import select_objects
from napari_segnext.models import ModelConfig, SegmentationModel
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.training.clicks import Trainer
from napari_segnext.training.crops import around_object, padded_image, whole_image
from napari_segnext.training.data import Crop, Source
from napari_segnext.training.folders import hold_out, read_folders
from napari_segnext.training.loop import Options
from napari_segnext.training.sources import (
    DataSet,
    generated_em,
    generated_mri,
    repeated,
)
from napari_segnext.weights import load_model, save_model

# Share of generated images: what the model knew should stay.
GENERATED_SHARE = 0.25
_GENERATED_COUNT = 60
# Objects and clicks that the check takes.
_OBJECTS = 30
_CLICKS = 5


@dataclass(frozen=True)
class FineTuned:
    """What fine-tuning gave.

    Attributes
    ----------
    path
        The new model's file.
    before, after
        Mean IoU after 1, 2, ... clicks on the labelled planes that were held out.
    objects
        How many objects that is.
    """

    path: Path
    before: Sequence[float]
    after: Sequence[float]
    objects: int

    @property
    def better(self) -> bool:
        """Whether the mean over the clicks rose."""
        return sum(self.after) > sum(self.before)


def options_of(
    model: SegmentationModel, steps: int, seed: int, workers: int
) -> Options:
    """Return options for a short training of a trained model."""
    return Options(
        steps=steps,
        size=model.config.size if model.config.tiling is None else 192,
        images=2,
        objects=3,
        rate=3e-4,
        encoder_rate=3e-5,
        warmup=max(1, steps // 20),
        decay=0.7,
        averaging=0.98,
        seed=seed,
        workers=workers,
    )


def finetune(
    model: str | Path,
    data: Path,
    out: Path,
    *,
    steps: int = 300,
    seed: int = 0,
    workers: int = 1,
    report: Callable[[Mapping[str, float]], None] = lambda row: None,
) -> FineTuned:
    """Train a model further on labelled images of one's own.

    The last fifth of the labelled planes is held out, and measured with simulated
    clicks before and after. An interrupted training goes on where it was.

    Parameters
    ----------
    model
        Name or file of the model to start from.
    data
        Folder with ``image/`` and ``annotation/``; see
        `napari_segnext.training.folders.read_folders`.
    out
        Folder for the checkpoint, the metrics and ``model.safetensors``.
    steps
        Optimiser steps.
    report
        Called now and then with the metrics.

    Raises
    ------
    ValueError
        If there is too little to learn from.
    OSError
        If something cannot be read or written.
    """
    network = load_model(model)
    training, held_out = hold_out(read_folders(data))
    # What an encoder knows of images in general is more than a few can teach it.
    trained = deepcopy(network)
    encoder = getattr(trained, "encoder", None)
    assert isinstance(encoder, nn.Module)
    encoder.requires_grad_(False)
    options = options_of(trained, steps, seed, workers)
    crop = _crop_for(trained.config)
    sources = _sources(training, trained)
    # It reads the checkpoint, if there is one, before anything long begins.
    trainer = Trainer(trained, sources, out, options, crop)
    before = _check(network, held_out)
    trained = trainer.run(report).eval()
    path = out / "model.safetensors"
    save_model(trained, path, {"start": str(model), "steps": str(steps)})
    after = _check(trained, held_out)
    return FineTuned(path, before.miou, after.miou, len(after.objects))


def _crop_for(config: ModelConfig) -> Crop:
    """Show a model what it sees when it is used: tiles, or whole images."""
    if config.tiling is not None:
        return around_object
    return padded_image if config.resize == "pad" else whole_image


def _sources(
    samples: Sequence[Sample], model: SegmentationModel
) -> dict[str, tuple[Source, float]]:
    return {
        "own": (DataSet(samples, model.config.window), 1 - GENERATED_SHARE),
        **{
            draw.__name__: (repeated(draw, _GENERATED_COUNT, seed=1), share)
            for draw, share in (
                (generated_em, GENERATED_SHARE / 2),
                (generated_mri, GENERATED_SHARE / 2),
            )
        },
    }


def _check(model: SegmentationModel, samples: Sequence[Sample]) -> Result:
    chosen = select_objects(samples, _OBJECTS)
    settings = Settings(max_clicks=_CLICKS)
    return Result(
        model.config.architecture,
        "held out",
        list(evaluate(Predictor(model), chosen, settings)),
        settings,
    )
