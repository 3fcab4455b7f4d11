"""The models: name of an architecture -> its builder."""

from __future__ import annotations

from napari_segnext.models.base import (
    Cancelled,
    Decoded,
    Embedding,
    SegmentationModel,
    State,
)
from napari_segnext.models.config import ModelConfig, Tiling
from napari_segnext.models.library import import_library
from napari_segnext.models.prompt_batch import PromptBatch

__all__ = [
    "ARCHITECTURES",
    "Cancelled",
    "Decoded",
    "Embedding",
    "ModelConfig",
    "PromptBatch",
    "SegmentationModel",
    "State",
    "Tiling",
    "architecture_of",
    "build_model",
]

# Name -> (module, class); a module is imported when a model of it is built.
ARCHITECTURES = {
    "follower": ("napari_segnext.models.follower", "Follower"),
    "ois": ("napari_segnext.models.research.ois.ois", "OIS"),
    "ois-tiny": ("napari_segnext.models.research.ois.light", "LightOIS"),
    "sam": ("napari_segnext.models.research.sam.sam", "Sam"),
    "sam-hq": ("napari_segnext.models.research.sam.sam", "HQSam"),
    "sam-ref": ("napari_segnext.models.research.sam_ref.sam_ref", "SamRef"),
    "sam2": ("napari_segnext.models.research.sam.sam", "Sam2"),
    "segnext": ("napari_segnext.models.segnext", "SegNext"),
    "text": ("napari_segnext.models.research.text.prompted", "TextPrompted"),
    "tiny": ("napari_segnext.models.tiny", "Tiny"),
}


def architecture_of(config: ModelConfig) -> type[SegmentationModel]:
    """Import the class of a model.

    Raises
    ------
    ValueError
        If the architecture is unknown.
    ImportError
        If a package that it needs cannot be imported; the message says which.
    """
    if config.architecture not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise ValueError(
            f"unknown architecture {config.architecture!r}; known: {known}"
        )
    module, name = ARCHITECTURES[config.architecture]
    found: type[SegmentationModel] = getattr(import_library(module), name)
    return found


def build_model(config: ModelConfig) -> SegmentationModel:
    """Build a model with untrained weights.

    Raises
    ------
    ValueError
        If the architecture is unknown, or does not take the numbers given.
    ImportError
        If a package that it needs cannot be imported; the message says which.
    """
    builder = architecture_of(config)
    try:
        model = builder(config, **config.arch)
    except TypeError as error:
        raise ValueError(f"{config.architecture}: {error}") from error
    assert isinstance(model, SegmentationModel)
    return model
