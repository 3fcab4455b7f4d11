"""What is proposed to be an object, and which of those that overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from napari_segnext.geometry.frame import BoolArray, Point, Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.session.proposed import MOST_TAKEN

# Which pixels of an extent belong to objects that there are, (h, w).
Taken = Callable[[Extent], BoolArray]


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """What is proposed to be an object of the kind.

    Attributes
    ----------
    plane
        Where it is.
    region
        Its pixels.
    click
        (y, x) deep inside: what it was asked for with.
    score
        0 to 1: how likely it is one.
    head, contrast
        What the head makes of it: mean probability inside, and how much that falls
        around it.
    certainty
        0 to 1: the intersection over union of what the head shows and the model
        answers.
    size
        Logarithm of how many times larger it is than the usual object.
    solidity
        0 to 1: its share of its convex hull.
    """

    plane: Plane
    region: Region
    click: Point
    score: float
    head: float
    contrast: float
    certainty: float
    size: float
    solidity: float


def apart(found: Iterable[Proposal], taken: Taken, least: float) -> list[Proposal]:
    """Return proposals that overlap neither each other nor an object, the best first.

    What little others have of one is taken from it.

    Parameters
    ----------
    taken
        Which pixels belong to objects that there are.
    least
        Score of those that are returned, at least.
    """
    kept: list[Proposal] = []
    for each in sorted(found, key=lambda proposal: -proposal.score):
        if each.score < least:
            break
        extent = each.region.extent
        free = each.region.pixels & ~taken(extent)
        for other in kept:
            if not other.region.extent.common(extent).empty:
                free &= ~other.region.read(extent)
        if np.count_nonzero(free) >= (1 - MOST_TAKEN) * np.count_nonzero(
            each.region.pixels
        ):
            kept.append(replace(each, region=Region.of(free, each.region.offset)))
    return kept
