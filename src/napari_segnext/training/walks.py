"""Ways through planes, to learn to follow objects on: real, generated, made up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.geometry.shapes import pieces, touching
from napari_segnext.images.intensity import robust_window
from napari_segnext.propagation.motion import motion
from napari_segnext.training.augment import change_intensity
from napari_segnext.training.crops import (
    around_object,
    frame_around,
    is_usable,
    nearest,
)
from napari_segnext.training.data import Source, Weighted
from napari_segnext.training.generated.noise import smooth_noise

# Planes of a way: the one that is known, those that are looked at, and one that is
# looked at or known too.
LENGTH = 4
# Share of ways on which pixels are moved before the model looks.
_MOVED = 0.6
# Of the ways of a stack, those that begin with an object that ends on them.
_ENDING = 0.15
# Of the made-up ones, those on which everything is somewhere else at once.
_GONE = 0.08
# Share of ways whose planes differ in brightness, and by how much.
_UNEVEN, _GAIN, _OFFSET = 0.5, 0.08, 0.04
# Made-up motion, in model pixels a plane: least, most; its smoothness.
_MOTION, _FEATURE = (0.5, 9.0), (24.0, 96.0)
# Share of objects of which all pieces are known, not the largest alone.
_WHOLE = 0.7
# Model pixels within which a piece that nothing overlaps is still the object's.
_REACH = 6
# Motion is looked for at half the size, from so many pixels around.
_HALF, _RADIUS = 2, 5
_CONNECTED = np.ones((3, 3), bool)


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Objects on a way through planes.

    Attributes
    ----------
    images
        (T, S, S, 3) float32 in 0..1.
    masks
        (K, T, S, S) bool; in the first plane none is empty.
    motion
        (T - 1, 2, S, S) float32: of `propagation.motion.motion`, from each plane to the
        next, or none at all.
    """

    images: FloatArray
    masks: BoolArray
    motion: FloatArray


# Draws a way: side of the crop, objects; None if what was drawn cannot be used.
Ways: TypeAlias = Callable[[np.random.Generator, int, int], Walk | None]


def walks_in(
    image: NDArray[Any], layers: Sequence[NDArray[np.integer[Any]]], most: int
) -> Ways:
    """Walk through a labelled volume along its first axis.

    Parameters
    ----------
    image
        (Z, Y, X) or (Z, Y, X, C).
    layers
        Label maps (Z, Y, X), 0 is background.
    most
        Planes of a step, at most.
    """

    def draw(rng: np.random.Generator, size: int, objects: int) -> Walk | None:
        planes = _planes(len(image), most, rng)
        layer = layers[int(rng.integers(len(layers)))]
        labels = np.stack([layer[plane] for plane in planes]).astype(np.int32)
        boxes = {
            i + 1: box for i, box in enumerate(ndimage.find_objects(labels[0])) if box
        }
        if not boxes:
            return None
        chosen = _chosen(boxes, labels, rng)
        frame = frame_around(boxes[chosen], labels.shape[1:], rng, size)
        window = robust_window(image[planes[0]], "percentile")
        images = np.stack([frame.crop(window.apply(image[p]), True) for p in planes])
        small = np.stack(
            [
                nearest(
                    each[
                        frame.top : frame.top + frame.height,
                        frame.left : frame.left + frame.width,
                    ],
                    frame,
                )
                for each in labels
            ]
        )
        masks = _goals(small, chosen, objects, rng)
        return None if masks is None else _walk(images, masks, rng)

    return draw


