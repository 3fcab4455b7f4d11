"""Small models of SAM's family with random weights, and the same in transformers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from napari_segnext.models import ModelConfig, build_model
from napari_segnext.models.research.sam.published import SAM_CONFIGS
from napari_segnext.models.research.sam.sam import Sam

SIZE = 64
_VIT = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "global_attn_indexes": [1],
    "output_channels": 32,
    "num_pos_feats": 16,
}
_HIERA = {
    "model_type": "sam2_hiera_det_model",
    "hidden_size": 8,
    "image_size": [SIZE, SIZE],
    "blocks_per_stage": [1, 1, 2, 1],
    "embed_dim_per_stage": [8, 16, 24, 32],
    "num_attention_heads_per_stage": [1, 1, 2, 2],
    "window_size_per_stage": [4, 4, 4, 2],
    "global_attention_blocks": [3],
}
_PROMPT = {"hidden_size": 32, "mask_input_channels": 8}
_DECODER = {
    "hidden_size": 32,
    "mlp_dim": 32,
    "num_attention_heads": 4,
    "iou_head_hidden_dim": 16,
}
ARCH: dict[str, dict[str, Any]] = {
    "sam": {"vision": _VIT, "prompt": _PROMPT, "decoder": _DECODER},
    "sam-hq": {
        "vision": _VIT,
        "prompt": _PROMPT,
        "decoder": {**_DECODER, "vit_dim": 16},
    },
    "sam2": {
        "vision": {
            "backbone_config": _HIERA,
            "backbone_channel_list": [32, 24, 16, 8],
            "fpn_hidden_size": 32,
        },
        "prompt": _PROMPT,
        "decoder": _DECODER,
    },
}
_LIKE = {"sam": "sam-vitb", "sam-hq": "sam-hq-vitb", "sam2": "sam2-tiny"}
KINDS = list(ARCH)


def small_config(kind: str) -> ModelConfig:
    """Return the configuration of a small model that is used as the published one."""
    return replace(SAM_CONFIGS[_LIKE[kind]], size=SIZE, arch=ARCH[kind])


def small_model(kind: str) -> Sam:
    """Build it, with weights that make lively masks."""
    torch.manual_seed(0)
    model = build_model(small_config(kind)).eval()
    assert isinstance(model, Sam)
    generator = torch.Generator().manual_seed(1)
    for name, tensor in model.network.state_dict().items():
        if "norm" not in name:
            fan_in = tensor[0].numel() if tensor.ndim > 1 else 4
            tensor.normal_(0, fan_in**-0.5, generator=generator)
    positions = model.network.shared_image_embedding.positional_embedding.detach()
    shared = model.network.prompt_encoder.shared_embedding
    shared.positional_embedding.detach().copy_(positions)
    return model
