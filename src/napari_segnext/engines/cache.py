"""Where engines that took long to make are kept: the user's cache folder.

An entry is named by everything that it depends on, so it is never outdated: it is
there or it has to be made.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from napari_segnext.models import SegmentationModel
from napari_segnext.models.fingerprint import model_fingerprint
from napari_segnext.weights import cache_folder

# Raised whenever code that makes engines changes what they compute.
ENGINE_VERSION = 1
# An engine of a large model is some hundred MB.
_KEPT = 8


def engines_folder() -> Path:
    """Return the folder of all engines; it need not exist yet."""
    return cache_folder() / "engines"


def folder_of(model: SegmentationModel, engine: str, *packages: str) -> Path:
    """Return where an engine of a model is, or belongs.

    Parameters
    ----------
    packages
        Distributions whose versions matter beside torch's.
    """
    versions = [f"{name} {_version(name)}" for name in ("torch", *packages)]
    parts = [ENGINE_VERSION, engine, *versions, model_fingerprint(model)]
    digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=16)
    return engines_folder() / f"{engine}-{digest.hexdigest()}"


def prune(keep: Path) -> None:
    """Remove all but the newest engines; `keep` stays in any case."""
    made = [path for path in engines_folder().glob("openvino*") if path != keep]
    made.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for old in made[_KEPT - 1 :]:
        shutil.rmtree(old, ignore_errors=True)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
