"""Predicting in an image that may be edited meanwhile; imports torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_segnext.geometry.plane import Plane
from napari_segnext.images.intensity import Window
from napari_segnext.images.layout import content_key, pieces
from napari_segnext.images.plane_image import PlaneImage
from napari_segnext.images.volume import Volume
from napari_segnext.models import SegmentationModel
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.predicting.volume_predictor import VolumePredictor


class LivePredictor(VolumePredictor):
    """Predict in a volume whose data may change under its hands.

    A plane that is used for the first time after a doubt is compared with what was
    seen of it before. Where they differ, all that was made of the data is made anew.
    Planes that are read from disk and longer than 2,048 pixels are compared by nine
    samples, all others whole.

    Parameters
    ----------
    model, volume
        As for `VolumePredictor`.
    window
        Kept whatever happens to the data; None: chosen for the data there are.

    Attributes
    ----------
    edited
        Called when the data were found to differ, by whom they are used.
    """

    def __init__(
        self, model: SegmentationModel, volume: Volume, window: Window | None = None
    ) -> None:
        super().__init__(model, volume, window=window)
        self.edited: Callable[[], None] = lambda: None
        self._given = window
        self._doubts = 0
        self._doubted: set[Plane] = set()
        # What was seen of a plane, and after how many doubts.
        self._seen: dict[Plane, tuple[int, str]] = {}

    def doubt(self, plane: Plane | None = None) -> None:
        """Look again at one plane, or all, before they are used; from any thread."""
        if plane is None:
            self._doubts += 1
        else:
            self._doubted.add(plane)

    def use(self, volume: Volume, window: Window | None = None) -> None:
        """Go on with other data; what was embedded until now is forgotten."""
        self.volume, self._given = volume, window
        self._forget()

    def at(self, plane: Plane) -> Predictor:
        """Return the predictor of a plane as it is now."""
        seen, doubts = self._seen.get(plane), self._doubts
        if seen is None or seen[0] < doubts or plane in self._doubted:
            # In this order, so that a doubt that comes meanwhile counts.
            self._doubted.discard(plane)
            image = PlaneImage(self.volume, plane)
            content = self._content(image)
            if seen is not None and seen[1] != content:
                self.volume.rename()
                self._forget()
                self.edited()
            if self._latest is None or self._latest[0] != plane:
                self._latest = plane, self.of(image)
            self._seen[plane] = doubts, content
        return super().at(plane)

    def _forget(self) -> None:
        self.store.clear()
        self._seen.clear()
        self._latest = None
        self.window = self._given or self.volume.window(self.model.config.window)

    def _content(self, image: PlaneImage) -> str:
        height, width = image.shape[:2]
        whole = self.volume.in_memory
        parts = [(slice(None),) * 2] if whole else list(pieces(height, width))
        return " ".join(content_key(np.asarray(image[part])) for part in parts)
