"""The mean of trained weights: often better than each (Wortsman et al., 2022).

It holds for models of which one was trained on from the other, or both from a third.
After fine-tuning it keeps more of what the model knew of other images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from napari_segnext.models import ModelConfig, SegmentationModel
from napari_segnext.weights import load_model, save_model


def average(models: Sequence[str | Path], out: Path) -> None:
    """Write the mean of several models' weights.

    Parameters
    ----------
    models
        Names or files of at least two models of one configuration.
    out
        The ``.safetensors`` file; replaced if it exists.

    Raises
    ------
    ValueError
        If there are less than two models, or they differ in more than weights.
    OSError
        If a file cannot be read or written.
    """
    if len(models) < 2:
        raise ValueError("give at least two models: the mean of one is itself")
    mean, *others = (load_model(model, device="cpu") for model in models)
    # The mean has an encoder of its own, whosever embeddings the models take.
    mean.config = _own(mean.config)
    for name, other in zip(models[1:], others, strict=True):
        if _own(other.config) != mean.config:
            raise ValueError(
                f"{name} is another kind of model than {models[0]}: only weights that "
                "were trained on from each other have a mean"
            )
    _take_mean(mean, others)
    save_model(mean, out, {"mean_of": ", ".join(Path(m).name for m in models)})


def _own(config: ModelConfig) -> ModelConfig:
    """Return the configuration of a model that takes its own embeddings."""
    arch = {name: value for name, value in config.arch.items() if name != "base"}
    return replace(config, arch=arch)


@torch.no_grad()
def _take_mean(mean: SegmentationModel, others: Sequence[SegmentationModel]) -> None:
    states = [other.state_dict() for other in others]
    for name, tensor in mean.state_dict().items():
        # What is counted, such as batches, is the first one's.
        if tensor.is_floating_point():
            same = [tensor, *(state[name] for state in states)]
            tensor.copy_(torch.stack(same).mean(0))