def made_up(source: Source) -> Ways:
    """Make up planes beside those of single images: all of it moves and bends."""

    def draw(rng: np.random.Generator, size: int, objects: int) -> Walk | None:
        sample = around_object(source(rng), rng, size, objects)
        if sample is None:
            return None
        images, masks = [sample.image], [sample.masks.astype(np.float32)]
        place = np.indices((size, size)).astype(np.float32)
        amount = float(np.exp(rng.uniform(*np.log(_MOTION))))
        gone = rng.integers(1, LENGTH) if rng.random() < _GONE else LENGTH
        drift = rng.normal(0, amount, (2, 1, 1))
        for number in range(1, LENGTH):
            feature = float(np.exp(rng.uniform(*np.log(_FEATURE))))
            bend = np.stack(
                [smooth_noise(rng, (size, size), (feature, feature)) for _ in "yx"]
            )
            place = place + drift + rng.normal(0, amount / 2, (2, 1, 1)) + amount * bend
            channels = [_at(sample.image[..., c], place, "reflect") for c in range(3)]
            image = np.stack(channels, -1)
            if number >= gone:
                image = np.roll(image, (size // 2, size // 3), (0, 1))
                masks.append(np.zeros_like(masks[0]))
            else:
                masks.append(np.stack([_at(m, place, "constant") for m in masks[0]]))
            images.append(image)
        return _walk(np.stack(images), np.stack(masks, 1) > 0.5, rng)

    return draw


def _at(values: FloatArray, place: FloatArray, mode: str) -> FloatArray:
    found = ndimage.map_coordinates(values, place, order=1, mode=mode)
    return np.asarray(found, np.float32)


def _planes(depth: int, most: int, rng: np.random.Generator) -> list[int]:
    """Draw the indices of a way: a few steps of one length."""
    step = int(rng.integers(1, min(most, (depth - 1) // (LENGTH - 1)) + 1))
    first = int(rng.integers(depth - step * (LENGTH - 1)))
    planes = [first + step * n for n in range(LENGTH)]
    return planes[:: int(rng.choice([1, -1]))]


def _chosen(
    boxes: dict[int, tuple[slice, ...]],
    labels: NDArray[np.int32],
    rng: np.random.Generator,
) -> int:
    """Draw an object of the first plane, of its many slivers fewer."""
    numbers = np.array(list(boxes))
    sides = np.array([[s.stop - s.start for s in box] for box in boxes.values()])
    weight = np.sqrt(sides.prod(1))
    ended = ~np.isin(numbers, labels[-1])
    if ended.any() and rng.random() < _ENDING:
        weight = weight * ended
    return int(rng.choice(numbers, p=weight / weight.sum()))


def _goals(
    labels: NDArray[np.int32], chosen: int, objects: int, rng: np.random.Generator
) -> BoolArray | None:
    """Return (K, T, S, S) masks of the object drawn and of others in the crop."""
    present, counts = np.unique(labels[0], return_counts=True)
    usable = present[is_usable(counts, labels.shape[-1]) & (present > 0)]
    if chosen not in usable:
        return None
    others = rng.permutation(usable[usable != chosen]).tolist()
    goals: list[BoolArray] = []
    for number in (chosen, *others):
        goal = _goal(labels == number, rng.random() < _WHOLE)
        if goal is not None:
            goals.append(goal)
        if len(goals) == objects:
            break
    if not goals:
        return None
    goals += [goals[n % len(goals)] for n in range(objects - len(goals))]
    return np.stack(goals)


def _goal(masks: BoolArray, whole: bool) -> BoolArray | None:
    """Follow an object, or its largest piece alone, from the first of (T, S, S) planes.

    What goes on from it is what overlaps it or lies near; None if nothing does in the
    second plane although the object is there.
    """
    parts, count = pieces(masks[0])
    areas = np.bincount(parts.ravel(), minlength=count + 1)
    largest = np.asarray(parts == 1 + int(areas[1:].argmax()), bool)
    goal = [masks[0] if whole else largest]
    for mask in masks[1:]:
        on = touching(mask, goal[-1])
        if whole or (mask.any() and not on.any()):
            on = touching(mask, ndimage.binary_dilation(goal[-1], _CONNECTED, _REACH))
        goal.append(on)
    if masks[1].any() and not goal[1].any():
        return None
    return np.stack(goal)


def _walk(images: FloatArray, masks: BoolArray, rng: np.random.Generator) -> Walk:
    """Turn and flip, change intensities, and look for motion."""
    quarter, flip = int(rng.integers(4)), bool(rng.integers(2))
    images, masks = np.rot90(images, quarter, (1, 2)), np.rot90(masks, quarter, (2, 3))
    if flip:
        images, masks = images[:, :, ::-1], masks[..., ::-1]
    count, size = images.shape[:2]
    # As one image, so that contrast is changed alike.
    tall = np.ascontiguousarray(images).reshape(count * size, size, 3)
    images = change_intensity(tall, rng).reshape(images.shape)
    if rng.random() < _UNEVEN:
        gain = np.exp(rng.normal(0, _GAIN, (count, 1, 1, 1)))
        offset = rng.normal(0, _OFFSET, (count, 1, 1, 1))
        images = np.clip((images - 0.5) * gain + 0.5 + offset, 0, 1)
    images = np.asarray(images, np.float32)
    moved = np.zeros((count - 1, 2, size, size), np.float32)
    if rng.random() < _MOVED:
        grey = images.mean(-1)[:, ::_HALF, ::_HALF]
        for number in range(count - 1):
            flow = motion(grey[number], grey[number + 1], _RADIUS)
            moved[number] = flow.repeat(_HALF, 1).repeat(_HALF, 2) * _HALF
    return Walk(images, np.ascontiguousarray(masks), moved)


class Walks(Weighted[Ways, Walk]):
    """Draw ways from weighted sources, forever.

    Parameters
    ----------
    sources, seed, start, share
        See `napari_segnext.training.data.Weighted`.
    size, objects
        Side of a crop, in model pixels, and objects of a way.
    """

    def __init__(
        self,
        sources: Mapping[str, tuple[Ways, float]],
        size: int,
        objects: int,
        seed: int,
        start: int = 0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        super().__init__(sources, seed, start, share)
        self.size, self.objects = size, objects

    def draw(self, source: Ways, rng: np.random.Generator) -> Walk | None:
        """Draw one way."""
        return source(rng, self.size, self.objects)
