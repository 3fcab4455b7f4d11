"""Cutting training crops out of labelled images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.frame import Frame
from napari_segnext.models.config import IMAGENET_MEAN
from napari_segnext.training.data import LabelledImage, Labels, Sample

# An object's long side over the crop's: small objects to crop-filling ones.
RELATIVE_SIZE = (0.1, 0.9)
# Model pixels per image pixel, at most: little more than tiles have in most crops, and
# in some as much as an image has that is far smaller than the model's input.
MAX_ZOOM, SMALL_IMAGE_ZOOM = 1.5, 6.0
SMALL_IMAGES = 0.2
# A training object's pixels: at least so many, and its least and largest share of a
# crop. The papers' least area is the same share of their input.
MIN_PIXELS = 24
SHARE = (0.001, 0.8)


def around_object(
    picture: LabelledImage, rng: np.random.Generator, size: int, objects: int
) -> Sample | None:
    """Crop around a random object, and gather others that lie in the crop.

    The object has a random share of the crop, for models that see tiles.

    Parameters
    ----------
    size
        Side of the crop, in model pixels.
    objects
        Objects in the sample; repeated if there are fewer.

    Returns
    -------
    Sample or None
        None if the object drawn is too small to be seen, or nothing is labelled.
    """

    def frame(labels: Labels, box: tuple[slice, slice]) -> Frame:
        return frame_around(box, labels.shape, rng, size)

    return _cut(picture, rng, objects, frame)


def whole_image(
    picture: LabelledImage, rng: np.random.Generator, size: int, objects: int
) -> Sample | None:
    """Bring the whole image to the model's input, as SegNext sees it.

    Parameters and result are those of `around_object`. The sides are scaled each on
    its own, as the published models are used; they were trained on padded images.
    """

    def frame(labels: Labels, box: tuple[slice, slice]) -> Frame:
        height, width = labels.shape
        return Frame(0, 0, height, width, size, resize="square")

    return _cut(picture, rng, objects, frame)


def padded_image(
    picture: LabelledImage, rng: np.random.Generator, size: int, objects: int
) -> Sample | None:
    """Bring the whole image to the model's input, as SAM sees it.

    Parameters and result are those of `around_object`. Sides keep their ratio; padding
    holds the mean.
    """

    def frame(labels: Labels, box: tuple[slice, slice]) -> Frame:
        height, width = labels.shape
        return Frame(0, 0, height, width, size, resize="pad")

    return _cut(picture, rng, objects, frame, IMAGENET_MEAN)


def _cut(
    picture: LabelledImage,
    rng: np.random.Generator,
    objects: int,
    choose: Callable[[Labels, tuple[slice, slice]], Frame],
    fill: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Sample | None:
    """Draw an object and cut out the frame chosen for its label map and its box."""
    if not picture.labels:
        return None
    layer = int(rng.integers(len(picture.labels)))
    labels, boxes = picture.labels[layer], picture.boxes[layer]
    chosen = int(rng.choice(list(boxes)))
    frame = choose(labels, boxes[chosen])
    window = (
        slice(frame.top, frame.top + frame.height),
        slice(frame.left, frame.left + frame.width),
    )
    moved = replace(frame, top=0, left=0)
    pixels = picture.window.apply(picture.image[window])
    image = moved.crop(pixels, antialias=True, fill=fill)
    small = nearest(labels[window], frame)
    present, counts = np.unique(small, return_counts=True)
    enough = is_usable(counts, frame.size) & (present > 0)
    usable = present[enough]
    if chosen not in usable:
        return None
    others = rng.permutation(usable[usable != chosen])[: objects - 1]
    wanted = [chosen, *others]
    wanted += [wanted[n % len(wanted)] for n in range(objects - len(wanted))]
    return Sample(image, np.stack([small == i for i in wanted]))


def is_usable(pixels: NDArray[np.integer[Any]], size: int) -> NDArray[np.bool_]:
    """Tell which objects, by their pixels, are neither too small nor too large."""
    least, most = np.array(SHARE) * size**2
    return np.asarray((pixels >= max(MIN_PIXELS, least)) & (pixels <= most), bool)


def frame_around(
    box: tuple[slice, slice],
    shape: tuple[int, ...],
    rng: np.random.Generator,
    size: int,
) -> Frame:
    """Choose a crop in which a box has a random relative size and place."""
    extent = np.array([s.stop - s.start for s in box])
    relative = np.exp(rng.uniform(*np.log(RELATIVE_SIZE)))
    zoom = SMALL_IMAGE_ZOOM if rng.random() < SMALL_IMAGES else MAX_ZOOM
    side = max(extent.max() / relative, size / zoom, 16)
    lengths = np.minimum(round(side), shape).astype(int)
    middle = np.array([(s.start + s.stop) / 2 for s in box])
    # The centre of the object may lie anywhere in the middle two thirds.
    start = middle - lengths * rng.uniform(0.17, 0.83, 2)
    top, left = np.clip(np.round(start), 0, np.array(shape) - lengths).astype(int)
    return Frame(
        int(top), int(left), int(lengths[0]), int(lengths[1]), size, resize="pad"
    )


def nearest(labels: Labels, frame: Frame) -> Labels:
    """Bring the labels of a frame's region to its model pixels: (S, S)."""
    rows, columns = frame.content
    y = ((np.arange(rows) + 0.5) * frame.height / rows).astype(int)
    x = ((np.arange(columns) + 0.5) * frame.width / columns).astype(int)
    padded = np.zeros((frame.size, frame.size), np.int32)
    padded[:rows, :columns] = labels[y[:, None], x]
    return padded
