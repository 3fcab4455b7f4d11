"""A session without a viewer: the plugin's way from prompts to labels, in a script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from napari_segnext.commands.job import Job, ModelChoice
from napari_segnext.engines import EngineModel, load_on_engine
from napari_segnext.files import ObjectPrompts
from napari_segnext.files.checks import about
from napari_segnext.images.volume import Volume
from napari_segnext.labels.chunked import blank_labels
from napari_segnext.labels.scan import Scanned
from napari_segnext.predicting.image_model import ImageModel
from napari_segnext.predicting.prediction import Prediction
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.session import Request, Session
from napari_segnext.session.exchange import Replay, file_values, legend
from napari_segnext.session.numbered import Numbered, write_session

Start = Callable[[int], None]
Done = Callable[[ObjectPrompts, Prediction], None]
Complete = Callable[[Session, VolumePredictor, int], object]


def answer(session: Session, model: ImageModel, request: Request) -> Prediction:
    """Decode what a session asks for, and write the mask into its labels.

    Raises
    ------
    ValueError
        If the request's plane or one of its prompts lies outside the volume.
    """
    prediction = model.answer(request)
    session.commit(request, prediction.patch)
    return prediction


def segment_session(
    predictor: VolumePredictor,
    objects: Sequence[ObjectPrompts],
    done: Done = lambda item, prediction: None,
    complete: Complete = lambda session, predictor, number: None,
    labels: Scanned | None = None,
) -> Session:
    """Segment objects one after the other, each in the planes that it has prompts in.

    An object that is done is protected: a later one takes nothing from it.

    Parameters
    ----------
    done
        Called after each plane.
    complete
        Called with each object's id in the session when its planes are done.
    labels
        To start from: objects that have the value of one of these refine it, others
        may take voxels of them.

    Returns
    -------
    A session of labels of shape (other axes..., spatial axes...)

    Raises
    ------
    ValueError
        If a plane or a prompt lies outside the volume.
    """
    volume = predictor.volume
    most = len(objects) + (0 if labels is None else len(labels.values))
    blank = blank_labels((*volume.fixed_shape, *volume.shape), most)
    session = Session(blank, blank=True)
    if labels is not None:
        session.adopt_labels(labels)

    def follow(number: int) -> None:
        complete(session, predictor, number)

    model, left = ImageModel(predictor), Replay(session, objects, follow)
    while (item := left.item) is not None:
        done(item, left.advance(model.answer))
    return session


def segment_objects(
    predictor: VolumePredictor,
    objects: Sequence[ObjectPrompts],
    done: Done = lambda item, prediction: None,
    complete: Complete = lambda session, predictor, number: None,
) -> NDArray[np.integer]:
    """Segment objects as `segment_session` does, and return labels as one array.

    Returns
    -------
    (other axes..., spatial axes...), 0 = no object, else its id.
    """
    session = segment_session(predictor, objects, done, complete)
    labels = Numbered(session.labels, file_values(session))
    return labels[tuple(slice(0, n) for n in labels.shape)]


def segment_job(
    job: Job,
    choice: ModelChoice,
    start: Start = lambda planes: None,
    done: Done = lambda item, prediction: None,
    complete: Complete = lambda session, predictor, number: None,
) -> None:
    """Segment what was checked, and write labels with the image's geometry.

    Parameters
    ----------
    choice
        Which model, and what runs it.
    start
        Called once with the count of planes, when the model is loaded.
    done, complete
        See `segment_session`.

    Raises
    ------
    ValueError, OSError
        If the model cannot be loaded or has no place for phrases, or the labels
        cannot be written.
    """
    network = loaded(choice)
    if job.has_phrases and not network.understands_text:
        raise ValueError(network.no_text)
    with about(job.image):
        file = job.file
        volume = Volume(file.data, spatial=file.spatial, channel=file.channel)
        predictor = VolumePredictor(network, volume)
        start(sum(len(item.planes) for item in job.objects))
        session = segment_session(predictor, job.objects, done, complete, job.labels)
    write_session(
        job.out,
        session,
        job.file.geometry,
        legend(session),
        file_values(session),
        job.semantic,
        job.image,
    )


def loaded(choice: ModelChoice) -> EngineModel:
    """Load a model, once for many images.

    Raises
    ------
    ValueError, OSError
        As `load_on_engine`.
    """
    return _network(choice, choice.state())


@lru_cache(maxsize=1)
def _network(choice: ModelChoice, state: tuple[str, ...]) -> EngineModel:
    """Load a model, again when `state`, of its files, is another."""
    return load_on_engine(
        choice.model, choice.device, choice.engine, wait=True, text=choice.text
    )
