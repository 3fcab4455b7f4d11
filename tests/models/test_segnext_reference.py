from __future__ import annotations

import copy
import json
import sys

import pytest
import torch

from napari_segnext.models import ModelConfig, build_model
from napari_segnext.models.reference import config_from_reference, reference_config

VIT_B = {
    "backbone_params": {
        "img_size": (1024, 1024),
        "patch_size": (16, 16),
        "in_chans": 3,
        "embed_dim": 768,
        "depth": 12,
        "global_atten_freq": 3,
        "num_heads": 12,
        "mlp_ratio": 4,
        "qkv_bias": True,
    },
    "neck_params": {"in_dim": 768, "out_dims": [128, 256, 512, 1024]},
    "head_params": {
        "in_channels": [128, 256, 512, 1024],
        "in_select_index": [0, 1, 2, 3],
        "dropout_ratio": 0.1,
        "num_classes": 1,
        "out_channels": 256,
    },
    "fusion_params": {
        "type": "self_attention",
        "depth": 2,
        "params": {"dim": 768, "num_heads": 12, "mlp_ratio": 4, "qkv_bias": True},
    },
    "use_disks": True,
    "norm_radius": 5,
    "cpu_dist_maps": False,
    "norm_mean_std": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
}


def published(*path: str, value: object = None) -> dict:
    """The `config` of a published file, one value changed."""
    params = copy.deepcopy(VIT_B)
    if path:
        inner = params
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = value
    return {
        "class": "isegm.model.is_plainvit_model.PlainVitModel",
        "params": {
            name: {"type": "builtin", "value": value, "specified": True}
            for name, value in params.items()
        },
    }


@pytest.mark.parametrize("name", ["vitb-sa2", "vitb-sa2-hq"])
def test_a_published_file_says_what_the_catalogue_says(name):
    assert config_from_reference(published()) == reference_config(name)


def test_fusion_blocks_are_counted():
    one = published("fusion_params", "depth", value=1)
    none = published("fusion_params", value={"type": "naive"})
    assert config_from_reference(one) == reference_config("vitb-sa1")
    assert config_from_reference(none) == reference_config("vitb-sa0")


def test_radius_and_normalisation_are_taken_over():
    config = config_from_reference(published("norm_radius", value=3))
    assert config.style.radius == 3
    config = config_from_reference(
        published("norm_mean_std", value=([0.5, 0.4, 0.3], [0.1, 0.2, 0.3]))
    )
    assert (config.mean, config.std) == ((0.5, 0.4, 0.3), (0.1, 0.2, 0.3))


def test_the_configuration_survives_its_json():
    config = reference_config("vitb-sa2")
    assert ModelConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("use_disks",), False),
        (("fusion_params", "type"), "cross_attention"),
        (("fusion_params", "params", "num_heads"), 6),
        (("head_params", "num_classes"), 2),
        (("head_params", "in_select_index"), [0, 1]),
        (("neck_params", "in_dim"), 32),
        (("backbone_params", "img_size"), (1024, 512)),
        (("backbone_params", "in_chans"), 4),
    ],
)
def test_a_variant_that_would_give_other_numbers_is_refused(path, value):
    with pytest.raises(ValueError, match="variant cannot be read"):
        config_from_reference(published(*path, value=value))


@pytest.mark.parametrize(
    "damaged",
    [
        {"class": "isegm.model.is_plainvit_model.PlainVitModel"},
        {"class": "isegm.model.is_plainvit_model.PlainVitModel", "params": {}},
        {"class": "isegm.model.is_plainvit_model.PlainVitModel", "params": [1]},
        published("backbone_params", "depth", value=None),
        published("backbone_params", value=7),
    ],
)
def test_a_damaged_configuration_is_told(damaged):
    with pytest.raises(ValueError, match="damaged"):
        config_from_reference(damaged)


@pytest.mark.parametrize("config", [{}, None, [], {"class": "antigravity.Model"}])
def test_what_the_file_names_is_never_imported(config):
    with pytest.raises(ValueError, match="only isegm"):
        config_from_reference(config)
    assert "antigravity" not in sys.modules


def test_an_unknown_name_is_told():
    with pytest.raises(ValueError, match="vitb-sa2-hq"):
        reference_config("vitl")


@pytest.mark.parametrize(
    ("name", "tensors", "values"),
    [("vitb-sa1", 207, 106_701_761), ("vitb-sa2", 219, 113_789_633)],
)
def test_a_published_model_has_the_files_tensors(name, tensors, values):
    with torch.device("meta"):
        state = build_model(reference_config(name)).state_dict()
    assert len(state) == tensors
    assert sum(t.numel() for t in state.values()) == values


@pytest.mark.parametrize("name", ["sa1", "sa2"])
def test_names_and_shapes_are_the_files(shared, name):
    wanted = json.loads((shared / "parity" / f"keys_{name}.json").read_text())
    with torch.device("meta"):
        state = build_model(reference_config(f"vitb-{name}")).state_dict()
    assert {k: list(t.shape) for k, t in state.items()} == wanted
