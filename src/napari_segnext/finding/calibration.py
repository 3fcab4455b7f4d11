"""How likely a proposal is right, as proposals in known parts of planes have been."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from napari_segnext.finding.examples import Example, halving
from napari_segnext.finding.proposals import Proposal

if TYPE_CHECKING:
    from napari_segnext.finding.finder import Finder

# Log-odds that a proposal is right: at the usual contrast, and for so much more of it.
# Those of many kinds, fitted to proposals (see docs/benchmarks.md), and how far those
# of one kind are from them, as standard deviations.
_USUAL, _MORE = 0.6, 0.15
_PRIOR, _SPREAD = np.array([-0.2, 1.6]), np.array([2.0, 0.4])
_STEPS = 30
# Of a proposal that is right: the intersection over union with an object.
_RIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Calibration:
    """Log-odds that a proposal is right.

    Attributes
    ----------
    usual, more
        At the usual contrast, and for a step more of it.
    """

    usual: float = float(_PRIOR[0])
    more: float = float(_PRIOR[1])

    def score(self, contrast: float) -> float:
        """Return the probability that a proposal of a contrast is right."""
        return float(expit(self.usual + self.more * (contrast - _USUAL) / _MORE))

    @classmethod
    def fitted(cls, tried: Sequence[tuple[float, bool]]) -> Calibration:
        """Fit to proposals of which it is known whether they are right.

        It is logistic regression with a normal prior; of few proposals, what is usual
        stays.

        Parameters
        ----------
        tried
            The contrast of each, and whether it is right.
        """
        contrast, right = np.array(tried, float).reshape(-1, 2).T
        told = np.stack([np.ones(len(contrast)), (contrast - _USUAL) / _MORE], 1)
        weights, precision = _PRIOR.copy(), 1 / _SPREAD**2
        for _ in range(_STEPS):
            likely = expit(told @ weights)
            slope = told.T @ (likely - right) + precision * (weights - _PRIOR)
            bend = (told.T * (likely * (1 - likely))) @ told + np.diag(precision)
            weights = weights - np.linalg.solve(bend, slope)
        return cls(*weights.tolist())


def trying(
    finder: Finder, example: Example, beyond: bool, cancelled: Callable[[], bool]
) -> Generator[list[tuple[float, bool]], None, None]:
    """Try proposals in the half of a plane that a finder has not learned from.

    Yields
    ------
    After each piece of work what is new: the contrast of a proposal whose middle lies
    where all objects are known, and whether it is right
    """
    work = finder.finding(example.plane, cancelled=cancelled, least=0)
    while True:
        try:
            next(work)
        except StopIteration as end:
            line, found = halving(example), end.value
            break
        yield []
    yield [
        (each.contrast, _is_right(each, example))
        for each in found
        if (each.click[1] >= line) == beyond
        and any(
            part.top <= each.click[0] < part.bottom
            and part.left <= each.click[1] < part.right
            for part in example.complete
        )
    ]


def _is_right(proposal: Proposal, example: Example) -> bool:
    region = proposal.region
    return any(
        region.shared(other) > _RIGHT
        for other in example.objects
        if not region.extent.common(other.extent).empty
    )
