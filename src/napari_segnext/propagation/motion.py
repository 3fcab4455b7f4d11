"""Where an object has moved from one section to the next."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.registration import optical_flow_ilk
from skimage.transform import rescale, resize

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.resample import FloatArray

# Motion of images that are larger is looked for at half their size: it is smooth.
_WHOLE = 96
# Pixels from which the motion of one is estimated, and within which it has to explain
# the image, as radius and as standard deviation.
_RADIUS = 9
_WINDOW = 6.0
# How often an estimate is improved at each scale: more changes no mask.
_WARPS = 4
# Motion is believed where it leaves less than this share of the difference between two
# sections, and fades out over so many pixels.
_EXPLAINED = 0.8
_FADE = 3.0


def motion(before: FloatArray, now: FloatArray, radius: int = _RADIUS) -> FloatArray:
    """Return how the pixels of a section have moved from the former one.

    It is dense optical flow (Le Besnerais and Champagnat, "Dense optical flow by
    iterative local window registration", 2005). Flow tells something everywhere: it is
    believed where the former section, so moved, is much more like the new one than
    where it lies, and fades out to none around.

    Parameters
    ----------
    before, now
        (H, W): the pixels of both, 0 to 1.
    radius
        Pixels around one from which its motion is estimated.

    Returns
    -------
    (2, H, W) float32: for each pixel where it was before, less where it is (y, x)
    """
    # From the new section back to the former one, so that each pixel is looked up.
    if max(now.shape) > _WHOLE:
        halves = (rescale(each, 0.5, anti_aliasing=True) for each in (now, before))
        flow = 2 * optical_flow_ilk(
            *halves, radius=max(radius // 2, 1), num_warp=_WARPS
        )
        flow = resize(flow, (2, *now.shape), order=1)
    else:
        flow = optical_flow_ilk(now, before, radius=radius, num_warp=_WARPS)
    places = np.indices(now.shape)
    moved = ndimage.map_coordinates(before, places + flow, order=1, mode="nearest")
    still, left = (
        ndimage.gaussian_filter((now - each) ** 2, _WINDOW) for each in (before, moved)
    )
    believed = (left < _EXPLAINED * still).astype(np.float32)
    return np.asarray(flow * ndimage.gaussian_filter(believed, _FADE), np.float32)


def carried(mask: BoolArray, moved: FloatArray) -> BoolArray:
    """Move a mask (H, W) as its pixels have moved; it may be empty then.

    Parameters
    ----------
    moved
        (2, H, W) from `motion`.
    """
    places = np.indices(mask.shape) + moved
    return np.asarray(
        ndimage.map_coordinates(mask.astype(np.float32), places, order=1) > 0.5
    )
