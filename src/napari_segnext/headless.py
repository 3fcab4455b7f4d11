"""A session without a viewer: the plugin's way from prompts to labels, in a script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segnext.answers import Answers
from napari_segnext.categories import Legend, Named, semantic_values
from napari_segnext.engines import load_on_engine
from napari_segnext.export import check_out, write
from napari_segnext.io import (
    ObjectPrompts,
    check_writable,
    read_image,
    read_prompts,
)
from napari_segnext.predictor import Prediction
from napari_segnext.session import ArrayLabels, Request, Session
from napari_segnext.session.exchange import check_objects, in_last_axes, replay
from napari_segnext.volume import Volume, VolumePredictor

Done = Callable[[ObjectPrompts, Prediction], None]
Complete = Callable[[Session, VolumePredictor, int], object]


def answer(session: Session, answers: Answers, request: Request) -> Prediction:
    """Decode what a session asks for, and write the mask into its labels.

    Raises
    ------
    ValueError
        If the request's plane or one of its prompts lies outside the volume.
    """
    prediction = answers.to(request)
    session.commit(request, prediction.patch)
    return prediction


def segment_objects(
    predictor: VolumePredictor,
    objects: Sequence[ObjectPrompts],
    done: Done = lambda item, prediction: None,
    complete: Complete = lambda session, predictor, number: None,
) -> NDArray[np.int32]:
    """Segment objects one after the other, each in the planes that it has prompts in.

    An object that is done is protected: a later one takes nothing from it.

    Parameters
    ----------
    done
        Called after each plane.
    complete
        Called with each object's id in the session when its planes are done.

    Returns
    -------
    Labels of shape (other axes..., spatial axes...), 0 = no object, else its id.

    Raises
    ------
    ValueError
        If a plane or a prompt lies outside the volume.
    """
    volume = predictor.volume
    labels = np.zeros((*volume.fixed_shape, *volume.shape), np.int32)
    session = Session(ArrayLabels(labels), blank=True)

    def follow(number: int) -> None:
        complete(session, predictor, number)

    answers = Answers(predictor)
    for item, request in replay(session, objects, follow):
        done(item, answer(session, answers, request))
    return np.array([0, *(item.id for item in objects)], np.int32)[labels]


def segment_file(
    image: Path,
    prompts: Path,
    out: Path,
    model: str,
    device: str = "auto",
    overwrite: bool = False,
    start: Callable[[int], None] = lambda planes: None,
    done: Done = lambda item, prediction: None,
    complete: Complete = lambda session, predictor, number: None,
    semantic: bool = False,
    engine: str = "torch",
    text: Path | None = None,
) -> None:
    """Segment the objects of a prompts file in an image file.

    Parameters
    ----------
    out
        Where labels go, with the image's geometry; see `napari_segnext.io`.
    start
        Called once with the count of planes, when everything has been checked.
    done, complete
        See `segment_objects`.
    engine
        See `napari_segnext.engines`.
    semantic
        Whether labels have the values of the objects' classes, not of the objects.
    text
        Folder of the CLIP for phrases; see `napari_segnext.load_model`.

    Raises
    ------
    ValueError, OSError
        If something cannot be read, does not fit, or cannot be written. What can be
        known beforehand is told before anything is computed.
    """
    check_writable(out)
    check_out(out, overwrite)
    objects = read_prompts(prompts)
    file = read_image(image)
    check_writable(out, file.geometry)
    volume = Volume(file.data, spatial=file.spatial, channel=file.channel)
    objects = in_last_axes(objects, len(file.geometry.shape))
    check_objects(objects, volume.check, volume.plane_shape)
    legend: Legend = {item.id: Named(item.name, item.category) for item in objects}
    if semantic:
        semantic_values(legend)
    network = load_on_engine(model, device, engine, wait=True, text=text)
    phrases = any(each.phrase for item in objects for each in item.planes.values())
    if phrases and not network.understands_text:
        raise ValueError(network.no_text)
    predictor = VolumePredictor(network, volume)
    start(sum(len(item.planes) for item in objects))
    labels = segment_objects(predictor, objects, done, complete)
    write(out, labels, file.geometry, legend, semantic)
