"""How far what is known of an object in a plane is to be doubted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from napari_segnext.geometry.plane import Plane

# A plane that was compared with the image is to be checked from this degree on.
LEAST_DOUBT = 0.3
# One that was propagated: below this confidence, which is the overlap that the follower
# judges its mask to have.
LEAST_CONFIDENCE = 0.7


@dataclass(frozen=True, slots=True)
class Doubt:
    """How far what the labels show of an object in a plane is to be doubted.

    Attributes
    ----------
    degree
        0 to 1: how far the model, the planes beside it and the labels disagree.
    parts
        In how many separate bodies the object is seen there; 0 where the labels do
        not show it and are expected to.
    like
        Another object, which touches it and gets the same answer; 0 for none.
    checked
        Whether the user found the labels right.

    Raises
    ------
    ValueError
        If the degree is not from 0 to 1, or a number below 0.
    """

    degree: float
    parts: int = 1
    like: int = 0
    checked: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.degree <= 1 or min(self.parts, self.like) < 0:
            raise ValueError(f"a doubt is from 0 to 1, not {self}")


def to_check(confidence: Mapping[Plane, float | None]) -> list[Plane]:
    """Return the planes that are worth a look, the least confident first.

    Those of which no confidence is known are not among them.
    """
    low = {p: sure for p, sure in confidence.items() if sure is not None}
    low = {p: sure for p, sure in low.items() if sure < LEAST_CONFIDENCE}
    return sorted(low, key=lambda plane: low[plane])
