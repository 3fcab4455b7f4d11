"""The published models: their configurations, and those in files of SegNext."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from napari_segnext.models.config import IMAGENET_MEAN, IMAGENET_STD, ModelConfig
from napari_segnext.prompts import PromptStyle

_CLASS = "isegm.model.is_plainvit_model.PlainVitModel"
# Whatever a file holds is told in a few words.
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 120
_FUSION_DEPTH = {"vitb-sa0": 0, "vitb-sa1": 1, "vitb-sa2": 2, "vitb-sa2-hq": 2}


def reference_config(name: str) -> ModelConfig:
    """Return the configuration of a published model.

    Parameters
    ----------
    name
        ``"vitb-sa1"``, ``"vitb-sa2"``, ``"vitb-sa2-hq"`` (published), or
        ``"vitb-sa0"`` (fusion by addition alone, not published): SegNext, ViT-B at
        1024 pixels. Or one of
        `napari_segnext.models.research.sam.published.SAM_CONFIGS`.

    Raises
    ------
    ValueError
        If there is no such model.
    """
    if name not in _FUSION_DEPTH:
        return _of_sam(name)
    arch = {
        "patch_size": 16,
        "embed_dim": 768,
        "depth": 12,
        "num_heads": 12,
        "mlp_ratio": 4.0,
        "qkv_bias": True,
        "global_every": 3,
        "fusion_depth": _FUSION_DEPTH[name],
        "neck_channels": [128, 256, 512, 1024],
        "head_channels": 256,
        "dropout": 0.1,
    }
    return ModelConfig("segnext", 1024, arch=arch)


def _of_sam(name: str) -> ModelConfig:
    # Here, as all that is for research: by name alone.
    from napari_segnext.models.research.sam.published import SAM_CONFIGS

    if name not in SAM_CONFIGS:
        known = ", ".join([*_FUSION_DEPTH, *SAM_CONFIGS])
        raise ValueError(f"unknown published model {name!r}; known: {known}")
    return SAM_CONFIGS[name]


def config_from_reference(config: Mapping[str, Any]) -> ModelConfig:
    """Turn the ``config`` entry of a published ``.pth`` file into ours.

    Parameters
    ----------
    config
        ``{"class": dotted name, "params": {name: {"type", "value", "specified"}}}``,
        builtin types only. The class is compared, never imported.

    Raises
    ------
    ValueError
        If the file describes a model that is not SegNext as published, or lacks
        numbers that are needed.
    """
    if not isinstance(config, Mapping) or config.get("class") != _CLASS:
        named = config.get("class") if isinstance(config, Mapping) else config
        raise ValueError(
            f"the file holds a {_SHORT.repr(named)}; only {_CLASS} can be read"
        )
    try:
        values = {name: entry["value"] for name, entry in config["params"].items()}
        return _read(values)
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        said = reprlib.repr(error)
        raise ValueError(
            f"the file's configuration is damaged or of another version: {said}"
        ) from error
    except RecursionError as error:
        raise ValueError("the file's configuration is nested too deeply") from error


def _read(values: Mapping[str, Any]) -> ModelConfig:
    backbone, head = values["backbone_params"], values["head_params"]
    size = _square(backbone["img_size"], "img_size")
    neck = [int(n) for n in values["neck_params"]["out_dims"]]
    _require("in_chans", backbone["in_chans"], 3)
    _require("neck in_dim", values["neck_params"]["in_dim"], backbone["embed_dim"])
    _require("head in_channels", list(head["in_channels"]), neck)
    _require("in_select_index", list(head["in_select_index"]), [0, 1, 2, 3])
    _require("num_classes", head["num_classes"], 1)
    # False, the reference's default, means distance maps instead of disks.
    _require("use_disks", values.get("use_disks", False), True)
    mean, std = values.get("norm_mean_std", (IMAGENET_MEAN, IMAGENET_STD))
    arch = {
        "patch_size": _square(backbone["patch_size"], "patch_size"),
        "embed_dim": int(backbone["embed_dim"]),
        "depth": int(backbone["depth"]),
        "num_heads": int(backbone["num_heads"]),
        "mlp_ratio": float(backbone["mlp_ratio"]),
        "qkv_bias": bool(backbone["qkv_bias"]),
        "global_every": int(backbone["global_atten_freq"]),
        "fusion_depth": _fusion_depth(values["fusion_params"], backbone),
        "neck_channels": neck,
        "head_channels": int(head["out_channels"]),
        "dropout": float(head["dropout_ratio"]),
    }
    return ModelConfig(
        "segnext",
        size,
        mean=_triple(mean),
        std=_triple(std),
        style=PromptStyle(radius=int(values["norm_radius"])),
        arch=arch,
    )


def _fusion_depth(fusion: Mapping[str, Any], backbone: Mapping[str, Any]) -> int:
    if fusion["type"] == "naive":
        return 0
    _require("fusion type", fusion["type"], "self_attention")
    params = fusion["params"]
    _require("fusion dim", params["dim"], backbone["embed_dim"])
    for name in ("num_heads", "mlp_ratio", "qkv_bias"):
        _require(f"fusion {name}", params[name], backbone[name])
    return int(fusion["depth"])


def _require(name: str, value: object, wanted: object) -> None:
    if value != wanted:
        raise ValueError(
            f"this SegNext variant cannot be read: {name} is {_SHORT.repr(value)}, "
            f"only {_SHORT.repr(wanted)} is supported"
        )


def _square(sides: Sequence[int], name: str) -> int:
    _require(f"{name} height", sides[0], sides[1])
    return int(sides[0])


def _triple(values: Sequence[float]) -> tuple[float, float, float]:
    first, second, third = values
    return float(first), float(second), float(third)
