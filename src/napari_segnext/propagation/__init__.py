"""From one or a few planes of an object to all of it.

What is known of a plane prompts the next one: the shape of the object there, moved as
the pixels around it move, as a soft previous mask, and clicks deep inside it. So it
goes on, both ways, until the object ends. Between two planes that are known, the shape
in between takes the place of the last one, and the way is gone from both sides.
"""

from napari_segnext.propagation.propagate import Propagation, propagate
from napari_segnext.propagation.results import Annotated, PlaneResult, certainty
from napari_segnext.propagation.search import Rules
from napari_segnext.session.doubt import to_check

__all__ = [
    "Annotated",
    "PlaneResult",
    "Propagation",
    "Rules",
    "certainty",
    "propagate",
    "to_check",
]
