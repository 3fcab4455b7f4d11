"""What the user gives, and how it is drawn for a model."""

from napari_segnext.prompts.dense import PromptStyle
from napari_segnext.prompts.kinds import (
    Box,
    Click,
    Mask,
    Phrase,
    Polygon,
    Prompt,
    Scribble,
    extent,
    middle,
)
from napari_segnext.prompts.prompts import ModelPrompts, Prompts

__all__ = [
    "Box",
    "Click",
    "Mask",
    "ModelPrompts",
    "Phrase",
    "Polygon",
    "Prompt",
    "PromptStyle",
    "Prompts",
    "Scribble",
    "extent",
    "middle",
]
