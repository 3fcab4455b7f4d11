"""Interactive segmentation of MRI volumes and electron-microscopy stacks."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_segnext.commands.volume import segment_volume
    from napari_segnext.files import read_image, write_labels
    from napari_segnext.geometry.plane import Plane
    from napari_segnext.images.volume import Volume
    from napari_segnext.predicting.prediction import Prediction
    from napari_segnext.predicting.predictor import Predictor
    from napari_segnext.predicting.volume_predictor import VolumePredictor
    from napari_segnext.prompts import Prompts
    from napari_segnext.weights import load_model

__version__ = version("napari-segnext")
__all__ = [
    "Plane",
    "Prediction",
    "Predictor",
    "Prompts",
    "Volume",
    "VolumePredictor",
    "__version__",
    "load_model",
    "read_image",
    "segment_volume",
    "write_labels",
]

# Threads that spin while they wait for each other make a click many times slower where
# other programs need the cores. OpenMP reads this when torch is loaded: set afterwards
# it would tell of what is not so.
if "torch" not in sys.modules:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Resolved on first use, so that importing the package loads neither torch nor Qt.
_LAZY = {
    "Plane": "geometry.plane",
    "Prediction": "predicting.prediction",
    "Predictor": "predicting.predictor",
    "Prompts": "prompts",
    "Volume": "images.volume",
    "VolumePredictor": "predicting.volume_predictor",
    "load_model": "weights",
    "read_image": "files",
    "segment_volume": "commands.volume",
    "write_labels": "files",
}


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
