"""Intensity to model input: any real dtype to 0..1, NaN and infinities handled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segnext.geometry.resample import FloatArray

# See `napari_segnext.models.ModelConfig.window`.
WindowRule: TypeAlias = Literal["uint8", "percentile"]
# Shares of the pixels left out below and above by a robust window.
PERCENTILES = (0.5, 99.5)
_SAMPLES = 1_000_000


@dataclass(frozen=True, slots=True)
class Window:
    """The intensity range that becomes 0..1, per channel.

    Attributes
    ----------
    low, high
        One value per channel; one value alone serves all channels.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def of(cls, given: Window | ArrayLike) -> Window:
        """Take a window, or its ends: (low, high), or (2, C) with one per channel.

        Raises
        ------
        ValueError
            If it is neither, or low is not below high.
        """
        if isinstance(given, Window):
            return given
        try:
            ends = np.asarray(given, float)
        except (TypeError, ValueError):
            ends = np.zeros(0)
        if len(np.atleast_1d(ends)) == 2 and ends.ndim <= 2:
            low, high = np.reshape(ends, (2, -1))
            if np.isfinite(ends).all() and (low < high).all():
                return cls(tuple(low.tolist()), tuple(high.tolist()))
        raise ValueError(f"a window is two numbers, (low, high), not {given!r}")

    def apply(self, image: NDArray[np.generic]) -> FloatArray:
        """Map an image to model input.

        Parameters
        ----------
        image
            (H, W) or (H, W, C) with 1 to 4 channels, any real dtype. A fourth
            channel (alpha) is left out; grey is repeated; of two channels the
            second is repeated.

        Returns
        -------
        (H, W, 3) float32
            In 0..1. NaN becomes 0, infinities the ends of the window. A window of
            no width (a constant image) gives 0.
        """
        array = channels_last(image).astype(np.float32)
        low = np.array(self.low, np.float32)[: array.shape[2]]
        high = np.array(self.high, np.float32)[: array.shape[2]]
        width = np.where(high > low, high - low, np.float32(np.inf))
        with np.errstate(invalid="ignore"):
            scaled = np.clip((array - low) / width, 0, 1)
        scaled = np.nan_to_num(scaled, nan=0.0)
        return np.ascontiguousarray(
            scaled[..., [0, 0, 0]] if array.shape[2] == 1 else scaled[..., [0, 1, -1]]
        )


def channels_last(image: object) -> NDArray[np.generic]:
    """Return an image as (H, W, C) with 1 to 3 channels.

    Raises
    ------
    TypeError
        If it is no array, but a path or None.
    ValueError
        If the array is not an image: wrong number of axes or channels, no pixels,
        or values that are not real numbers.
    """
    array = np.asarray(image)
    shape = array.shape
    if array.dtype.kind not in "buif" and array.ndim == 0:
        raise TypeError(
            f"an image is an array, (H, W) or (H, W, 3), not {type(image).__name__}; "
            "napari_segnext.read_image reads files"
        )
    if array.dtype.kind not in "buif":
        raise ValueError(
            f"an image holds real numbers, not {array.dtype}; convert it first"
        )
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or not 1 <= array.shape[2] <= 4:
        raise ValueError(
            f"an image is (H, W) or (H, W, 3), not of shape {shape}; "
            "pick one slice of a volume"
        )
    if 0 in array.shape:
        raise ValueError(f"the image is empty: shape {shape}")
    return array[..., :3]


def robust_window(image: NDArray[np.generic], rule: WindowRule) -> Window:
    """Choose the window of an image, or of samples of a volume, by a model's rule.

    Parameters
    ----------
    image
        (..., C) channels last, or (H, W).
    rule
        See `napari_segnext.models.ModelConfig.window`.
    """
    array = np.asarray(image)
    if array.dtype == bool:
        return Window((0.0,), (1.0,))
    if rule == "uint8" and array.dtype == np.uint8:
        return Window((0.0,), (255.0,))
    channels = array.shape[-1] if array.ndim > 2 else 1
    flat = array.reshape(-1, channels)
    flat = flat[:: max(1, len(flat) // _SAMPLES)].astype(np.float32)
    low, high = [], []
    for values in flat.T:
        finite = values[np.isfinite(values)]
        ends = np.percentile(finite, PERCENTILES) if len(finite) else (0.0, 0.0)
        if ends[0] == ends[1] and len(finite):
            # A few bright pixels on a flat ground are the object, not outliers.
            ends = (finite.min(), finite.max())
        low.append(float(ends[0]))
        high.append(float(ends[1]))
    return Window(tuple(low), tuple(high))
