"""A small published-style checkpoint, a server for it, and a cache of its own."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_segnext.models import build_model
from napari_segnext.models.reference import config_from_reference
from napari_segnext.weights import CATALOGUE, Entry, fetch

from .unreliable_server import Server, serving

FILE = "/small.pth"

VALUES = {
    "backbone_params": {
        "img_size": (448, 448),
        "patch_size": (16, 16),
        "in_chans": 3,
        "embed_dim": 48,
        "depth": 6,
        "global_atten_freq": 3,
        "num_heads": 4,
        "mlp_ratio": 4,
        "qkv_bias": True,
    },
    "neck_params": {"in_dim": 48, "out_dims": [8, 16, 32, 64]},
    "head_params": {
        "in_channels": [8, 16, 32, 64],
        "in_select_index": [0, 1, 2, 3],
        "dropout_ratio": 0.1,
        "num_classes": 1,
        "out_channels": 16,
    },
    "fusion_params": {
        "type": "self_attention",
        "depth": 1,
        "params": {"dim": 48, "num_heads": 4, "mlp_ratio": 4, "qkv_bias": True},
    },
    "use_disks": True,
    "norm_radius": 5,
}
DESCRIPTION = {
    "class": "isegm.model.is_plainvit_model.PlainVitModel",
    "params": {
        name: {"type": "builtin", "value": value, "specified": True}
        for name, value in VALUES.items()
    },
}


@pytest.fixture(scope="session")
def published_content() -> dict[str, Any]:
    """Return what a published file holds; copy it before changing it."""
    torch.manual_seed(1)
    model = build_model(config_from_reference(DESCRIPTION))
    return {"state_dict": dict(model.state_dict()), "config": DESCRIPTION}


@pytest.fixture
def content(published_content: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(published_content)


@pytest.fixture(scope="session")
def published(
    published_content: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a file like the published ones, 1.4 MB."""
    path = tmp_path_factory.mktemp("published") / "small.pth"
    torch.save(published_content, path)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of downloads, which does not exist yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("NAPARI_SEGNEXT_CACHE", str(folder))
    return folder


@pytest.fixture
def server(published: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve that file, to a client in a hurry."""
    monkeypatch.setattr(fetch, "DELAY", 0.01)
    monkeypatch.setattr(fetch, "TIMEOUT", (2.0, 0.5))
    with serving() as state:
        state.files[FILE] = published.read_bytes()
        yield state


@pytest.fixture
def small(
    server: Server, cache: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> Entry:
    """Return an entry of the catalogue, ``"small"``, fetched from that server."""
    entry = Entry(
        "small",
        "for tests",
        "small.pth",
        size=published.stat().st_size,
        licence="none",
        url=server.url + FILE,
        reference="small",
    )
    monkeypatch.setitem(CATALOGUE, "small", entry)
    monkeypatch.setattr(
        "napari_segnext.models.reference.reference_config",
        lambda name: config_from_reference(DESCRIPTION),
    )
    return entry
