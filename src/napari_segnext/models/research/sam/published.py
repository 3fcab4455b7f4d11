"""The published models of SAM's family: their configurations, and those of files.

The files are those for the library transformers, ``model.safetensors``; those of models
that were fine-tuned without a change of shape are like them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from napari_segnext.models.config import IMAGENET_MEAN, ModelConfig
from napari_segnext.prompts import PromptStyle

_VITS: dict[str, dict[str, Any]] = {
    "b": {
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "global_attn_indexes": [2, 5, 8, 11],
    },
    "l": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "global_attn_indexes": [5, 11, 17, 23],
    },
    "h": {
        "hidden_size": 1280,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "global_attn_indexes": [7, 15, 23, 31],
    },
}
_HIERAS: dict[str, dict[str, Any]] = {
    "tiny": {
        "hidden_size": 96,
        "blocks_per_stage": [1, 2, 7, 2],
        "global_attention_blocks": [5, 7, 9],
    },
    "small": {
        "hidden_size": 96,
        "blocks_per_stage": [1, 2, 11, 2],
        "global_attention_blocks": [7, 10, 13],
    },
    "base-plus": {
        "hidden_size": 112,
        "num_attention_heads": 2,
        "blocks_per_stage": [2, 3, 16, 3],
        "embed_dim_per_stage": [112, 224, 448, 896],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "global_attention_blocks": [12, 16, 20],
        "window_positional_embedding_background_size": [14, 14],
    },
    "large": {
        "hidden_size": 144,
        "num_attention_heads": 2,
        "blocks_per_stage": [2, 6, 36, 4],
        "embed_dim_per_stage": [144, 288, 576, 1152],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "global_attention_blocks": [23, 33, 43],
        "window_size_per_stage": [8, 4, 16, 8],
    },
}
# Where the encoder's tensors are in a file, and what its blocks are called.
_ENCODERS = {"vision_encoder": "layers", "vision_encoder.backbone": "blocks"}
_TWICE = "shared_image_embedding.positional_embedding"
_AGAIN = "prompt_encoder.shared_embedding.positional_embedding"
# SAM 2's files hold the parts for video as well.
_FOR_VIDEO = (
    "memory_",
    "mask_downsample",
    "object_pointer_proj",
    "temporal_positional_encoding_projection_layer",
    "no_memory_positional_encoding",
    "no_object_pointer",
    "occlusion_spatial_embedding_parameter",
)


def _config(architecture: str, **arch: Any) -> ModelConfig:
    """SAM and HQ-SAM pad images to a square with their mean, SAM 2 stretches them."""
    return ModelConfig(
        architecture,
        1024,
        resize="square" if architecture == "sam2" else "pad",
        antialias=True,
        fill=IMAGENET_MEAN,
        style=PromptStyle(region="sparse"),
        arch=arch,
    )


def _hq(vision: Mapping[str, Any]) -> ModelConfig:
    decoder = {"vit_dim": vision["hidden_size"]}
    return _config("sam-hq", vision=dict(vision), decoder=decoder)


def _hiera(backbone: Mapping[str, Any]) -> ModelConfig:
    vision: dict[str, Any] = {
        "backbone_config": {"model_type": "sam2_hiera_det_model", **backbone}
    }
    if widths := backbone.get("embed_dim_per_stage"):
        vision["backbone_channel_list"] = widths[::-1]
    return _config("sam2", vision=vision)


SAM_CONFIGS: dict[str, ModelConfig] = {
    **{f"sam-vit{k}": _config("sam", vision=vit) for k, vit in _VITS.items()},
    **{f"sam-hq-vit{k}": _hq(vit) for k, vit in _VITS.items()},
    **{f"sam2-{k}": _hiera(hiera) for k, hiera in _HIERAS.items()},
}


def recognise(tensors: Mapping[str, Tensor]) -> ModelConfig | None:
    """Tell by its tensors which published model a file for transformers holds.

    Returns
    -------
    None if it holds something else
    """
    found = _signature(tensors)
    matching = (c for c in SAM_CONFIGS.values() if _signature_of(c) == found)
    return next(matching, None)


def our_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of a file for transformers the names that they have here."""
    kept = {k: t for k, t in tensors.items() if not k.startswith(_FOR_VIDEO)}
    if _TWICE in kept:
        # Files that do without names for one tensor twice.
        kept.setdefault(_AGAIN, kept[_TWICE])
    return {f"network.{name}": tensor for name, tensor in kept.items()}


def _signature(tensors: Mapping[str, Tensor]) -> tuple[str, int, int] | None:
    """Return architecture, width and number of blocks of what a file holds."""
    for prefix, block in _ENCODERS.items():
        first = tensors.get(f"{prefix}.patch_embed.projection.weight")
        if first is not None and first.ndim:
            start, end = f"{prefix}.{block}.", ".layer_norm1.weight"
            depth = sum(k.startswith(start) and k.endswith(end) for k in tensors)
            plain = "sam2" if block == "blocks" else "sam"
            kind = "sam-hq" if "mask_decoder.hq_token.weight" in tensors else plain
            return kind, len(first), depth
    return None


def _signature_of(config: ModelConfig) -> tuple[str, int, int]:
    vision = config.arch["vision"]
    if config.architecture == "sam2":
        backbone = vision["backbone_config"]
        depth = sum(backbone["blocks_per_stage"])
        return config.architecture, backbone["hidden_size"], depth
    return config.architecture, vision["hidden_size"], vision["num_hidden_layers"]
