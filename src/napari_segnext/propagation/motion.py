"""Where an object has moved from one section to the next."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.registration import optical_flow_ilk

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.resample import FloatArray

# Pixels from which the motion of one is estimated, and within which it has to explain
# the image, as radius and as standard deviation.
_RADIUS = 9
_WINDOW = 6.0
# Motion is believed where it leaves less than this share of the difference between two
# sections, and fades out over so many pixels.
_EXPLAINED = 0.8
_FADE = 3.0


def carried(mask: BoolArray, before: FloatArray, now: FloatArray) -> BoolArray:
    """Move a mask as the pixels around it have moved from one section to the next.

    Motion is dense optical flow (Le Besnerais and Champagnat, "Dense optical flow by
    iterative local window registration", 2005). Flow tells something everywhere: it is
    believed where the former section, so moved, is much more like the new one than
    where it lies.

    Parameters
    ----------
    mask
        (H, W), in the former section.
    before, now
        (H, W): the pixels of both, 0 to 1.

    Returns
    -------
    (H, W) bool, which may be empty
    """
    # From the new section back to the former one, so that each pixel is looked up.
    flow = optical_flow_ilk(now, before, radius=_RADIUS)
    places = np.indices(now.shape)
    moved = ndimage.map_coordinates(before, places + flow, order=1, mode="nearest")
    still, left = (
        ndimage.gaussian_filter((now - each) ** 2, _WINDOW) for each in (before, moved)
    )
    believed = (left < _EXPLAINED * still).astype(np.float32)
    flow *= ndimage.gaussian_filter(believed, _FADE)
    found = ndimage.map_coordinates(mask.astype(np.float32), places + flow, order=1)
    return np.asarray(found > 0.5)
