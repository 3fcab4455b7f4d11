"""What is known of an object in a plane, and what is found there."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import distance_transform_edt

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Patch
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.prompts import Prompts
from napari_segnext.propagation.shapes import around

# Pixels around a mask that its certainty takes into account.
_NEIGHBOURHOOD = 8


@dataclass(frozen=True, slots=True, eq=False)
class Annotated:
    """What the user has decided about an object in a plane.

    Attributes
    ----------
    mask
        (H, W) bool. Empty: the object is not there, and no way leads past it.
    prompts
        Those that the mask answers.
    """

    mask: BoolArray
    prompts: Prompts = field(default_factory=Prompts)


@dataclass(frozen=True, slots=True, eq=False)
class PlaneResult:
    """An object in a plane that was reached.

    Attributes
    ----------
    patch
        Its probability, 0 to 1; in a plane of any size only what is on the object.
    confidence
        0 to 1; see `certainty` and `Propagation`.
    """

    plane: Plane
    patch: Patch
    confidence: float

    @classmethod
    def of(
        cls, plane: Plane, probability: FloatArray, confidence: float
    ) -> PlaneResult:
        """Keep a (H, W) map."""
        return cls(plane, Patch.of(probability), confidence)

    @property
    def probability(self) -> FloatArray:
        """(H, W) float32: the probability in all of the plane."""
        return self.patch.expand()

    @property
    def mask(self) -> BoolArray:
        """(H, W) bool: where the probability is above one half."""
        return self.probability > 0.5


def certainty(probability: FloatArray) -> float:
    """Return the overlap with the truth that a probability map itself predicts.

    With every pixel on the object with its probability, independently, this is the
    expected intersection of mask and truth over their expected union. Only the mask
    and its neighbourhood count: far away, small probabilities add up.

    Returns
    -------
    0 to 1; 0 for an empty mask
    """
    mask = probability > 0.5
    if not mask.any():
        return 0.0
    crop = around(mask, _NEIGHBOURHOOD)
    mask, near = mask[crop], probability[crop]
    outside = distance_transform_edt(~mask)
    beyond = near[(outside > 0) & (outside <= _NEIGHBOURHOOD)]
    return float(near[mask].sum() / (np.count_nonzero(mask) + beyond.sum()))
