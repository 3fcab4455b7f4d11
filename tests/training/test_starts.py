from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip("accelerate", reason="training needs the extra `train`")

from napari_segnext.models import ModelConfig, SegmentationModel, build_model
from napari_segnext.training.starts import load_alike, load_weights
from napari_segnext.weights import load_model, save_model

VIT = ModelConfig(
    "segnext",
    64,
    arch={
        "embed_dim": 24,
        "depth": 2,
        "num_heads": 2,
        "fusion_depth": 1,
        "neck_channels": [4, 8, 16, 32],
        "head_channels": 8,
    },
)


def network(config: ModelConfig = VIT, seed: int = 0) -> SegmentationModel:
    torch.manual_seed(seed)
    return build_model(config)


def mae_file(path: Path, grid: int, **changed: torch.Tensor) -> dict[str, torch.Tensor]:
    """Write a pre-training as He et al. publish it, for 224 / 16 tokens a side."""
    encoder = network(replace(VIT, size=16 * grid), seed=1).backbone.state_dict()  # type: ignore[union-attr]
    values = {k: v for k, v in encoder.items() if not k.startswith("fc_norm")}
    values |= {
        "cls_token": torch.zeros(1, 1, 24),
        "norm.weight": torch.ones(24),
        "norm.bias": torch.zeros(24),
        "mask_token": torch.zeros(1, 1, 8),
        "decoder_embed.weight": torch.zeros(8, 24),
        **changed,
    }
    torch.save({"model": values}, path)
    return values


def test_a_model_of_the_same_kind_is_taken_whole(tmp_path: Path) -> None:
    source, model = network(seed=1), network()
    save_model(source, tmp_path / "m.safetensors")
    load_weights(model, tmp_path / "m.safetensors")
    for name, value in source.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value)


def test_a_model_of_the_catalogue_is_taken_by_its_name() -> None:
    model = network(ModelConfig("tiny", 256))
    load_weights(model, Path("tiny"))
    bundled = load_model("tiny", device="cpu").state_dict()
    torch.testing.assert_close(model.state_dict(), bundled)


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = replace(VIT, arch={**VIT.arch, "fusion_depth": 2})
    save_model(network(other), tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="holds another model"):
        load_weights(network(), tmp_path / "m.safetensors")


def test_an_mae_encoder_is_taken_and_the_rest_stays(tmp_path: Path) -> None:
    values = mae_file(tmp_path / "mae.pth", grid=14)
    model, before = network(), network().state_dict()
    load_weights(model, tmp_path / "mae.pth")
    after = model.state_dict()
    same = "backbone.blocks.1.attn.qkv.weight"
    torch.testing.assert_close(after[same], values[same.removeprefix("backbone.")])
    torch.testing.assert_close(
        after["head.seg_conv.weight"], before["head.seg_conv.weight"]
    )
    places = values["pos_embed"]
    resized = after["backbone.pos_embed"]
    torch.testing.assert_close(resized[:, 0], places[:, 0])
    expected = torch.nn.functional.interpolate(
        places[:, 1:].reshape(1, 14, 14, 24).permute(0, 3, 1, 2),
        (4, 4),
        mode="bicubic",
        align_corners=False,
    )
    torch.testing.assert_close(
        resized[:, 1:], expected.permute(0, 2, 3, 1).reshape(1, 16, 24)
    )


def test_a_pre_training_that_is_not_for_this_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mae.pth"
    mae_file(path, grid=14, strange=torch.zeros(1))
    with pytest.raises(ValueError, match="strange"):
        load_weights(network(), path)
    tiny = ModelConfig("tiny", 64, arch={"widths": [8, 8, 8, 16]})
    with pytest.raises(ValueError, match="plain ViT"):
        load_weights(network(tiny), path)


def test_a_relative_of_a_model_takes_over_what_both_have() -> None:
    tiny = load_model("tiny", device="cpu")
    model = network(replace(tiny.config, architecture="ois-tiny"))
    untrained = {k: v.clone() for k, v in model.state_dict().items()}
    load_alike("tiny")(model)
    for name, value in model.state_dict().items():
        known = tiny.state_dict().get(name)
        alike = known is not None and known.shape == value.shape
        torch.testing.assert_close(value, known if alike else untrained[name])
