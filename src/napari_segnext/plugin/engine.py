"""A model at work on one image; used on the worker's thread, imports torch late."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_segnext.models import SegmentationModel
    from napari_segnext.plugin.worker import Cancelled
    from napari_segnext.predictor import Prediction
    from napari_segnext.prompts import Plane
    from napari_segnext.session import Request
    from napari_segnext.volume import VolumePredictor


class Engine:
    """A volume predictor, and what to tell the user about it."""

    def __init__(self, predictor: VolumePredictor, description: str) -> None:
        self._predictor = predictor
        self.description = description

    def is_embedded(self, plane: Plane) -> bool:
        """Tell whether a plane needs no embedding; any thread, quick."""
        return self._predictor.is_embedded(plane)

    def embed(self, plane: Plane, cancelled: Cancelled) -> float:
        """Embed a plane; return how many milliseconds it took."""
        started = perf_counter()
        self._predictor.embed(plane, cancelled=cancelled)
        return (perf_counter() - started) * 1000

    def predict(self, request: Request, cancelled: Cancelled) -> Prediction:
        """Answer a request of the session."""
        from napari_segnext.predictor import Prediction
        from napari_segnext.prompts import Prompts

        previous = None
        if request.previous is not None:
            seen = Prompts(request.prompts.items[: request.answered])
            previous = Prediction.from_probability(request.previous, seen)
        return self._predictor.predict(
            request.plane, request.prompts, previous, cancelled=cancelled
        )


def load_engine(
    model: str,
    data: Any,
    spatial: tuple[int, ...],
    channel: int | None,
    limits: tuple[float, float] | None = None,
) -> Engine:
    """Load a model by name or file, and set it to work on an image.

    Parameters
    ----------
    data
        The layer's array, read lazily.
    spatial, channel
        Which of its axes are what.
    limits
        The intensity range to use instead of the model's own rule.
    """
    with _without_triton():
        from napari_segnext.volume import Volume, VolumePredictor
        from napari_segnext.weights import load_model
        from napari_segnext.window import Window

        network = load_model(model)
    window = None if limits is None else Window((limits[0],), (limits[1],))
    volume = Volume(data, spatial=spatial, channel=channel)
    return Engine(VolumePredictor(network, volume, window=window), _device(network))


@contextmanager
def _without_triton() -> Iterator[None]:
    """Keep triton from being loaded along with torch, which does without it.

    Its library brings an LLVM of its own. Where Mesa has already drawn with another
    one (software rendering, AMD), loading it ends the process.
    """
    absent = "triton" not in sys.modules
    if absent:
        sys.modules["triton"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if absent:
            sys.modules.pop("triton", None)


def _device(model: SegmentationModel) -> str:
    """Say in words where a model runs."""
    import torch

    if model.device.type == "cuda":
        return str(torch.cuda.get_device_name(model.device))
    if model.device.type == "mps":
        return "Apple GPU"
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"
