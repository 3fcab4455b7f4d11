"""Whether a part of an image looks like an object or like what surrounds it.

A model that is told to follow an object goes on past its end: it is asked for
something at that place and gives the likeliest. Intensities know better.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.geometry.shapes import signed_distance

_BINS = 32
# Standard deviation in bins by which frequencies are smoothed, and their floor as a
# share of all pixels, so that a few of them decide nothing.
_SMOOTH = 1.5
_FLOOR = 0.01
# Standard deviation in pixels by which images are smoothed.
_BLUR = 1.0
# The surroundings begin and end so many pixels outside of the mask.
_NEAR, _FAR = 1.0, 9.0
# Mean log-likelihood ratio in the object below which intensities tell nothing.
_TELLING = 0.5


class Appearance:
    """The intensities of an object and of its surroundings, per channel.

    Parameters
    ----------
    examples
        Images (H, W, C) of values 0 to 1, and masks (H, W) of the object in them.

    Raises
    ------
    ValueError
        If all masks are empty.
    """

    def __init__(self, examples: Iterable[tuple[FloatArray, BoolArray]]) -> None:
        inside, outside = [], []
        for image, mask in examples:
            distance, smooth = signed_distance(mask), _smooth(image)
            inside.append(smooth[mask])
            outside.append(smooth[(distance < -_NEAR) & (distance >= -_FAR)])
        own = np.concatenate(inside)
        # (C, bins): positive where a value is likelier in the object.
        self._ratios = np.log(_frequencies(own) / _frequencies(np.concatenate(outside)))
        self._typical = float(self._mean(own).mean())

    def log_ratio(self, image: FloatArray) -> FloatArray:
        """Return (H, W) logarithms of how much likelier a pixel is in the object.

        Parameters
        ----------
        image
            (H, W, C), values 0 to 1.
        """
        height, width, channels = image.shape
        ratio = self._mean(_smooth(image).reshape(-1, channels))
        return np.asarray(ratio.reshape(height, width), np.float32)

    def likeness(self, image: FloatArray, mask: BoolArray) -> float:
        """Compare what a mask covers with the object and with its surroundings.

        Returns
        -------
        Mean logarithm of the ratio over the pixels, as a multiple of that in the
        object itself: 1 looks as the object does, below 0 the surroundings are
        likelier. 1 if intensities do not tell one from the other, or the mask is
        empty.
        """
        if self._typical < _TELLING or not mask.any():
            return 1.0
        return float(self.log_ratio(image)[mask].mean()) / self._typical

    def _mean(self, values: FloatArray) -> FloatArray:
        """Return for (N, C) values the mean over channels of their ratios."""
        pairs = zip(self._ratios, _bins(values), strict=True)
        ratios = [row[bins] for row, bins in pairs]
        return np.asarray(np.mean(ratios, axis=0), np.float32)


def _smooth(image: FloatArray) -> FloatArray:
    """Return an image with less noise."""
    return np.asarray(ndimage.gaussian_filter(image, (_BLUR, _BLUR, 0)), np.float32)


def _bins(values: FloatArray) -> NDArray[np.int64]:
    return np.minimum(values.T * _BINS, _BINS - 1).astype(np.int64)


def _frequencies(values: FloatArray) -> NDArray[np.float64]:
    """Return smoothed frequencies (C, bins) of (N, C) values; none is zero."""
    counts = np.array([np.bincount(b, minlength=_BINS) for b in _bins(values)], float)
    smooth = ndimage.gaussian_filter1d(counts, _SMOOTH, axis=1, mode="nearest")
    total = smooth.sum(1, keepdims=True)
    frequencies: NDArray[np.float64] = (smooth + _FLOOR * np.maximum(total, 1)) / (
        np.maximum(total, 1)
    )
    return frequencies
