"""What is known of an object in a plane, and what is found there."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Patch
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.prompts import Prompts


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
        0 to 1, see `Propagation`; None where what found it does not say.
    """

    plane: Plane
    patch: Patch
    confidence: float | None

    @classmethod
    def of(
        cls, plane: Plane, probability: FloatArray, confidence: float | None
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
