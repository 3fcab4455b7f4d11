"""Weights: the catalogue of models, their files, and how they become models.

Listing and fetching need no torch; it is imported with the first model.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_segnext.weights.cache import (
    ModelStatus,
    cache_folder,
    embeddings_folder,
    list_models,
    path_of,
)
from napari_segnext.weights.catalogue import CATALOGUE, Entry
from napari_segnext.weights.errors import DownloadCancelled, DownloadError, WeightsError
from napari_segnext.weights.obtain import Verified, download, file_of, verify

if TYPE_CHECKING:
    from napari_segnext.weights.files import (
        choose_device,
        convert,
        load_follower,
        load_model,
        save_model,
    )

__all__ = [
    "CATALOGUE",
    "DownloadCancelled",
    "DownloadError",
    "Entry",
    "ModelStatus",
    "Verified",
    "WeightsError",
    "cache_folder",
    "choose_device",
    "convert",
    "download",
    "embeddings_folder",
    "file_of",
    "list_models",
    "load_follower",
    "load_model",
    "path_of",
    "save_model",
    "verify",
]

_NEED_TORCH = ("choose_device", "convert", "load_follower", "load_model", "save_model")


def __getattr__(name: str) -> Any:
    if name not in _NEED_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.files"), name)
