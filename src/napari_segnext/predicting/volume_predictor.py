"""Prediction in the planes of a volume, each tile of which is embedded once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_segnext.geometry.frame import Point
from napari_segnext.geometry.misuse import expect
from napari_segnext.geometry.plane import Plane
from napari_segnext.images.intensity import Window
from napari_segnext.images.opened import Image, volume_of
from napari_segnext.images.plane_image import PlaneImage
from napari_segnext.models import SegmentationModel
from napari_segnext.predicting.prediction import Prediction
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.predicting.store import EmbeddingStore
from napari_segnext.prompts import Prompts
from napari_segnext.weights import load_model


class VolumePredictor:
    """Predict in the planes of a volume, each tile of which is embedded once.

    It may be asked from several threads: what a plane has read is never another's.

    Parameters
    ----------
    model
        From `napari_segnext.load_model`, or what that takes: a name or a file.
    volume
        Where planes are read from; or what `Volume` takes, the path of a file, or an
        image that nibabel has loaded. Planes and coordinates are those of the array
        that napari shows; for NIfTI and nibabel: (z, y, x).
    store
        Where embeddings are kept; by default in memory.
    window
        Intensities that become the model's input; by default chosen once for the
        whole volume, which reads a few planes.
    """

    def __init__(
        self,
        model: SegmentationModel | str | Path,
        volume: Image,
        store: EmbeddingStore | None = None,
        window: Window | None = None,
    ) -> None:
        self.volume = volume_of(volume)
        network = load_model(model) if isinstance(model, str | Path) else model
        said = "a model is made by load_model, or is the name of one"
        self.model: SegmentationModel = expect(network, SegmentationModel, said)
        self.store = EmbeddingStore() if store is None else store
        rule = self.model.config.window
        self.window = self.volume.window(rule) if window is None else Window.of(window)
        self._latest: tuple[Plane, Predictor] | None = None

    def predict(
        self,
        plane: Plane,
        prompts: Prompts,
        previous: Prediction | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Prediction:
        """Segment the object that the prompts are on, in one plane.

        Parameters and errors are those of `Predictor.predict`; a plane outside the
        volume is a ValueError.
        """
        return self.at(plane).predict(prompts, previous, cancelled)

    def embed(
        self,
        plane: Plane,
        cancelled: Callable[[], bool] = lambda: False,
        at: Point | None = None,
    ) -> None:
        """Embed what a first click in the plane needs; see `Predictor.embed`."""
        self.at(plane).embed(cancelled, at)

    def is_embedded(self, plane: Plane, at: Point | None = None) -> bool:
        """Tell whether `embed` has nothing to do; reads nothing, from any thread."""
        return self.apart(plane).is_embedded(at)

    def apart(self, plane: Plane) -> Predictor:
        """Return another predictor of a plane; reads nothing, from any thread."""
        return self.of(PlaneImage(self.volume, plane))

    def of(self, image: PlaneImage) -> Predictor:
        """Return a predictor of a plane's image; reads nothing, from any thread."""
        predictor = Predictor(self.model, self.store)
        key = self.volume.plane_key(image.plane)
        predictor.set_image(image, self.window, key)
        return predictor

    def at(self, plane: Plane) -> Predictor:
        """Return the predictor of a plane, which stays that plane's."""
        latest = self._latest
        if latest is None or latest[0] != plane:
            latest = self._latest = plane, self.apart(plane)
        return latest[1]
