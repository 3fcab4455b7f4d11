"""Objects, their prompts per plane, manual edits and masks, with undo for all."""

from napari_segnext.labels.diffs import PlaneDiff
from napari_segnext.labels.labels import ArrayLabels, Labels
from napari_segnext.session.messages import Counts, Record, Request, Undone
from napari_segnext.session.session import Session
from napari_segnext.session.state import SegmentedObject

__all__ = [
    "ArrayLabels",
    "Counts",
    "Labels",
    "PlaneDiff",
    "Record",
    "Request",
    "SegmentedObject",
    "Session",
    "Undone",
]
