"""Calibrate the int8 engine: what flows through a model while a robot clicks.

Post-training quantisation chooses the range of every value from samples; they are the
inputs of the model's two functions in sessions like the user's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_segnext.engines import EngineModel, openvino
from napari_segnext.engines.running import Check
from napari_segnext.evaluation.clicker import ClickRobot
from napari_segnext.evaluation.sample import Sample, object_truth
from napari_segnext.models import SegmentationModel
from napari_segnext.models.base import Features
from napari_segnext.models.prompt_batch import PromptBatch
from napari_segnext.predicting.predictor import Predictor
from napari_segnext.prompts import Prompts

Selection = Sequence[tuple[Sample, tuple[int, ...]]]

# Calls of each function that are kept; more make the ranges no better.
_CALLS = 24
_CLICKS = 3


class Recorder(EngineModel):
    """A model that keeps what its functions are given.

    Attributes
    ----------
    samples
        ``"function/call/argument"`` -> array; arguments as `engines.functions` has
        them.
    """

    def __init__(self, model: SegmentationModel) -> None:
        super().__init__(model)
        self.samples: dict[str, NDArray[np.float32]] = {}
        self._calls = dict.fromkeys(("image_features", "mask_logits"), 0)

    @property
    def full(self) -> bool:
        """Whether more would not be kept."""
        return min(self._calls.values()) >= _CALLS

    def image_features(self, images: Tensor, check: Check = lambda: None) -> Features:
        """Compute the model's features."""
        self._keep("image_features", images)
        return super().image_features(images, check)

    def prompted_logits(self, features: Features, prompts: PromptBatch) -> Tensor:
        """Fuse features with prompts."""
        self._keep("mask_logits", *features.values(), prompts.dense)
        return super().prompted_logits(features, prompts)

    def _keep(self, function: str, *arguments: Tensor) -> None:
        call = self._calls[function]
        if call >= _CALLS:
            return
        self._calls[function] += 1
        for number, tensor in enumerate(arguments):
            self.samples[f"{function}/{call}/{number}"] = tensor.cpu().numpy().copy()


def calibrate(model: SegmentationModel, selection: Selection) -> None:
    """Make the int8 engine of a model; it is found in the user's cache from then on.

    Parameters
    ----------
    model
        On the CPU.
    selection
        Images and objects to click on, from `select_objects`. Some ten images of the
        kind that will be segmented are enough.

    Raises
    ------
    RuntimeError
        If the engine cannot be made; the message says why.
    """
    recorder = Recorder(model)
    predictor = Predictor(recorder)
    for sample, objects in selection:
        if recorder.full:
            break
        predictor.set_image(sample.image())
        labels = sample.labels()
        for object_id in objects:
            _click(predictor, object_truth(labels, object_id))
    openvino.make(model, openvino.INT8, recorder.samples)


def calibrate_with_half(model: SegmentationModel, selection: Selection) -> Selection:
    """Make the int8 engine of a model from every second image; return the others.

    Raises
    ------
    ValueError
        If there are fewer than two images.
    RuntimeError
        As `calibrate`.
    """
    if len(selection) < 2:
        raise ValueError(
            "int8 is calibrated with half of the images and measured on the others: "
            "give at least two"
        )
    calibrate(model, selection[::2])
    return selection[1::2]


def _click(predictor: Predictor, truth: NDArray[np.integer]) -> None:
    robot, prompts, previous = ClickRobot(truth), Prompts(), None
    mask = np.zeros(truth.shape, bool)
    for _ in range(_CLICKS):
        click = robot.next_click(mask)
        prompts = prompts.click(click.y, click.x, click.positive)
        previous = predictor.predict(prompts, previous)
        mask = previous.mask
