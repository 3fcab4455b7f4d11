"""The encoder and the decoders against those of the library transformers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from napari_segnext.models import ModelConfig, build_model
from napari_segnext.models.research.ois.depth_anything import (
    published_names,
    start_from_depth_anything,
)
from napari_segnext.models.research.ois.ois import OIS

transformers = pytest.importorskip("transformers", reason="the library compared with")

SMALL = {
    "embed_dim": 48,
    "depth": 4,
    "num_heads": 3,
    "layers": [0, 1, 2, 3],
    "channels": [8, 16, 24, 32],
    "width": 16,
    "fusion": {"channels": 16, "heads": 2},
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, Path]:
    """Return a small Depth Anything with random weights, and its file."""
    torch.manual_seed(0)
    backbone = transformers.Dinov2Config(
        hidden_size=48,
        num_hidden_layers=4,
        num_attention_heads=3,
        image_size=37 * 14,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=48,
        neck_hidden_sizes=[8, 16, 24, 32],
        fusion_hidden_size=16,
        head_hidden_size=32,
    )
    model = transformers.DepthAnythingForDepthEstimation(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lambda1" in name:
                parameter.uniform_(0.5, 1.5)
            elif "bias" in name or "token" in name or "position" in name:
                parameter.normal_(0, 0.3)
            elif parameter.ndim > 1:
                parameter.normal_(0, parameter[0].numel() ** -0.5)
    folder = tmp_path_factory.mktemp("published")
    model.save_pretrained(folder)
    return model, folder / "model.safetensors"


@pytest.fixture(scope="module")
def model(published: tuple[object, Path]) -> OIS:
    ois = build_model(ModelConfig("ois", 154, arch=SMALL))
    assert isinstance(ois, OIS)
    start_from_depth_anything(ois, load_file(published[1]))
    return ois.eval()


def depth_of(model: OIS, images: Tensor) -> Tensor:
    head = model.depth_head
    return head.draw(head.prepare(model.encoder(images))).relu()[:, 0]


@pytest.mark.parametrize("side", [154, 518])
def test_depth_equals_that_of_transformers(
    model: OIS, published: tuple[object, Path], side: int
) -> None:
    images = torch.rand(1, 3, side, side)
    with torch.no_grad():
        expected = published[0](pixel_values=images).predicted_depth
        found = depth_of(model, images)
    assert expected.std() > 0.05
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=2e-4)


def test_the_decoder_for_masks_starts_as_that_for_depth(model: OIS) -> None:
    depth, mask = model.depth_head.state_dict(), model.mask_head.state_dict()
    assert depth.keys() == mask.keys()
    assert all(torch.equal(depth[name], mask[name]) for name in depth)


def test_names_are_those_of_the_authors_files(published: tuple[object, Path]) -> None:
    names = set(published_names(load_file(published[1])))
    assert {n for n in names if "blocks.2." in n} == {
        f"pretrained.blocks.2.{part}"
        for part in (
            *(f"{m}.{k}" for m in ("norm1", "norm2") for k in ("weight", "bias")),
            *(f"attn.{m}.{k}" for m in ("qkv", "proj") for k in ("weight", "bias")),
            *(f"mlp.{m}.{k}" for m in ("fc1", "fc2") for k in ("weight", "bias")),
            "ls1.gamma",
            "ls2.gamma",
        )
    }
    outside = {re.sub(r"\.(weight|bias)$", "", n) for n in names if "blocks" not in n}
    units = [f"resConfUnit{u}.conv{c}" for u in (1, 2) for c in (1, 2)]
    assert outside == {
        *(f"pretrained.{n}" for n in ("cls_token", "mask_token", "pos_embed", "norm")),
        "pretrained.patch_embed.proj",
        *(f"depth_head.projects.{n}" for n in range(4)),
        *(f"depth_head.resize_layers.{n}" for n in (0, 1, 3)),
        *(f"depth_head.scratch.layer{n}_rn" for n in (1, 2, 3, 4)),
        *(
            f"depth_head.scratch.refinenet{n}.{part}"
            for n in (1, 2, 3, 4)
            for part in ("out_conv", *units)
        ),
        "depth_head.scratch.output_conv1",
        "depth_head.scratch.output_conv2.0",
        "depth_head.scratch.output_conv2.2",
    }


def test_the_authors_own_names_load_too(
    model: OIS, published: tuple[object, Path]
) -> None:
    other = build_model(ModelConfig("ois", 154, arch=SMALL))
    assert isinstance(other, OIS)
    start_from_depth_anything(other, published_names(load_file(published[1])))
    images = torch.rand(1, 3, 70, 70)
    with torch.no_grad():
        torch.testing.assert_close(depth_of(other, images), depth_of(model, images))


def test_weights_of_another_size_are_refused(published: tuple[object, Path]) -> None:
    other = build_model(ModelConfig("ois", 154, arch={**SMALL, "width": 8}))
    assert isinstance(other, OIS)
    with pytest.raises(ValueError, match="Depth Anything of this size"):
        start_from_depth_anything(other, load_file(published[1]))
