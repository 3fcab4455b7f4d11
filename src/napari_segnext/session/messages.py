"""What a session tells others, and is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import time

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Patch
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.labels.diffs import Diff
from napari_segnext.prompts import Prompts
from napari_segnext.session.state import Delta


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What is to be decoded.

    Attributes
    ----------
    prompts
        All of the object in the plane, in the order given.
    patch
        The probability to start from, or None.
    answered
        How many of the prompts, from the first, it answers already.
    ticket
        The step that the mask will belong to.
    """

    object_id: int
    plane: Plane
    prompts: Prompts
    patch: Patch | None
    answered: int
    ticket: int

    @property
    def vain(self) -> bool:
        """Whether no mask can come of it: nothing yet that it could take away from."""
        return self.patch is None and not any(p.positive for p in self.prompts)

    @property
    def previous(self) -> FloatArray | None:
        """The probability to start from: (H, W) float32, or None."""
        return None if self.patch is None else self.patch.expand()


@dataclass(frozen=True, slots=True, eq=False)
class Undone:
    """What undo or redo did.

    Attributes
    ----------
    name
        What the user had done.
    object_id, plane
        Where; no plane for what concerns a whole object.
    prompts
        Those of the object in the plane from now on.
    requests
        What is to be decoded now: prompts of which the mask is not known.
    """

    name: str
    object_id: int
    plane: Plane | None
    prompts: Prompts
    requests: tuple[Request, ...]

    @property
    def request(self) -> Request | None:
        """The only one there can be where the step was taken in one plane."""
        return next(iter(self.requests), None)


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A change of what a session knows, for the journal.

    Attributes
    ----------
    name
        What happened.
    delta
        What is known from now on.
    diff
        How the labels changed.
    time
        When, in seconds since 1970.
    """

    name: str
    delta: Delta
    diff: Diff
    time: float = field(default_factory=time)


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is of an object.

    Attributes
    ----------
    slices
        That show it, along the axis of most planes in which the session knows
        something for it; along the first for one that only has voxels.
    """

    prompts: int
    slices: int
    voxels: int
