"""Classical interactive segmentation behind the predictor's interface.

They take the same prompts through the same loop as the models, at image
resolution. Nothing is learned, nothing is embedded.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_erosion,
    distance_transform_edt,
    gaussian_filter,
    label,
)
from skimage.segmentation import flood, random_walker

from napari_segnext.geometry.frame import BoolArray, Frame
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.images.intensity import robust_window
from napari_segnext.prompts import Prompts, PromptStyle

# Image pixels around a click that its user vouches for.
_CLICK_RADIUS = 2
# A hand-drawn box or polygon may be too small by this share of its own depth.
_SLACK = 0.1


@dataclass(frozen=True, slots=True)
class BaselineAnswer:
    """A mask as a probability of 0 or 1, or the method's own probability."""

    probability: FloatArray
    embed_ms: float = 0.0


class Baseline(ABC):
    """A method that sees the image and two sets of seeds.

    What lies clearly outside a box or polygon is a negative seed; its core is a
    positive one as long as there is no other.
    """

    def set_image(self, image: NDArray[Any]) -> None:
        """Choose the image, (H, W) or (H, W, C)."""
        window = robust_window(image, "percentile")
        self.image: FloatArray = window.apply(image)

    def predict(
        self, prompts: Prompts, previous: BaselineAnswer | None = None
    ) -> BaselineAnswer:
        """Segment with all prompts so far."""
        height, width = self.image.shape[:2]
        frame = Frame(0, 0, height, width, max(height, width), "pad")
        style = PromptStyle(radius=_CLICK_RADIUS)
        dense = prompts.to_dense(frame, style)[:, :height, :width] > 0
        region, positive, negative = dense
        negative &= ~positive
        mask = None if previous is None else previous.probability > 0.5
        if region.any():
            mask = region if mask is None else mask
            depth = distance_transform_edt(region)
            if not positive.any():
                positive = (depth > depth.max() / 2) & ~negative
            outside = distance_transform_edt(~region) > _SLACK * depth.max()
            negative |= outside & ~positive
        if not positive.any():
            return BaselineAnswer(np.zeros((height, width), np.float32))
        return BaselineAnswer(self.segment(positive, negative, mask))

    @abstractmethod
    def segment(
        self, positive: BoolArray, negative: BoolArray, previous: BoolArray | None
    ) -> FloatArray:
        """Return the (H, W) probability.

        Parameters
        ----------
        positive, negative
            (H, W) seeds, no pixel in both; there is a positive one.
        previous
            (H, W) last mask, or a box or polygon given first; None at a first
            click.
        """


class RandomWalker(Baseline):
    """Random walker (Grady 2006) from the seeds.

    The image's border is a negative seed too, which the object's own override: a
    single negative click would leave the ground around the object unclaimed.
    """

    beta = 130.0

    def segment(
        self, positive: BoolArray, negative: BoolArray, previous: BoolArray | None
    ) -> FloatArray:
        """See `Baseline.segment`."""
        labels = np.zeros(positive.shape, np.int32)
        labels[[0, -1]] = labels[:, [0, -1]] = 2
        labels[negative] = 2
        labels[positive] = 1
        with warnings.catch_warnings():
            # It advises another solver, and says when one did not converge fully.
            warnings.simplefilter("ignore")
            walked = random_walker(
                self.image,
                labels,
                self.beta,
                "cg_j",
                tol=1e-3,
                return_full_prob=True,
                channel_axis=-1,
            )
        return np.asarray(np.clip(walked[0], 0, 1), np.float32)


class FloodFill(Baseline):
    """Region growing from each positive seed, with the widest tolerance allowed.

    A tolerance is allowed if the region holds no negative seed.
    """

    tolerances = (0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01)

    def set_image(self, image: NDArray[Any]) -> None:
        """Choose the image; it is smoothed a little."""
        super().set_image(image)
        self._smooth = gaussian_filter(self.image.mean(2), 1.0)

    def segment(
        self, positive: BoolArray, negative: BoolArray, previous: BoolArray | None
    ) -> FloatArray:
        """See `Baseline.segment`."""
        mask = positive.copy()
        # What the user clicked at, not the disk around it, which may touch the object.
        forbidden = binary_erosion(negative, iterations=_CLICK_RADIUS, border_value=1)
        for seed in _centres(positive):
            for tolerance in self.tolerances:
                region = flood(self._smooth, seed, tolerance=tolerance)
                if not (region & forbidden).any():
                    mask |= region
                    break
        return np.asarray(mask & ~negative, np.float32)


class GrabCut(Baseline):
    """GrabCut (Rother et al. 2004) of OpenCV, refined from mask to mask."""

    rounds = 3
    # Share of the image's longer side around a first click that may be the object.
    first_radius = 0.1

    def __init__(self) -> None:
        try:
            import cv2
        except ImportError as error:
            raise ImportError(
                "GrabCut needs OpenCV: pip install 'napari-segnext[eval]'"
            ) from error
        self._cv2 = cv2

    def segment(
        self, positive: BoolArray, negative: BoolArray, previous: BoolArray | None
    ) -> FloatArray:
        """See `Baseline.segment`."""
        cv2 = self._cv2
        if previous is None or not previous.any():
            previous = self._near(positive)
        state = np.where(previous, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        state[negative] = cv2.GC_BGD
        state[positive] = cv2.GC_FGD
        models = np.zeros((1, 65)), np.zeros((1, 65))
        inside = (state == cv2.GC_FGD) | (state == cv2.GC_PR_FGD)
        if inside.any() and not inside.all():
            pixels = (255 * self.image).astype(np.uint8)
            mode = cv2.GC_INIT_WITH_MASK
            cv2.grabCut(pixels, state, None, *models, self.rounds, mode)
        mask = (state == cv2.GC_FGD) | (state == cv2.GC_PR_FGD)
        return np.asarray(mask, np.float32)

    def _near(self, positive: BoolArray) -> BoolArray:
        rows, columns = np.indices(positive.shape)
        near = positive.copy()
        radius = self.first_radius * max(positive.shape)
        for y, x in _centres(positive):
            near |= (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        return near


def _centres(seeds: BoolArray) -> list[tuple[int, int]]:
    """Return one pixel in each piece of the seeds: the middle one in row order."""
    pieces, count = label(seeds, np.ones((3, 3)))
    at = [np.argwhere(pieces == number) for number in range(1, count + 1)]
    return [(int(p[len(p) // 2][0]), int(p[len(p) // 2][1])) for p in at]


BASELINES: dict[str, Callable[[], Baseline]] = {
    "random-walker": RandomWalker,
    "flood-fill": FloodFill,
    "grabcut": GrabCut,
}
