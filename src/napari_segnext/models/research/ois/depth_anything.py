"""Start OIS from the published weights of Depth Anything V2.

They come in two kinds, with the same numbers under different names: the authors' own
``.pth``, and files for the library transformers. Yang et al., "Depth Anything V2",
NeurIPS 2024; the small model is Apache-2.0, base, large and giant are CC BY-NC 4.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from napari_segnext.models.research.ois.ois import OIS

# transformers' names -> the authors', in this order.
_RENAMED = (
    (r"^backbone\.embeddings\.position_embeddings", "pretrained.pos_embed"),
    (r"^backbone\.embeddings\.patch_embeddings", "pretrained.patch_embed"),
    (r"^backbone\.embeddings", "pretrained"),
    (r"^backbone\.encoder\.layer", "pretrained.blocks"),
    (r"^backbone\.layernorm", "pretrained.norm"),
    (r"patch_embed\.projection", "patch_embed.proj"),
    (r"attention\.output\.dense", "attn.proj"),
    (r"layer_scale(\d)\.lambda1", r"ls\1.gamma"),
    (r"^neck\.reassemble_stage\.layers\.(\d)\.projection", r"depth_head.projects.\1"),
    (r"^neck\.reassemble_stage\.layers\.(\d)\.resize", r"depth_head.resize_layers.\1"),
    *(
        # The authors count levels from the finest, transformers from the coarsest.
        (rf"^neck\.fusion_stage\.layers\.{n}", f"depth_head.scratch.refinenet{4 - n}")
        for n in range(4)
    ),
    *((rf"^neck\.convs\.{n}", f"depth_head.scratch.layer{n + 1}_rn") for n in range(4)),
    (r"(refinenet\d)\.projection", r"\1.out_conv"),
    (r"residual_layer(\d)\.convolution(\d)", r"resConfUnit\1.conv\2"),
    (r"^head\.conv1", "depth_head.scratch.output_conv1"),
    (r"^head\.conv2", "depth_head.scratch.output_conv2.0"),
    (r"^head\.conv3", "depth_head.scratch.output_conv2.2"),
)
_BEGINNINGS = ("pretrained.", "depth_head.", "backbone.", "neck.", "head.")
_PARTS = ("query", "key", "value")
# In the files, but never used.
_UNUSED = ("pretrained.mask_token", "depth_head.scratch.refinenet4.resConfUnit1.")


def read_depth_anything(path: Path) -> dict[str, Tensor] | None:
    """Read a published file by either kind's names; None if it holds something else.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    if path.suffix == ".safetensors":
        tensors = load_file(path)
    else:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    known = all(name.startswith(_BEGINNINGS) for name in tensors)
    return tensors if known else None


def published_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of a file for transformers the names of the authors."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        for pattern, new in _RENAMED:
            name = re.sub(pattern, new, name)
        renamed[name] = tensor
    return _joined(renamed)


def _joined(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Join queries, keys and values, which the authors keep as one tensor."""
    query = re.compile(r"(.*)\.attention\.attention\.query\.(weight|bias)")
    joined = {k: t for k, t in tensors.items() if ".attention.attention." not in k}
    for name in tensors:
        if found := query.fullmatch(name):
            block, kind = found.groups()
            parts = [tensors[f"{block}.attention.attention.{p}.{kind}"] for p in _PARTS]
            joined[f"{block}.attn.qkv.{kind}"] = torch.cat(parts)
    return joined


def start_from_depth_anything(model: OIS, tensors: Mapping[str, Tensor]) -> None:
    """Give encoder and both decoders of a model the published weights.

    Parameters
    ----------
    tensors
        By the authors' names or by those of transformers.

    Raises
    ------
    ValueError
        If the tensors are not those of a Depth Anything of the model's size.
    """
    if any(name.startswith("backbone.") for name in tensors):
        tensors = published_names(tensors)
    used = {k: t for k, t in tensors.items() if not k.startswith(_UNUSED)}
    encoder, head = _below("pretrained.", used), _below("depth_head.", used)
    try:
        model.encoder.load_state_dict(encoder)
        if model.order == "depth":
            model.depth_head.load_state_dict(head)
        model.mask_head.load_state_dict(head)
    except RuntimeError as error:
        raise ValueError(
            f"these are not the weights of a Depth Anything of this size: {error}"
        ) from error


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)
    }
