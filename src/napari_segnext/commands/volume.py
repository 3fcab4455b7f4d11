"""Objects of a volume segmented in one call of Python."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from operator import index
from pathlib import Path
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_segnext.commands.segment import segment_objects
from napari_segnext.files import ObjectPrompts, read_prompts
from napari_segnext.geometry.misuse import expect
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.space import Space
from napari_segnext.images.opened import Image, opened
from napari_segnext.models import SegmentationModel
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.prompts import Prompts
from napari_segnext.propagation.whole_object import complete
from napari_segnext.session import Session
from napari_segnext.session.exchange import check_objects, in_last_axes

Planes: TypeAlias = Mapping[Plane, Prompts]
Given: TypeAlias = str | Path | Planes | Mapping[int, Planes] | Sequence[ObjectPrompts]

_WANTED = (
    "prompts are given by plane, as {Plane(0, 74): Prompts().click(y, x)}, by object, "
    "as {1: {Plane(0, 74): ...}}, or as the path of a prompts file"
)


def segment_volume(
    image: Image,
    prompts: Given,
    model: SegmentationModel | str | Path = "tiny",
    *,
    propagate: bool = False,
    axis: int | None = None,
) -> NDArray[np.integer[Any]]:
    """Segment the objects of a volume that prompts are on.

    An object that is done is protected: a later one takes nothing from it.

    Parameters
    ----------
    image
        An array (Z, Y, X) or (Y, X), with axes such as time before these; a `Volume`,
        which says what other axes mean; the path of a file; or an image that nibabel
        has loaded.
    prompts
        Of one object, by plane; of several, by number and plane; or the path of a
        prompts file, as the viewer saves it. Planes and coordinates are those of the
        array that napari shows: of arrays as they are, of NIfTI and nibabel (z, y, x),
        as `read_image` returns it.
    model
        From `load_model`, or what that takes: a name or a file.
    propagate
        Whether each object is followed through the volume from the planes that have
        prompts. Without it only these are segmented.
    axis
        The axis to follow objects along; default: the one with most of their planes.

    Returns
    -------
    Labels: 0 = no object, else its number, which is 1 of an only one. They have the
    shape of the image without channels, (other axes..., spatial axes...), as napari
    shows it. Those of an image of nibabel's are in the order in which that is stored,
    so that its affine is theirs.

    Raises
    ------
    TypeError
        If image, prompts or model are nothing of that.
    ValueError
        If a plane or a prompt lies outside the image, or a file cannot be used.
    OSError
        If there is no such file, or it cannot be read.

    Warns
    -----
    UserWarning
        If an object cannot be followed, for there is nothing of it in the planes that
        have its prompts. Those planes, and other objects, are among the labels.

    Examples
    --------
    >>> prompts = {Plane(0, 18): Prompts().click(46, 63)}  # doctest: +SKIP
    >>> labels = segment_volume("scan.nii.gz", prompts)  # doctest: +SKIP
    """
    objects = _objects(prompts)
    if not any(len(each) for item in objects for each in item.planes.values()):
        raise ValueError("there are no prompts to segment an object from")
    volume, file = opened(image)
    shape = (*volume.fixed_shape, *volume.shape)
    objects = in_last_axes(objects, len(shape))
    space = Space(shape)
    check_objects(objects, space.check, space.plane_shape)
    if axis is not None:
        _check_axis(axis, objects, propagate)

    def follow(session: Session, predictor: VolumePredictor, number: int) -> None:
        if not propagate:
            return
        try:
            complete(session, predictor, number, axis)
        except ValueError as error:
            # What is known of other objects must not be lost for it.
            name = objects[number - 1].id
            warnings.warn(f"object {name} was not followed: {error}", stacklevel=2)

    labels = segment_objects(VolumePredictor(model, volume), objects, complete=follow)
    if file is None or isinstance(image, str | Path):
        return labels
    from napari_segnext.files.nifti import as_stored

    return as_stored(labels, file)


def _objects(prompts: Given) -> list[ObjectPrompts]:
    """Return what was given as objects.

    Raises
    ------
    TypeError
        If it is nothing of what can be given.
    ValueError, OSError
        As `read_prompts`.
    """
    if isinstance(prompts, str | Path):
        return read_prompts(prompts)
    if isinstance(prompts, Mapping):
        several = all(isinstance(each, Mapping) for each in prompts.values())
        objects: Mapping[Any, Any] = prompts if several else {1: prompts}
        return [_object(number, planes) for number, planes in objects.items()]
    items = list(expect(prompts, Sequence, _WANTED))
    return [expect(item, ObjectPrompts, _WANTED) for item in items]


def _object(number: int, planes: Planes) -> ObjectPrompts:
    expect(number, SupportsIndex, "objects are told apart by whole numbers")
    for plane, each in planes.items():
        expect(plane, Plane, _WANTED)
        expect(each, Prompts, _WANTED)
    return ObjectPrompts(index(number), planes=dict(planes))


def _check_axis(axis: int, objects: Sequence[ObjectPrompts], propagate: bool) -> None:
    if not propagate:
        raise ValueError("an axis is gone along with propagate=True alone")
    for item in objects:
        if not any(plane.axis == axis for plane in item.planes):
            raise ValueError(
                f"no plane along axis {axis} has prompts of object {item.id}: give it "
                "one there, or leave the axis out"
            )
