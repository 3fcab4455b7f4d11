"""Planes of stacks, with the objects of a neighbouring plane: the step between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.training.data import LabelledImage, Source
from napari_segnext.training.generated import (
    GeneratedSlice,
    em_stack,
    labelled_head,
    mri_stack,
)

# Planes, rows and columns of generated stacks.
_DRAWN = (16, 224, 224)
# Planes of a head that are drawn at once.
_SLAB = 20
# Standard deviation in pixels of how far a section slips, in some stacks.
_SLIPS = (0.0, 0.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """A labelled volume to take steps in.

    Attributes
    ----------
    image
        (Z, Y, X).
    layers
        Label maps of the same shape, 0 is background.
    steps
        For each axis along which steps are taken, the most planes of one.
    """

    image: NDArray[Any]
    layers: Sequence[NDArray[np.integer[Any]]]
    steps: dict[int, int]

    @classmethod
    def drawn(cls, drawn: GeneratedSlice, most: int) -> Stack:
        """Take steps along the first axis of a generated stack."""
        layers = [layer.astype(np.uint16) for layer in drawn.layers]
        return cls(drawn.image, layers, {0: most})

    def step(self, rng: np.random.Generator) -> LabelledImage:
        """Draw a plane, with the objects of another one beside it."""
        axis = int(rng.choice(list(self.steps)))
        depth = self.image.shape[axis]
        distance = int(rng.integers(1, min(self.steps[axis], depth - 1) + 1))
        here, there = rng.permutation([0, distance]) + rng.integers(depth - distance)
        slip = np.rint(rng.normal(0, rng.choice(_SLIPS), 2)).astype(int)
        pairs = [
            (_slipped(planes[here], slip), _slipped(planes[there], -slip))
            for planes in (np.moveaxis(layer, axis, 0) for layer in self.layers)
        ]
        pairs = [pair for pair in pairs if pair[1].any()]
        return LabelledImage.of(
            _slipped(np.moveaxis(self.image, axis, 0)[here], slip),
            [now.astype(np.int32) for now, _ in pairs],
            neighbours=[before.astype(np.int32) for _, before in pairs],
        )


def _slipped(plane: NDArray[Any], slip: NDArray[np.int_]) -> NDArray[Any]:
    """Leave out rows and columns on the sides that a plane slips from."""
    height, width = plane.shape
    (y, x), (up, left) = np.maximum(slip, 0), np.maximum(-slip, 0)
    return plane[y : height - up, x : width - left]


def steps_in(count: int, stack: Callable[[int], Stack]) -> Source:
    """Take steps in `count` stacks, each made when it is first drawn."""
    kept = cache(stack)
    return lambda rng: kept(int(rng.integers(count))).step(rng)


def volume_steps(path: Path, most: int) -> Source:
    """Take steps along any axis of an archive's one volume, ``image`` and ``labels``.

    Parameters
    ----------
    most
        Planes of a step, at most.
    """

    def stack(number: int) -> Stack:
        with np.load(path) as archive:
            steps = dict.fromkeys(range(3), most)
            return Stack(archive["image"], [archive["labels"]], steps)

    return steps_in(1, stack)


def head_steps(path: Path, count: int, most: int) -> Source:
    """Take steps in MRI slabs drawn on an archive's label maps, ``labels_NNNN``.

    Parameters
    ----------
    count
        Slabs that are drawn.
    most
        Planes of a step, at most.
    """

    def stack(number: int) -> Stack:
        rng = np.random.default_rng([4, number])
        with np.load(path) as archive:
            labels = archive[archive.files[int(rng.integers(len(archive.files)))]]
        labels = np.moveaxis(labels, int(rng.integers(3)), 0)
        # The ends of a head hold no brain.
        start = int(len(labels) * rng.uniform(0.2, 0.8)) - _SLAB // 2
        return Stack.drawn(labelled_head(rng, labels[start : start + _SLAB]), most)

    return steps_in(count, stack)


def generated_steps(
    draw: Callable[[np.random.Generator, tuple[int, int, int]], GeneratedSlice],
    count: int,
    most: int,
) -> Source:
    """Take steps in generated stacks; parameters as those of `head_steps`."""

    def stack(number: int) -> Stack:
        return Stack.drawn(draw(np.random.default_rng([5, number]), _DRAWN), most)

    return steps_in(count, stack)


def generated_em_steps(count: int) -> Source:
    """Take steps in generated EM-like stacks."""
    return generated_steps(em_stack, count, most=3)


def generated_mri_steps(count: int) -> Source:
    """Take steps in generated MRI-like stacks."""
    return generated_steps(mri_stack, count, most=2)
