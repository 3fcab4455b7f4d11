"""Evaluation: the papers' protocol, and what goes beyond it.

`run` does what the command line does; `evaluate` is the loop, for any predictor.
"""

from napari_segnext.evaluation.clicker import ClickRobot, RobotClick
from napari_segnext.evaluation.command import run, run_replay
from napari_segnext.evaluation.datasets import DATASETS, load_dataset
from napari_segnext.evaluation.evaluate import (
    InteractivePredictor,
    evaluate,
    evaluate_object,
    segment_anything_seconds,
)
from napari_segnext.evaluation.files import Files
from napari_segnext.evaluation.results import ObjectResult, Result, Settings
from napari_segnext.evaluation.sample import Sample, select_objects

__all__ = [
    "DATASETS",
    "ClickRobot",
    "Files",
    "InteractivePredictor",
    "ObjectResult",
    "Result",
    "RobotClick",
    "Sample",
    "Settings",
    "evaluate",
    "evaluate_object",
    "load_dataset",
    "run",
    "run_replay",
    "segment_anything_seconds",
    "select_objects",
]
