"""A model's two tensor functions as modules that take and return tensors alone.

That is the form in which graphs are recorded, converted and compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_segnext.models import SegmentationModel


class Encoding(nn.Module):
    """(1, 3, S, S) normalised pixels to the features, in the order of their names."""

    def __init__(self, model: SegmentationModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the values of `SegmentationModel.image_features`."""
        return tuple(self.model.image_features(images).values())


class Decoding(nn.Module):
    """Features in the order of their names, then the dense map, to logits.

    Parameters
    ----------
    names
        Of the features.
    """

    def __init__(self, model: SegmentationModel, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names = model, tuple(names)

    def forward(self, *tensors: Tensor) -> Tensor:
        """Return the result of `SegmentationModel.mask_logits`."""
        features = dict(zip(self.names, tensors[:-1], strict=True))
        return self.model.mask_logits(features, tensors[-1])


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What the two functions are given: an image, and the prompts of some clicks.

    Attributes
    ----------
    images
        (1, 3, S, S).
    dense
        For each click (1, 3, S, S).
    """

    images: Tensor
    dense: tuple[Tensor, ...]


def decodes_dense(model: SegmentationModel) -> bool:
    """Tell whether the dense map is all that a model reads of the prompts."""
    own = type(model)
    return (
        own.prompted_logits is SegmentationModel.prompted_logits
        and own.decode is SegmentationModel.decode
    )


def sample_of(model: SegmentationModel) -> Sample:
    """Make up a smooth image, and two clicks in it, on the model's device.

    The second click comes with a previous mask, and is so different from the first
    that nothing remembered of that saves more than it would for a user.
    """
    size = model.config.size
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 8, 8, generator=generator)
    pixels = nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)
    radius = max(1, size // 100)

    def around(place: int, reach: int) -> tuple[slice, slice]:
        span = slice(max(0, place - reach), place + reach + 1)
        return span, span

    first = torch.zeros(1, 3, size, size)
    first[:, 1][..., *around(size // 2, radius)] = 1
    second = first.clone()
    second[:, 0][..., *around(size // 2, size // 6)] = 0.9
    second[:, 2][..., *around(size // 4, radius)] = 1
    images = model.normalised(pixels.to(model.device))
    return Sample(images, tuple(d.to(model.device) for d in (first, second)))
