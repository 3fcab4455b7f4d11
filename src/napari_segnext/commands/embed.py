"""Embedding all planes of an image file, here or on a dask cluster.

The store is one folder: several processes, also on several machines that share it,
write to it safely, and what is in it is not computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from napari_segnext.commands.cluster import on_cluster
from napari_segnext.engines import accelerate, choose_engine
from napari_segnext.files import read_image
from napari_segnext.geometry.plane import Plane
from napari_segnext.images.layout import file_identity
from napari_segnext.images.volume import Volume
from napari_segnext.predicting.embed import embed_planes
from napari_segnext.predicting.store import EmbeddingStore
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.weights import load_model

# Embeddings go to disk; memory need not hold more than a few planes of them.
_MEMORY_GB = 0.25


@dataclass(frozen=True, slots=True)
class Job:
    """What is embedded, with what, and where it goes; the same on each machine."""

    image: Path
    model: str
    store: Path
    device: str = "auto"

    def volume(self) -> Volume:
        """Open the image."""
        file = read_image(self.image)
        return Volume(
            file.data,
            spatial=file.spatial,
            channel=file.channel,
            identity=file_identity(self.image),
        )


def embed(
    job: Job,
    axis: int = 0,
    scheduler: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Embed all planes of an image that the store has not got.

    Parameters
    ----------
    scheduler
        Address of a dask scheduler, such as ``tcp://host:8786``, whose workers see
        the image and the store under the same paths. Start them with one thread and
        one GPU each. Default: this process does it.
    progress
        Called with the planes done, and all.

    Returns
    -------
    The number of planes

    Raises
    ------
    ValueError, OSError
        If the image cannot be read, has no such axis, or the store not be written; or
        no scheduler answers.
    ImportError
        If a scheduler is given and dask.distributed is not installed.
    """
    wanted = job.volume().space.planes(axis)
    progress(0, len(wanted))
    here = (embed_plane(job, plane) for plane in wanted)
    done = here if scheduler is None else _on_cluster(job, wanted, scheduler)
    for number, _ in enumerate(done, 1):
        progress(number, len(wanted))
    return len(wanted)


def embed_plane(job: Job, plane: Plane) -> Plane:
    """Embed one plane, and return it.

    Raises
    ------
    ValueError, OSError
        As `embed`.
    """
    known = _predictor(job, _state(job))
    # What a process remembers of the folder may have been deleted since.
    store = EmbeddingStore(_MEMORY_GB, job.store)
    predictor = VolumePredictor(known.model, known.volume, store, known.window)
    embed_planes(predictor, [plane])
    error = store.disk_error
    if error is not None:
        raise OSError(f"embeddings cannot be written to {job.store}: {error}")
    return plane


def _state(job: Job) -> tuple[str, ...]:
    """Name what the files of a job hold now."""
    files = [job.image, Path(job.model).expanduser()]
    return tuple(file_identity(file) for file in files if file.exists())


@lru_cache(maxsize=1)
def _predictor(job: Job, state: tuple[str, ...]) -> VolumePredictor:
    """Open a job's image and model, again when `state` is another."""
    # What embeds in the plugin embeds here too, for that is part of what is kept.
    model = load_model(job.model, job.device)
    model = accelerate(model, choose_engine(model.device.type, masks=False))
    return VolumePredictor(model, job.volume())


def _on_cluster(job: Job, wanted: list[Plane], scheduler: str) -> Iterator[Plane]:
    for plane, done in on_cluster(scheduler, partial(embed_plane, job), wanted):
        if isinstance(done, Exception):
            raise done
        yield plane
