"""What undo takes back at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_segnext.geometry.plane import Plane
from napari_segnext.labels.diffs import Diff
from napari_segnext.session.state import Delta, Key

# Bytes that a step takes besides what it keeps, and that a prompt in one takes.
_STEP, _REFERENCE = 2000, 8


@dataclass(slots=True, eq=False)
class Step:
    """What undo takes back at once.

    Attributes
    ----------
    ticket
        Its serial number.
    name
        What the user did.
    object_id, plane
        Where; no plane for what concerns a whole object.
    before, after
        What was known, and is known with the step.
    diff
        How the labels change; for prompts it comes with the decoded mask.
    asks
        Objects in planes whose prompts are to be decoded after this step.
    settles
        Objects in planes whose mask is that of their prompts after this step.
    removes
        Objects of which no pixel is left after this step.
    manual
        Whether the user painted or erased each voxel of the diff.
    """

    ticket: int
    name: str
    object_id: int
    plane: Plane | None
    before: Delta
    after: Delta
    diff: Diff = field(default_factory=Diff)
    asks: frozenset[Key] = frozenset()
    settles: set[Key] = field(default_factory=set)
    removes: frozenset[int] = frozenset()
    manual: bool = False

    @property
    def concerns(self) -> set[Key]:
        """Objects in planes that it asks or settles."""
        return self.settles | self.asks

    @property
    def nbytes(self) -> int:
        """Bytes, about, that are kept for undo alone."""
        former = [result for result in self.before.results.values() if result]
        prompts = sum(map(len, self.before.prompts.values()))
        edits = sum(each.runs.nbytes for each in self.before.edits.values())
        proposals = sum(each.nbytes for each in self.before.proposals.values() if each)
        kept = self.diff.nbytes + sum(result.nbytes for result in former) + edits
        kept += proposals
        return kept + _REFERENCE * prompts + _STEP

    def overrides(self, key: Key) -> bool:
        """Tell whether an earlier prediction for `key` no longer shows after it."""
        if key[0] in self.removes or key in self.settles:
            return True
        return self.plane is None and key in self.asks
