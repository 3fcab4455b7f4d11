"""A mask, and what a refinement needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import takewhile

import numpy as np
from numpy.typing import ArrayLike

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.misuse import expect
from napari_segnext.geometry.regions import Patch
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.models import State
from napari_segnext.predicting.tiles import Tile
from napari_segnext.prompts import Prompts


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """A mask, and what a refinement needs.

    Attributes
    ----------
    patch
        The probability in image pixels where it was computed; 0 elsewhere. In a
        plane of any size that is the object and its neighbourhood.
    prompts
        The prompts that it answers.
    state
        What the model wants back at the next prompt, or None.
    tile
        The tile that it was decoded in.
    embed_ms, decode_ms
        Milliseconds spent on embedding (0 when the embedding was there) and on
        everything else.
    """

    patch: Patch
    prompts: Prompts = field(default_factory=Prompts)
    state: State | None = None
    tile: Tile | None = None
    embed_ms: float = 0.0
    decode_ms: float = 0.0

    @property
    def probability(self) -> FloatArray:
        """(H, W) float32: the probability in all of the image."""
        return self.patch.expand()

    @property
    def mask(self) -> BoolArray:
        """(H, W) bool: where the probability is above one half."""
        return self.patch.mask()

    @classmethod
    def from_probability(
        cls, probability: ArrayLike, prompts: Prompts | None = None
    ) -> Prediction:
        """Start a refinement from a (H, W) mask or probability made elsewhere.

        Raises
        ------
        ValueError
            If it is neither: values of a mask are 0 and another one, those of a
            probability from 0 to 1.
        """
        known = np.asarray(probability)
        if known.ndim != 2 or known.dtype.kind not in "buif":
            raise ValueError(
                f"a probability is an array (H, W) of numbers, not {known.dtype} of "
                f"shape {known.shape}"
            )
        if known.size and not (known.min() >= 0 and known.max() <= 1):
            values = np.unique(known[known != 0])
            if len(values) != 1 or not np.isfinite(values[0]):
                raise ValueError(
                    "a probability is from 0 to 1, without NaN: divide one of 0 to 255 "
                    "by 255"
                )
            known = known != 0
        patch = Patch.of(known.astype(np.float32))
        given = Prompts() if prompts is None else prompts
        return cls(patch, expect(given, Prompts, "what it answers are Prompts"))

    def answers(self, prompts: Prompts) -> int:
        """Count the leading prompts that it has seen already."""
        pairs = zip(prompts.items, self.prompts.items, strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
