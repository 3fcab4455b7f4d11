"""Objects of a kind in a plane."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_segnext.finding.asking import answer
from napari_segnext.finding.bodies import Body, bodies
from napari_segnext.finding.calibration import Calibration
from napari_segnext.finding.head import Head
from napari_segnext.finding.maps import mapped, pieces
from napari_segnext.finding.proposals import Proposal, Taken, apart
from napari_segnext.finding.turns import at_once, begun_anew
from napari_segnext.geometry.frame import BoolArray, Point, Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.session.proposed import LEAST_SCORE


def nothing(extent: Extent) -> BoolArray:
    """Say that no pixel belongs to an object."""
    return np.zeros(extent.shape, bool)


class Finder:
    """Finds objects of a kind in the planes of an image.

    Parameters
    ----------
    predictor
        Of the image.
    head
        Knows the kind.
    level
        Of the tiles that it looks at.
    usual
        Square roots of the areas of known objects, in pixels, sorted.
    calibration
        How likely a proposal is right; by default as of many kinds.
    """

    def __init__(
        self,
        predictor: VolumePredictor,
        head: Head,
        level: int,
        usual: NDArray[np.float64],
        calibration: Calibration | None = None,
    ) -> None:
        self._predictor, self._head, self._level = predictor, head, level
        self._usual, self._calibration = usual, calibration or Calibration()

    def calibrated(self, calibration: Calibration) -> Finder:
        """Return it with other scores."""
        return Finder(
            self._predictor, self._head, self._level, self._usual, calibration
        )

    def find(
        self,
        plane: Plane,
        taken: Taken = nothing,
        cancelled: Callable[[], bool] = lambda: False,
        least: float = LEAST_SCORE,
    ) -> list[Proposal]:
        """Return objects of a plane that overlap none that there is, the best first.

        Parameters are those of `finding`; `cancelled` is asked all the time.

        Raises
        ------
        napari_segnext.models.Cancelled
            If `cancelled` said so.
        """
        return at_once(self.finding(plane, taken, cancelled, least), cancelled)

    def finding(
        self,
        plane: Plane,
        taken: Taken = nothing,
        cancelled: Callable[[], bool] = lambda: False,
        least: float = LEAST_SCORE,
    ) -> Generator[None, None, list[Proposal]]:
        """Look for objects in a plane piece by piece; each takes some 50 ms.

        Parameters
        ----------
        taken
            Tells which pixels of an extent belong to objects that there are.
        cancelled
            Asked between blocks of the encoder, where a tile has to be embedded: that
            is then begun anew with the next piece.
        least
            Score of proposals, at least.

        Returns
        -------
        Proposals that overlap neither each other nor what is taken, the best first
        """
        predictor, found = self._predictor.apart(plane), []
        for core, seen in pieces(predictor, self._level):
            maps = yield from mapped(
                predictor, self._head, self._level, core, seen, cancelled
            )
            for body in bodies(maps, predictor.shape, self._usual[0]):
                asked = partial(answer, predictor, body.region, cancelled)
                region, click = yield from begun_anew(asked, lambda: None)
                if region.pixels.size:
                    found.append(self._proposal(plane, body, region, click))
                yield
        return apart(found, taken, least)

    def _proposal(
        self, plane: Plane, body: Body, region: Region, click: Point
    ) -> Proposal:
        area = np.count_nonzero(region.pixels)
        return Proposal(
            plane=plane,
            region=region,
            click=click,
            score=self._calibration.score(body.contrast),
            head=body.inside,
            contrast=body.contrast,
            certainty=body.region.shared(region),
            size=float(np.log(np.sqrt(area) / np.median(self._usual))),
            solidity=body.solidity,
        )
