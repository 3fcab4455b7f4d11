"""Train a model by its recipe and write it as a model file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch

from napari_segnext.models import ModelConfig, SegmentationModel, build_model
from napari_segnext.models.follower import Follower
from napari_segnext.models.research.text.clip import read_clip
from napari_segnext.models.research.text.prompted import TextPrompted
from napari_segnext.training.clicks import Trainer
from napari_segnext.training.data import Source
from napari_segnext.training.follow import FollowTrainer
from napari_segnext.training.loop import Options
from napari_segnext.training.phrases import PHRASES
from napari_segnext.training.recipes import (
    RECIPES,
    TEXT,
    Recipe,
    bundled_mixture,
    data_set,
)
from napari_segnext.training.starts import load_weights
from napari_segnext.training.walks import Ways
from napari_segnext.training.ways import follower_mixture
from napari_segnext.weights import save_model

BUNDLED = "bundled"


def options_of(model: str, **changed: float | None) -> Options:
    """Return the options of a recipe, those that are given and not None changed.

    Raises
    ------
    ValueError
        If there is no such recipe.
    """
    if model not in RECIPES:
        raise ValueError(f"no recipe for {model!r}; there are {', '.join(RECIPES)}")
    given = {name: value for name, value in changed.items() if value is not None}
    return replace(Options(), **{**RECIPES[model].options, **given})


def train(
    model: str,
    out: Path,
    data: Path | None,
    options: Options,
    *,
    layout: str = BUNDLED,
    start: Path | None = None,
    arch: Mapping[str, object] | None = None,
    text: Path | None = None,
    report: Callable[[Mapping[str, float]], None] = lambda row: None,
) -> Path:
    """Train a model, or go on with a training that was interrupted.

    Parameters
    ----------
    model
        Name of a recipe.
    out
        Gets checkpoint, configuration, metrics and, in the end, ``model.safetensors``.
    data
        Folder of labelled images; None trains on generated images alone.
    options
        From `options_of`. To resume, change none but `steps`, if any.
    layout
        ``"bundled"``, or a data set's; see `napari_segnext.training.recipes.data_set`.
    start
        Name or file to start from in place of the recipe's own start; see
        `napari_segnext.training.starts.load_weights`.
    arch
        Numbers of the architecture that differ from the recipe's, for ablations.
    text
        Folder of the CLIP whose frozen text encoder a model with phrases reads; see
        `napari_segnext.models.research.text.clip.read_clip`.
    report
        Called now and then with the metrics.

    Returns
    -------
    Path
        The model file.

    Raises
    ------
    ValueError
        If model, layout or start does not fit, or `out` holds another model's training.
    OSError
        If data are missing.
    """
    recipe = RECIPES[model]
    config = replace(recipe.config, arch={**recipe.config.arch, **(arch or {})})
    torch.manual_seed(options.seed)
    network = _build(config, layout, text)
    _start(network, recipe, start)
    trainer: FollowTrainer | Trainer
    if isinstance(network, Follower):
        ways = _ways(layout, data)
        _keep_config(network.config, out)
        trainer = FollowTrainer(network, ways, out, options)
    else:
        sources = _sources(layout, data, config)
        _keep_config(network.config, out)
        trainer = Trainer(network, sources, out, options, recipe.crop)
    trained = trainer.run(report)
    path = out / "model.safetensors"
    if trainer.accelerator.is_main_process:
        save_model(trained, path, {k: str(v) for k, v in asdict(options).items()})
    return path


def _start(network: SegmentationModel, recipe: Recipe, start: Path | None) -> None:
    """Give a model its first weights, and hold fast what the recipe freezes."""
    if start is not None:
        load_weights(network, start)
    elif recipe.start is not None:
        recipe.start(network)
    for name, parameter in network.named_parameters():
        parameter.requires_grad &= not name.startswith(recipe.frozen)


def _keep_config(config: ModelConfig, out: Path) -> None:
    """Write the configuration, or refuse one that is not that of the first call.

    Weights alone do not tell: two sources of order, say, have the same ones.
    """
    path = out / "config.json"
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(config.to_json() + "\n")
    elif ModelConfig.from_json(path.read_text()).to_json() != config.to_json():
        raise ValueError(
            f"{out} holds the training of another model ({path}): go on with the "
            "options that it began with, or choose another folder"
        )


def _build(config: ModelConfig, layout: str, text: Path | None) -> SegmentationModel:
    """Build a model; one with phrases for the CLIP that it will be trained with."""
    if (config.architecture == TEXT) != (layout == PHRASES):
        raise ValueError(
            f"models with phrases, and they alone, learn from --dataset {PHRASES}: "
            "text-tiny, text-vitb-sa2"
        )
    if config.architecture != TEXT:
        return build_model(config)
    if text is None:
        raise ValueError("give the folder of a CLIP as --text")
    clip = read_clip(text)
    arch = {**config.arch, "text_width": clip.width, "clip": clip.digest}
    network = build_model(replace(config, arch=arch))
    assert isinstance(network, TextPrompted)
    network.use_clip(clip)
    return network


def _ways(layout: str, data: Path | None) -> dict[str, tuple[Ways, float]]:
    if layout != BUNDLED:
        raise ValueError("the follower learns from --dataset bundled alone")
    return follower_mixture(data)


def _sources(
    layout: str, data: Path | None, config: ModelConfig
) -> dict[str, tuple[Source, float]]:
    if layout == BUNDLED:
        return bundled_mixture(data)
    if data is None:
        raise ValueError(f"give the folder of {layout}")
    return data_set(layout, data, config)
