"""Going plane by plane, with interruptions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from napari_segnext.geometry.plane import Plane
from napari_segnext.models import Cancelled
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.propagation.gaps import Asked, Said, Way, fill, gaps_to_fill
from napari_segnext.propagation.results import Annotated, PlaneResult
from napari_segnext.propagation.search import Rules, Scout


class Propagation:
    """An object on its way through the planes around those that are decided.

    It is gone plane by plane, and can go on after an interruption.

    The confidence of a result is how sure the follower is that the object is there,
    times the intersection over union with the object that it gives its mask. Between
    two known planes it is multiplied by the overlap of what was found from either side.

    Parameters
    ----------
    annotated
        The object's planes; those perpendicular to other axes are not used.
    axis
        The axis to go along.
    within
        Indices of planes to find; the gaps between decided planes that hold one of
        them are gone through. Default: all.
    rules
        When the object has ended.

    Attributes
    ----------
    done, total
        Planes decoded, and how many it will be at most.

    Raises
    ------
    ValueError
        If no plane of the axis shows the object, or they differ in their place
        along other axes (time).
    """

    def __init__(
        self,
        predictor: VolumePredictor,
        annotated: Mapping[Plane, Annotated],
        axis: int = 0,
        within: Collection[int] | None = None,
        rules: Rules | None = None,
    ) -> None:
        self._gaps = gaps_to_fill(predictor.volume.space, annotated, axis, within)
        self._scout = Scout(predictor, rules or Rules())
        self.done, self.total = 0, sum(gap.steps for gap in self._gaps)
        self._way = self._through()
        self._asked: Asked | None = None
        self._begun = False

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to decode."""
        return self._begun and self._asked is None

    @property
    def slices(self) -> tuple[int, int]:
        """How many of the planes to find are gone through, and how many there are.

        One that is reached from both sides counts half after the first.
        """
        planes = sum(len(gap.indices) for gap in self._gaps)
        return (planes * self.done // self.total if self.total else planes), planes

    def advance(
        self, cancelled: Callable[[], bool] = lambda: False
    ) -> list[PlaneResult]:
        """Decode the next plane; return the results that are final now.

        Parameters
        ----------
        cancelled
            Asked before the plane, and between blocks of the encoder.

        Raises
        ------
        napari_segnext.models.Cancelled
            If `cancelled` said so. The next call begins with the same plane.
        """
        if cancelled():
            raise Cancelled
        results: list[PlaneResult] = []
        if not self._begun:
            self._listen(next(self._way, None), results)
            self._begun = True
        elif self._asked is not None:
            found = self._scout.look(self._asked, cancelled)
            self.done += 1
            try:
                self._listen(self._way.send(found), results)
            except StopIteration:
                self._asked = None
        return results

    def _listen(self, said: Said, results: list[PlaneResult]) -> None:
        """Take results until a plane is asked for, or there is no more."""
        while isinstance(said, PlaneResult):
            results.append(said)
            said = next(self._way, None)
        self._asked = said

    def _through(self) -> Way:
        for gap in self._gaps:
            before = self.done
            yield from fill(gap)
            self.total -= gap.steps - (self.done - before)


def propagate(
    predictor: VolumePredictor,
    annotated: Mapping[Plane, Annotated],
    axis: int = 0,
    *,
    within: Collection[int] | None = None,
    rules: Rules | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[PlaneResult]:
    """Find an object in the planes around those that the user has decided about.

    Parameters
    ----------
    predictor, annotated, axis, within, rules
        See `Propagation`; errors are the same.
    cancelled
        Asked before each plane, and between blocks of the encoder.
    progress
        Called with the number of planes decoded, and how many it will be at most.

    Yields
    ------
    PlaneResult
        Of each plane that shows the object, once; those of `annotated` are not
        among them.

    Raises
    ------
    napari_segnext.models.Cancelled
        If `cancelled` said so. What was yielded until then is good.
    """
    propagation = Propagation(predictor, annotated, axis, within, rules)
    while not propagation.ended:
        results = propagation.advance(cancelled)
        progress(propagation.done, propagation.total)
        yield from results
