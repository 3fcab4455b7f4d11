"""Objects, their prompts per plane, manual edits and masks, with undo for all."""

from napari_segnext.labels.labels import ArrayLabels, LabelChange, Labels
from napari_segnext.session.messages import Counts, Record, Request, Undone
from napari_segnext.session.session import Session
from napari_segnext.session.state import SegmentedObject

__all__ = [
    "ArrayLabels",
    "Counts",
    "LabelChange",
    "Labels",
    "Record",
    "Request",
    "SegmentedObject",
    "Session",
    "Undone",
]
