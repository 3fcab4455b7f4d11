"""How far labels are to be doubted: what the model makes of them, and their neighbours.

A mask is shown to the follower as where the object is expected, and as what is known of
it; right masks come back as they were. How much the planes beside it show of it counts
too, and bodies that none of them touches. Where an object ends, it is looked for once
more, from the mask next to it. All of that becomes the probability that the labels are
wrong, where one section of an object in five is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy import ndimage
from scipy.special import expit

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.regions import Patch
from napari_segnext.geometry.shapes import guide, overlap, pieces
from napari_segnext.predicting.following import Look, Sighting, Tracker
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.propagation.survey import BODY, Shown
from napari_segnext.session.doubt import Doubt
from napari_segnext.weights import load_follower

# Log-odds that a mask is wrong: at first, and for what of it the model answers
# otherwise, for what no plane beside it shows, and for bodies that none touches,
# as shares. They were fitted; see docs/benchmarks.md.
_SHOWN, _ANSWER, _BESIDE, _ALONE = -11.0, 39.0, 4.0, 29.0
# Those that an object is missing: at first, for how sure the follower is that it is
# there, for the share of its place that others take, and between planes that show it.
_ENDED, _THERE, _TAKEN, _BETWEEN = -8.4, 9.4, 5.8, 7.0
# An object of two bodies that touch nowhere is doubted so far at least.
_APART = 0.5
# Another object gets the same answer if this share of it is covered.
_SAME = 0.5
_CONNECTED = np.ones((3, 3), bool)


class Comparison:
    """Compares masks with the image.

    Parameters
    ----------
    predictor
        Of the image; embeddings are shared with it if its model has the follower's
        encoder.
    """

    def __init__(self, predictor: VolumePredictor) -> None:
        self._tracker = Tracker(load_follower(str(predictor.model.device)), predictor)

    def doubts(
        self, shown: Sequence[Shown], cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[Shown, Doubt]]:
        """Yield how far each is to be doubted, not in their order.

        The more there are, the more of them the model is shown at once.

        Raises
        ------
        napari_segnext.models.Cancelled
            If `cancelled` said so. What was yielded until then is good.
        """
        looks = [self._look(each) for each in shown]
        for number, sighting in self._tracker.glance(looks, cancelled):
            each = shown[number]
            judge = (
                self._doubt if (each.page == each.object_id).any() else self._missing
            )
            yield each, judge(each, sighting)

    def _look(self, shown: Shown) -> Look:
        """Look for an object where its mask is, or else where those beside it are."""
        mask = shown.page == shown.object_id
        if mask.any():
            seen = [(shown.plane, self._patch(shown, mask.astype(np.float32)))]
            return Look(shown.plane, self._patch(shown, guide(mask)), seen)
        masks = _beside(shown)
        between = len(masks) == 2
        expected = guide(masks[0], masks[-1], 0.5) if between else guide(masks[0])
        seen = [
            (plane, self._patch(shown, mask.astype(np.float32)))
            for (plane, _), mask in zip(shown.beside, masks, strict=True)
        ]
        return Look(shown.plane, self._patch(shown, expected), seen)

    def _doubt(self, shown: Shown, sighting: Sighting) -> Doubt:
        mask, beside = shown.page == shown.object_id, _beside(shown)
        answer = sighting.patch.read(shown.extent) > 0.5
        alike = max((overlap(mask, other) for other in beside), default=1.0)
        parts, alone = _alone(mask, beside)
        odds = _SHOWN + _ANSWER * (1 - overlap(mask, answer))
        odds += _BESIDE * (1 - alike) + _ALONE * alone
        degree = max(float(expit(odds)), _APART if shown.bodies > 1 else 0)
        return Doubt(degree, max(parts, shown.bodies), _like(shown, mask, answer))

    def _missing(self, shown: Shown, found: Sighting) -> Doubt:
        """Return how sure it is that an object goes on where no label shows it."""
        place = found.patch.read(shown.extent) > 0.5
        odds = _ENDED + _THERE * found.present * found.overlap
        odds += _BETWEEN * (len(shown.beside) == 2)
        if place.any():
            odds += _TAKEN * float(np.count_nonzero(shown.page[place]) / place.sum())
        return Doubt(float(expit(odds)), parts=0)

    def _patch(self, shown: Shown, values: np.ndarray) -> Patch:
        return Patch(shown.shape, shown.extent[:2], values)


def _beside(shown: Shown) -> list[BoolArray]:
    return [region.read(shown.extent) for _, region in shown.beside]


def _alone(mask: BoolArray, beside: list[BoolArray]) -> tuple[int, float]:
    """Return of how many bodies a mask is, and the share of those apart from others.

    Where every body is touched by a mask beside it, or by none, it counts as one.
    """
    labelled, count = pieces(mask)
    if count < 2 or not beside:
        return 1, 0.0
    sizes = np.bincount(labelled.ravel())
    sizes[0] = 0
    touched = np.zeros(count + 1, bool)
    touched[labelled[np.logical_or.reduce(beside)]] = True
    apart = float(sizes[~touched].sum() / sizes.sum())
    if apart in (0.0, 1.0):
        return 1, 0.0
    return int(np.count_nonzero(sizes >= BODY * sizes.sum())), apart


def _like(shown: Shown, mask: BoolArray, answer: BoolArray) -> int:
    """Return the object that touches a mask and that the answer takes in, or 0."""
    around = ndimage.binary_dilation(mask, _CONNECTED) & ~mask
    ids, counts = np.unique(shown.page[around], return_counts=True)
    for number in ids[np.argsort(-counts, kind="stable")].tolist():
        other = shown.page == number
        if number and np.count_nonzero(answer & other) >= _SAME * np.count_nonzero(
            other
        ):
            return int(number)
    return 0
