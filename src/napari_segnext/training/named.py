"""Training samples with phrases, and what a user who has a phrase gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

import numpy as np

from napari_segnext.geometry.frame import BoolArray, Frame
from napari_segnext.prompts import Prompts
from napari_segnext.training.crops import frame_around, is_usable, nearest
from napari_segnext.training.data import Crop, LabelledImage, Sample
from napari_segnext.training.simulate import first_prompts, point_inside

# Share of samples in which a phrase comes alone, with a negative click on something
# else, and with other first prompts; in the rest there is none.
_ALONE, _REFUSING, _WITH_PROMPTS = 0.5, 0.2, 0.2


def named_objects(resize: Literal["square", "pad"], whole: float) -> Crop:
    """Return a crop for images with phrases: the whole of them, or around an object.

    Parameters
    ----------
    resize
        The model's; see `napari_segnext.geometry.frame.Frame`.
    whole
        Share of samples that show the whole image.
    """

    def cut(
        picture: LabelledImage, rng: np.random.Generator, size: int, objects: int
    ) -> Sample | None:
        (labels,), (boxes,) = picture.labels, picture.boxes
        chosen = str(rng.choice(list(picture.phrases)))
        height, width = labels.shape
        frame = Frame(0, 0, height, width, size, resize)
        if rng.random() >= whole:
            meant = sorted(picture.phrases[chosen])
            frame = frame_around(boxes[int(rng.choice(meant))], labels.shape, rng, size)
        region = (
            slice(frame.top, frame.top + frame.height),
            slice(frame.left, frame.left + frame.width),
        )
        frame = replace(frame, top=0, left=0)
        small = nearest(labels[region], frame)
        masks = {p: np.isin(small, list(ids)) for p, ids in picture.phrases.items()}
        usable = [p for p, m in masks.items() if is_usable(m.sum(), size)]
        if chosen not in usable:
            return None
        others = [p for p in rng.permutation(usable).tolist() if p != chosen]
        wanted = [chosen, *others][:objects]
        wanted += [wanted[n % len(wanted)] for n in range(objects - len(wanted))]
        pixels = picture.window.apply(picture.image[region])
        image = frame.crop(pixels, antialias=True)
        return Sample(image, np.stack([masks[p] for p in wanted]), tuple(wanted))

    return cut


def openings(sample: Sample, rng: np.random.Generator) -> list[Prompts]:
    """Simulate what a conversation about each object of a sample begins with."""
    if not sample.phrases:
        return [first_prompts(mask, rng) for mask in sample.masks]
    return [
        first_named_prompts(mask, sample.masks, phrase, rng)
        for mask, phrase in zip(sample.masks, sample.phrases, strict=True)
    ]


def first_named_prompts(
    mask: BoolArray, objects: Iterable[BoolArray], phrase: str, rng: np.random.Generator
) -> Prompts:
    """Simulate what a user gives first for an object that has a name.

    Parameters
    ----------
    mask
        (S, S), not empty.
    objects
        (S, S) masks of the image's objects.
    """
    said, kind = Prompts().text(phrase), rng.random()
    if kind < _ALONE:
        return said
    if kind < _ALONE + _REFUSING:
        apart = [other & ~mask for other in objects]
        apart = [other for other in apart if other.any()] or [~mask]
        refused = apart[int(rng.integers(len(apart)))]
        return said.click(*point_inside(refused, rng), positive=False)
    prompts = first_prompts(mask, rng)
    with_phrase = kind < _ALONE + _REFUSING + _WITH_PROMPTS
    return prompts.text(phrase) if with_phrase else prompts
