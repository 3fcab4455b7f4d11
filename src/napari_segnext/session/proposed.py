"""What is proposed to be objects, and where all objects of a kind are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from napari_segnext.files.categories import Category
from napari_segnext.geometry.frame import BoolArray, Point, Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.session.packed import PackedImage

# A plane in which objects of a kind are looked for; the kind is the value of a class,
# 0 for objects that have none.
KindPlane: TypeAlias = tuple[int, Plane]

# The score of what is likely. Scores promise a little too much, as the heads that they
# are learned from knew half of the examples.
LEAST_SCORE = 0.6
# A proposal of which others take more than this share is none.
MOST_TAKEN = 0.3
# The intersection over union from which on two proposals are the same.
_SAME = 0.5


def kind_of(category: Category | None) -> int:
    """Return the kind of objects of a class."""
    return category.value if category else 0


@dataclass(frozen=True, slots=True, eq=False)
class Proposed:
    """A part of a plane that is proposed to be an object.

    Attributes
    ----------
    plane
        Where it is.
    click
        (y, x) deep inside: what the model was asked for it with.
    score
        0 to 1: how likely it is an object of the kind.
    category
        The class that is the kind; None: objects that have none.
    rejected
        Whether the user found it wrong.
    """

    plane: Plane
    click: Point
    score: float
    category: Category | None
    _offset: tuple[int, int]
    _pixels: PackedImage
    rejected: bool = False

    @classmethod
    def of(
        cls,
        plane: Plane,
        region: Region,
        click: Point,
        score: float,
        category: Category | None = None,
        rejected: bool = False,
    ) -> Proposed:
        """Keep the pixels of a region; the other parameters are attributes.

        Raises
        ------
        ValueError
            If the region is empty, or the score not from 0 to 1.
        """
        if not region.pixels.any() or not 0 <= score <= 1:
            raise ValueError(
                "a proposal has pixels, and a score from 0 to 1: not "
                f"{np.count_nonzero(region.pixels)}, and {score}"
            )
        pixels = PackedImage.of(region.pixels)
        return cls(plane, click, score, category, region.offset, pixels, rejected)

    @property
    def kind(self) -> int:
        """The kind that it is proposed to be one of."""
        return kind_of(self.category)

    @property
    def region(self) -> Region:
        """Its pixels."""
        return Region(self._offset, self._pixels.expand().view(bool))

    @property
    def extent(self) -> Extent:
        """Where they lie."""
        return Extent.at(self._offset, self._pixels.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return self._pixels.nbytes

    def reject(self) -> Proposed:
        """Return it as found wrong."""
        return replace(self, rejected=True)

    def same(self, other: Proposed) -> bool:
        """Tell whether another is proposed to be the same object."""
        if (self.kind, self.plane) != (other.kind, other.plane):
            return False
        if self.extent.common(other.extent).empty:
            return False
        return self.region.shared(other.region) >= _SAME

    def left(self, free: BoolArray) -> Region | None:
        """Return what others leave of it; None if that is no object any more.

        Parameters
        ----------
        free
            (h, w): which pixels of its extent nothing else takes.
        """
        region = self.region
        pixels = region.pixels & free
        least = (1 - MOST_TAKEN) * np.count_nonzero(region.pixels)
        return Region.of(pixels, region.offset) if pixels.sum() >= least else None


class Findings:
    """What was found of kinds of objects. Read it freely; only the session changes it.

    Attributes
    ----------
    proposals
        By number: those that wait for the user, and those found wrong.
    complete
        Planes in which every object of a kind is known, by kind.
    """

    def __init__(self) -> None:
        self.proposals: dict[int, Proposed] = {}
        self.complete: set[KindPlane] = set()
        self._last = 0

    @property
    def waiting(self) -> dict[int, Proposed]:
        """Those that are neither accepted nor rejected."""
        return {n: p for n, p in self.proposals.items() if not p.rejected}

    @property
    def next_number(self) -> int:
        """One that no proposal has had."""
        return self._last + 1

    def change(
        self,
        proposals: Mapping[int, Proposed | None],
        complete: Mapping[KindPlane, bool],
    ) -> None:
        """Take new values for a part of it; None for a proposal that is none any more.

        For parameters see attributes.
        """
        for number, proposed in proposals.items():
            self._last = max(self._last, number)
            if proposed is None:
                self.proposals.pop(number, None)
            else:
                self.proposals[number] = proposed
        for place, whole in complete.items():
            (self.complete.add if whole else self.complete.discard)(place)

    def clear(self) -> None:
        """Know nothing; numbers are not given again."""
        self.proposals.clear()
        self.complete.clear()
