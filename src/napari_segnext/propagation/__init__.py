"""From one or a few planes of an object to all of it.

The shape of the object in a plane, moved as the pixels around it move, is where it is
looked for in the next one: by the follower, which remembers the planes that are
decided, and by the model that answers prompts. So it goes on, both ways, until the
object ends. Between two planes that are known, the shape in between takes the place of
the last one, and the way is gone from both sides. At the end all of it is looked at
once more, as one object.
"""

from napari_segnext.propagation.propagate import Propagation, propagate
from napari_segnext.propagation.results import Annotated, PlaneResult
from napari_segnext.propagation.reweighing import reweighed
from napari_segnext.propagation.search import Rules
from napari_segnext.session.doubt import to_check

__all__ = [
    "Annotated",
    "PlaneResult",
    "Propagation",
    "Rules",
    "propagate",
    "reweighed",
    "to_check",
]
