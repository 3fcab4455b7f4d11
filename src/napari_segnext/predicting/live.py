"""A model at work on an image that may be edited meanwhile, as in a viewer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from napari_segnext.engines import EngineModel, EngineState, load_on_engine
from napari_segnext.geometry.plane import Plane
from napari_segnext.images.intensity import Window
from napari_segnext.images.layout import content_key, pieces
from napari_segnext.images.plane_image import PlaneImage
from napari_segnext.images.volume import Volume
from napari_segnext.models import SegmentationModel
from napari_segnext.predicting.image_model import ImageModel
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.predicting.storage import StoragePolicy
from napari_segnext.predicting.store import EmbeddingStore
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
    store
        Where embeddings are kept; by default in a new one.

    Attributes
    ----------
    edited
        Called when the data were found to differ, by whom they are used.
    """

    def __init__(
        self,
        model: SegmentationModel,
        volume: Volume,
        window: Window | None = None,
        store: EmbeddingStore | None = None,
    ) -> None:
        super().__init__(model, volume, store, window)
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


class LiveImageModel(ImageModel):
    """A model at work on an image that may be edited meanwhile.

    Attributes
    ----------
    edited
        Called, where the model is asked, when the data of the image were found edited
        in place: all is made anew by then.
    source
        What the data were taken from, for whoever gave them.
    """

    predictor: LivePredictor

    def __init__(self, predictor: LivePredictor, description: str = "") -> None:
        super().__init__(predictor, description)
        self.edited: Callable[[], None] = lambda: None
        self.source: object = None
        predictor.edited = self._edited

    def doubt(self, plane: Plane | None = None) -> None:
        """Look again at a plane, or all, before they are used; any thread, quick.

        Called when the viewer was told that the data may have been edited in place.
        """
        self.predictor.doubt(plane)

    def take(self, volume: Volume, window: Window | None) -> LiveImageModel:
        """Read other data from now on; return the model itself."""
        self.predictor.use(volume, window)
        self._forget()
        return self

    def _edited(self) -> None:
        self._forget()
        self.edited()


def load_live_model(
    model: str,
    volume: Volume,
    window: Window | None,
    policy: StoragePolicy,
    engine: str = "auto",
    news: Callable[[str, str], None] = lambda description, message: None,
    text: Path | None = None,
    former: LiveImageModel | None = None,
) -> LiveImageModel:
    """Load a model by name or file, and set it to work on an image.

    Parameters
    ----------
    window
        Intensities that become the model's input; None: chosen for the data.
    policy
        Where embeddings are kept. What goes wrong with the folder does not matter:
        they are kept in memory then.
    engine
        What runs the model; see `napari_segnext.engines`.
    news
        Called from any thread with what answers from now on, and with what went
        wrong, or nothing.
    text
        Folder of a CLIP, for a model that takes phrases.
    former
        The model that was at work on the image until now. Its embeddings stay, for one
        that was taught has the same.
    """
    network = load_on_engine(model, engine=engine)
    if former is None:
        predictor = LivePredictor(network, volume, window)
    else:
        known = former.predictor
        predictor = LivePredictor(network, known.volume, window, known.store)
    loaded = LiveImageModel(predictor, _place(network))
    loaded.no_text = give_clip(network.plain, text)

    def tell(state: EngineState) -> None:
        loaded.description = _place(network)
        news(loaded.description, state.message or "")

    network.listen(tell)
    loaded.note = loaded.keep(policy)
    return loaded


def give_clip(model: SegmentationModel, folder: Path | None) -> str:
    """Let a model that takes phrases read them; return why it does not, or nothing."""
    if folder is not None and model.takes_text:
        try:
            model.use_clip_in(folder)
        except (OSError, ValueError, ImportError) as error:
            return f"That CLIP cannot be used: {error}"
    return model.no_text


def _place(model: EngineModel) -> str:
    """Say in words where a model runs, and on what engine."""
    if model.device.type == "cuda":
        place = str(torch.cuda.get_device_name(model.device))
    elif model.device.type == "mps":
        place = "Apple GPU"
    else:
        threads = torch.get_num_threads()
        place = f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    return f"{place}: {model.description}"
