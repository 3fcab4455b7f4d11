"""What a model is taught of accepted objects: what it was asked, and what was right.

Prompts of the user are replayed on the tiles that are embedded. These few would be
learned by heart, so a simulated user is shown the objects besides, somewhere in parts
that are turned, mirrored and changed in brightness.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from napari_segnext.evaluation.clicker import ClickRobot
from napari_segnext.evaluation.simulate import shaky
from napari_segnext.finding.examples import Example
from napari_segnext.finding.views import augmented, view_of
from napari_segnext.geometry.frame import BoolArray, Frame
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.models.base import Embedding, Features, cut
from napari_segnext.models.tiny import Tiny
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.predicting.tiles import bounds_of
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.prompts import Prompts
from napari_segnext.session.accepted import Accepted

# Model pixels of a part that is learned from, at least; how many times it is as long as
# the object; and to what it is rounded, the stride of the coarsest features.
_PART, _AROUND, _CELL = 160, 1.5, 16
# How far a part differs at most from its level in scale, as a factor; how unsteady the
# simulated user's hand is; corrections after the first prompt.
_SCALED, _JITTER, _CORRECTIONS = 1.2, 0.3, 1


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What a model is asked in a part of what it sees, and what is right.

    Attributes
    ----------
    features
        (1, C, p / stride, p / stride) by name.
    dense
        (1, 3, p, p): the prompts and the mask before.
    target
        (1, 1, p, p): 1 on the object, else 0.
    """

    features: Features
    dense: Tensor
    target: Tensor


# A conversation about an object: asks, and is sent each answer, (p, p) probabilities.
Talk: TypeAlias = Generator[Lesson, FloatArray, None]


class Lessons:
    """Makes lessons of accepted objects, with the answers that a model gives by now.

    Parameters
    ----------
    predictor
        Of the image, with the model that is taught; one look at each prompt.
    looks
        How often a first click is looked at in use.
    rng
        Of the simulated user and of the parts.
    cancelled
        Asked between blocks of the encoder.
    """

    def __init__(
        self,
        predictor: VolumePredictor,
        looks: int,
        rng: np.random.Generator,
        cancelled: Callable[[], bool],
    ) -> None:
        assert isinstance(predictor.model, Tiny)
        self._predictor, self._model = predictor, predictor.model
        self._looks, self._rng, self._cancelled = looks, rng, cancelled

    def replayed(self, each: Accepted) -> Talk:
        """Ask as the user did, on the tiles that the answers come from."""
        at, found = self._predictor.at(each.plane), None
        style = self._model.config.style
        for count in self._turns():
            prompts = Prompts(each.prompts.items[:count])
            if len(prompts) < count:
                return
            answered = 0 if found is None else found.answers(prompts)
            patch = None if found is None else found.patch
            found = at.predict(prompts, found, self._cancelled)
            assert found.tile is not None
            frame = at.pyramid.frame(found.tile)
            mask = _shown(each, frame)
            if mask.any():
                embedding = at.embedding(found.tile, self._cancelled)
                dense = prompts.to_dense(frame, style, patch, answered)
                yield self._lesson(embedding, dense, mask, self._part(mask))

    def simulated(self, each: Accepted) -> Talk:
        """Ask as a simulated user, somewhere in a part at random."""
        size, style = self._model.config.size, self._model.config.style
        at = self._predictor.at(each.plane)
        frame = self._frame(at, each)
        example = Example(each.plane, (each.mask,))
        view = augmented(view_of(at.seen(frame), example, frame), self._rng)
        mask = view.targets[0] > 0.5
        if not mask.any():
            return
        embedding = self._model.encode(view.pixels, self._cancelled)
        part, whole = self._part(mask), Frame(0, 0, size, size, size)
        robot, prompts, answered = ClickRobot(mask.astype(np.int8)), Prompts(), 0
        before = None
        for count in self._turns():
            found = np.zeros_like(mask) if before is None else before > 0.5
            if len(prompts) < count:
                click = robot.next_click(found)
                wrong = robot.wrong(found, click.positive)
                y, x = shaky(click, wrong, _JITTER, self._rng)
                robot.remember(y, x)
                prompts = prompts.click(y, x, click.positive)
            dense = prompts.to_dense(whole, style, before, answered)
            answer = yield self._lesson(embedding, dense, mask, part)
            answered, before = len(prompts), np.zeros(mask.shape, np.float32)
            before[part.slices] = answer

    def _turns(self) -> list[int]:
        """Return how many prompts there are at each answer."""
        return [1] * self._looks + [2 + n for n in range(_CORRECTIONS)]

    def _lesson(
        self, embedding: Embedding, dense: FloatArray, mask: BoolArray, part: Extent
    ) -> Lesson:
        maps, device = embedding.part(part, self._model.config.size), self._model.device
        # What was made in inference mode cannot be trained on.
        features = {name: tensor.clone() for name, tensor in maps.items()}
        target = torch.from_numpy(mask[part.slices].astype(np.float32))[None, None]
        drawn = cut(torch.from_numpy(dense[None]), part)
        return Lesson(features, drawn.to(device), target.to(device))

    def _frame(self, at: Predictor, each: Accepted) -> Frame:
        """Choose a part of a plane that shows the object, about as large as a tile."""
        pyramid, config = at.pyramid, self._model.config
        level = pyramid.choose(bounds_of(each.mask.corners, at.shape)).level
        scale = pyramid.scale(min(level, pyramid.first_level()))
        side = round(config.size / scale * _SCALED ** self._rng.uniform(-1, 1))
        height, width = min(side, at.shape[0]), min(side, at.shape[1])
        extent = each.mask.extent
        top = self._start(extent.top, extent.bottom, height, at.shape[0])
        left = self._start(extent.left, extent.right, width, at.shape[1])
        return Frame(top, left, height, width, config.size, config.resize)

    def _part(self, mask: BoolArray) -> Extent:
        """Choose a square of cells that shows what is set in a mask (S, S)."""
        extent, size = Extent.of(mask), len(mask)
        side = min(size, max(_PART, _cells(_AROUND * max(extent.shape))))
        top, left = (
            min(size - side, self._start(low, high, side, size) // _CELL * _CELL)
            for low, high in ((extent.top, extent.bottom), (extent.left, extent.right))
        )
        return Extent(top, left, top + side, left + side)

    def _start(self, low: int, high: int, length: int, whole: int) -> int:
        """Choose where a stretch of a length begins that holds another, if it can."""
        first, last = max(0, high - length), min(low, whole - length)
        return int(self._rng.integers(min(first, last), max(first, last) + 1))


def _cells(length: float) -> int:
    return int(-(-length // _CELL) * _CELL)


def _shown(each: Accepted, frame: Frame) -> BoolArray:
    """Return the pixels of an object as a frame shows them, (S, S)."""
    pixels = each.mask.pixels.astype(np.float32)
    offset = each.mask.offset
    return np.asarray(frame.crop_part(pixels, offset, antialias=True) > 0.5)
