"""The steps of a session in order, and results that arrive after later steps.

A mask is decoded while the user goes on. The rule: labels and steps are always what
they would be had every prediction been ready the moment it was asked for. A late
one is therefore put *beneath* the steps that were taken since: where one of those
has written a voxel, it keeps it, and what undoing it brings back is the late one.

Steps take a bounded number of bytes. The oldest are dropped, but for what they ask:
that is left to the ground, on which the steps that can be undone stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.space import Space
from napari_segnext.labels.diffs import Diff
from napari_segnext.labels.labels import Values
from napari_segnext.labels.sparse import Sparse, find
from napari_segnext.session.state import Delta, Key, Result, SegmentedObject
from napari_segnext.session.step import Step

# Bytes, about, that steps may take; the newest is kept in any case.
_BUDGET = 1 << 29


@dataclass(slots=True)
class Insertion:
    """What a late result changes.

    Attributes
    ----------
    now
        Voxels to write.
    diffs
        Steps that get another diff.
    shadowed
        The undone step after which the result no longer shows.
    """

    now: Diff
    diffs: list[tuple[Step, Diff]]
    shadowed: Step | None = None

    def apply(self, key: Key, result: Result) -> None:
        """Give the steps their diffs, and what undoing brings back."""
        for step, diff in self.diffs:
            step.diff = diff
        if self.shadowed is not None:
            self.shadowed.before.results[key] = result


class History:
    """Steps that are done, and steps that were undone and can be redone.

    Parameters
    ----------
    ground
        A step that cannot be undone, on which others will stand.

    Attributes
    ----------
    done, undone
        To be read; the methods change them.
    nbytes
        What the steps take.
    """

    def __init__(self, ground: Step | None = None) -> None:
        self.done: list[Step] = []
        self.undone: list[Step] = []
        self.nbytes = 0
        self._bytes: dict[int, int] = {}
        # Of each object in a plane the steps done that ask or settle it, in order.
        self._about: dict[Key, list[Step]] = {}
        self._waiting: set[Key] = set()
        self._ground = ground
        if ground is not None:
            self._add(ground)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return len(self.done) > (self._ground is not None)

    @property
    def shortened(self) -> bool:
        """Whether there were steps before those that can be taken back."""
        return self._ground is not None

    def push(self, step: Step) -> None:
        """Add a step; what was undone can no longer be redone."""
        for lost in self.undone:
            self.nbytes -= self._bytes.pop(lost.ticket)
        self.undone.clear()
        self._add(step)
        self._weigh([step])

    def undo(self) -> Step:
        """Return the last step, which is no longer done."""
        step = self.done.pop()
        self.undone.append(step)
        for key in step.concerns:
            self._about[key].pop()
            self._look_at(key)
        return step

    def redo(self) -> Step:
        """Return the step that was undone last, which is done again."""
        step = self.undone.pop()
        self._add(step)
        return step

    def settle(self, place: int, key: Key, plan: Insertion, result: Result) -> None:
        """Make a result part of the step that asked for it, as planned.

        Parameters
        ----------
        place
            Where the step lies.
        """
        step = self.done[place]
        plan.apply(key, result)
        step.settles.add(key)
        step.after.results[key] = result
        self._look_at(key)
        self._weigh([each for each, _ in plan.diffs])

    def exchange(self, key: Key, former: Result, result: Result) -> None:
        """Let steps bring back one result in the place of another."""
        for step in (*self.done, *self.undone):
            for delta in (step.before, step.after):
                if delta.results.get(key) is former:
                    delta.results[key] = result

    def awaiting(self, key: Key) -> Step | None:
        """Return the step whose prompts are to be decoded now, if one is."""
        return self._about[key][-1] if key in self._waiting else None

    @property
    def waiting(self) -> list[Key]:
        """Objects in planes whose prompts are to be decoded now, in order."""
        return sorted(self._waiting)

    def _add(self, step: Step) -> None:
        self.done.append(step)
        for key in step.concerns:
            self._about.setdefault(key, []).append(step)
            self._look_at(key)

    def _look_at(self, key: Key) -> None:
        """Take note whether an object's prompts in a plane are to be decoded."""
        about = self._about[key]
        if about and key not in about[-1].settles:
            self._waiting.add(key)
        else:
            self._waiting.discard(key)
        if not about:
            del self._about[key]

    def _weigh(self, steps: list[Step]) -> None:
        """Take note of what steps take, and drop the oldest if all take too much."""
        for step in steps:
            former = self._bytes.get(step.ticket, 0)
            self._bytes[step.ticket] = step.nbytes
            self.nbytes += self._bytes[step.ticket] - former
        while self.nbytes > _BUDGET and len(self.done) > 1 + self.shortened:
            self._drop()

    def _drop(self) -> None:
        """Let the oldest step become part of the ground."""
        if self._ground is None:
            self._ground = Step(0, "dropped", 0, None, Delta(), Delta())
            self.done.insert(0, self._ground)
        ground, step = self._ground, self.done.pop(1)
        self.nbytes -= self._bytes.pop(step.ticket, 0)
        # Ids that were in use are not given again.
        ground.before.objects |= step.before.objects
        ground.asks |= step.asks
        ground.settles = (ground.settles - step.asks) | step.settles
        for key in step.concerns:
            about = self._about[key]
            about[: 1 + (about[0] is ground)] = [ground]

    def place(self, ticket: int, key: Key) -> int | None:
        """Return where the step lies whose result arrives, None if outdated."""
        for at in range(len(self.done) - 1, -1, -1):
            step = self.done[at]
            mine = step.ticket == ticket or (step is self._ground and key in step.asks)
            if mine:
                return None if key in step.settles else at
            if step.overrides(key):
                return None
        return None

    def changed_after(self, place: int, plane: Plane, space: Space) -> Extent:
        """Return the part of a plane that steps after one have changed."""
        extent = Extent(0, 0, 0, 0)
        for step in self.done[place + 1 :]:
            extent = extent.joined(space.extent(plane, step.diff.voxels))
        return extent

    def page_at(
        self, place: int, plane: Plane, page: Values, space: Space, part: Extent
    ) -> Values:
        """Return a part of a plane of the labels as it was right after a step.

        Parameters
        ----------
        page
            The part as it is.
        """
        later = [step.diff for step in self.done[place + 1 :] if len(step.diff)]
        if later:
            page = page.copy()
        for diff in reversed(later):
            voxels, old = diff.voxels, diff.old
            inside = space.within(plane, voxels)
            rows, columns = space.pixels(plane, voxels[inside])
            met = (rows >= part.top) & (rows < part.bottom)
            met &= (columns >= part.left) & (columns < part.right)
            at = rows[met] - part.top, columns[met] - part.left
            page[at] = old[inside][met]
        return page

    def edits_at(
        self, place: int, objects: Mapping[int, SegmentedObject]
    ) -> dict[Key, Sparse]:
        """Return all manual edits as they were right after a step."""
        edits = {
            (number, plane): values
            for number, each in objects.items()
            for plane, values in each.edits.items()
        }
        for step in reversed(self.done[place + 1 :]):
            edits.update(step.before.edits)
        return edits

    def insert(self, place: int, key: Key, diff: Diff) -> Insertion:
        """Plan how a result becomes part of a step that others may follow.

        Parameters
        ----------
        diff
            What it changes in the labels as they were right after the step.
        """
        step = self.done[place]
        diffs = [(step, step.diff.then(diff))]
        for after in self.done[place + 1 :]:
            diff, changed = _beneath(diff, after)
            diffs.append((after, changed))
        followed = len(diffs) > 1
        now = Diff.of(diff.voxels, diff.old, diff.new) if followed else diff
        plan = Insertion(now, diffs)
        for after in reversed(self.undone):
            if after.overrides(key):
                diffs.append((after, diff.inverse.then(after.diff)))
                plan.shadowed = after
                break
            diff, changed = _beneath(diff, after)
            diffs.append((after, changed))
        return plan


def _beneath(rest: Diff, after: Step) -> tuple[Diff, Diff]:
    """Put a diff beneath a step; return what reaches further, and the step's diff.

    What the step painted stays. Where an object left a voxel, because its mask
    shrank or because it was removed, it would not have held it.
    """
    voxels, lower, upper = rest.voxels, rest.old, rest.new
    above, before, now = after.diff.voxels, after.diff.old, after.diff.new
    met, at = find(above, voxels)
    if not met.any():
        return rest, after.diff
    stays = np.full(len(at), after.manual)
    if not after.removes:
        stays |= now[at] == after.object_id
    kept = np.ones(len(above), bool)
    kept[at[~stays]] = False
    before[at] = upper[met]
    lower[met] = now[at]
    reaches = ~met
    reaches[np.flatnonzero(met)[~stays]] = True
    changed = Diff.kept(above[kept], before[kept], now[kept])
    return Diff.kept(voxels[reaches], lower[reaches], upper[reaches]), changed
