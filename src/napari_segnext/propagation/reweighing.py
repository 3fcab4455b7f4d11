"""A second look at an object that was followed: at its pixels in all planes at once.

While it is followed, intensities are compared with those of the decided planes. Once
it is found, all planes together tell what its pixels and those around it look like,
and what is likely wrong at its border is put right: what belongs to it on the whole,
in most planes, does so in the others too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage
from scipy.optimize import minimize
from scipy.special import expit

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent, Patch
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.geometry.shapes import signed_distance, touching
from napari_segnext.models import Cancelled
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.propagation.results import Annotated, PlaneResult
from napari_segnext.propagation.weighing import log_odds

# Standard deviations in pixels of the smoothed images that a pixel is known by.
_SCALES = (0.0, 1.0, 2.0)
# The surroundings end so many pixels outside of the object, and so many more are read,
# for smoothing.
_FAR, _MORE = 9.0, 4
# Pixels of the object, and of its surroundings, that are learned from: at least, and
# about at most.
_LEAST, _MOST = 30, 4000
# Strength of the prior that no weight is needed, in pixels.
_STUBBORN = 10.0
# How much pixels count beside what was found, and their log-odds at most.
_WEIGHT, _LIMIT = 0.4, 4.0


class Looks:
    """What the pixels of an object look like, and those around it.

    They are told apart by a logistic regression, quadratic in the intensities of each
    channel at three scales, to which both count the same however large they are.

    Parameters
    ----------
    examples
        Images (H, W, C), and masks (H, W) of the object in them. Of one that is too
        small to learn from, nothing is told.
    """

    def __init__(self, examples: Iterable[tuple[FloatArray, BoolArray]]) -> None:
        own, around = [], []
        for image, mask in examples:
            distance, features = signed_distance(mask), _described(image)
            own.append(features[mask])
            around.append(features[~mask & (distance >= -_FAR)])
        groups = [_some(np.concatenate(each)) for each in (own, around)]
        self._weights: FloatArray | None = None
        if min(map(len, groups)) < _LEAST:
            return
        both = np.concatenate(groups)
        self._mean, self._scale = both.mean(0), both.std(0) + 1e-6
        signs = np.repeat([1.0, -1.0], [len(each) for each in groups])
        # As if there were as many pixels of either.
        shares = np.concatenate(
            [np.full(len(each), len(both) / 2 / len(each)) for each in groups]
        )
        x = self._expanded(both)

        def loss(weights: FloatArray) -> tuple[float, FloatArray]:
            margin, prior = signs * (x @ weights), np.append(weights[:-1], 0)
            value = shares @ np.logaddexp(0, -margin) + _STUBBORN / 2 * prior @ prior
            return value, -(shares * signs * expit(-margin)) @ x + _STUBBORN * prior

        start = np.zeros(x.shape[1])
        self._weights = minimize(loss, start, jac=True, method="L-BFGS-B").x

    def log_odds(self, image: FloatArray) -> FloatArray:
        """Return (H, W): how much likelier a pixel is the object's, at most 4.

        Parameters
        ----------
        image
            (H, W, C).
        """
        if self._weights is None:
            return np.zeros(image.shape[:2], np.float32)
        odds = self._expanded(_described(image)) @ self._weights
        return np.asarray(np.clip(odds, -_LIMIT, _LIMIT), np.float32)

    def _expanded(self, features: FloatArray) -> FloatArray:
        """Return (..., 2 F + 1): features, their squares and a constant."""
        x = (features - self._mean) / self._scale
        return np.concatenate([x, x**2, np.ones((*x.shape[:-1], 1))], -1)


def reweighed(
    predictor: VolumePredictor,
    annotated: Mapping[Plane, Annotated],
    results: Sequence[PlaneResult],
    cancelled: Callable[[], bool] = lambda: False,
) -> list[PlaneResult]:
    """Look at an object in all planes at once.

    What its pixels and those around it look like is learned from the planes that are
    decided and those that were found, see `Looks`, and added to what was found in
    these, with a weight of 0.4.

    Parameters
    ----------
    annotated
        The planes from which it was followed.
    results
        What was found of it.
    cancelled
        Asked before each plane.

    Returns
    -------
    The same planes with the same confidence.

    Raises
    ------
    napari_segnext.models.Cancelled
        If `cancelled` said so.
    """
    if not results:
        return []
    masks = [
        (plane, Patch.of(known.mask.astype(np.float32)))
        for plane, known in annotated.items()
    ]
    masks += [(result.plane, result.patch) for result in results]

    def seen(plane: Plane, part: Extent) -> FloatArray:
        if cancelled():
            raise Cancelled
        return predictor.window.apply(predictor.volume.read(plane, part.slices))

    def examples() -> Iterable[tuple[FloatArray, BoolArray]]:
        for plane, patch in masks:
            extent = patch.above(0.5)
            if not extent.empty:
                part = _around(extent, patch.shape)
                yield seen(plane, part), patch.read(part) > 0.5

    looks, better = Looks(examples()), []
    for result in results:
        part = _around(result.patch.extent, result.patch.shape)
        odds = looks.log_odds(seen(result.plane, part))
        better.append(replace(result, patch=_changed(result.patch, part, odds)))
    return better


def _changed(patch: Patch, part: Extent, odds: FloatArray) -> Patch:
    """Add log-odds (h, w) of a part around a patch; no new piece of it begins."""
    before = patch.read(patch.extent)
    both = log_odds(before) + _WEIGHT * odds[patch.extent.within(part)]
    after = np.asarray(expit(both), np.float32)
    found = after > 0.5
    kept = touching(found, before > 0.5)
    after[found & ~kept] = 0
    return Patch(patch.shape, patch.offset, after) if kept.any() else patch


def _around(extent: Extent, shape: tuple[int, ...]) -> Extent:
    """Return an extent with the pixels around it that are looked at."""
    margin = int(_FAR) + _MORE
    return extent.widened(margin, margin).common(Extent.at((0, 0), shape))


def _described(image: FloatArray) -> FloatArray:
    """Return (H, W, 3 C): each channel at three scales."""
    smooth = [ndimage.gaussian_filter(image, (s, s, 0)) for s in _SCALES]
    return np.concatenate(smooth, -1)


def _some(pixels: FloatArray) -> FloatArray:
    """Return some of (N, F), evenly, that are enough to learn from."""
    return pixels[:: max(1, len(pixels) // _MOST)]
