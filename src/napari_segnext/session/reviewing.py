"""What is proposed is accepted, rejected or corrected, each as one step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from napari_segnext.files.categories import Category
from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent, Patch
from napari_segnext.labels.diffs import PlaneDiff
from napari_segnext.labels.sparse import Sparse
from napari_segnext.prompts import Prompts
from napari_segnext.session import operations
from napari_segnext.session.joining import Joining
from napari_segnext.session.messages import Request
from napari_segnext.session.probability import Probability
from napari_segnext.session.proposed import Proposed, kind_of
from napari_segnext.session.stacking import Stacking
from napari_segnext.session.state import Delta, Info, Result

_NOTHING = Prompts()
_COVERED = "other objects take too much of what was proposed"


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A proposal that becomes a part of an object.

    Attributes
    ----------
    region
        What nothing else takes of it.
    joins
        The object that it continues; 0 for one of its own; less for that of another
        proposal, whose number this is.
    """

    number: int
    proposed: Proposed
    region: Region
    joins: int = 0


class Reviewing(Stacking):
    """Objects, beside which others are proposed.

    A proposal is no object, and no label shows it. It goes when objects take more than
    a share of its pixels, and comes back when that is undone. Parameters and
    attributes are those of `ObjectBook`.
    """

    def propose(
        self, plane: Plane, category: Category | None, found: Iterable[Proposed]
    ) -> list[Proposed]:
        """Take note of what was found of a kind in a plane; that is no step.

        It takes the place of what waits there. What the user has rejected, or objects
        take by now, is left out.

        Returns
        -------
        What waits there now

        Raises
        ------
        ValueError
            If the plane, or a proposal of it, lies outside.
        """
        self.labels.settle()
        self.space.check(plane)
        kind, delta, new = kind_of(category), Delta(), list[Proposed]()
        rejected = [p for p in self._findings.proposals.values() if p.rejected]
        for each in found:
            self._check_inside(each)
            free = operations.free_for(self._objects, self._painter, each)
            if each.left(free) is not None and not any(map(each.same, rejected)):
                new.append(each)
        for number, former in self._findings.waiting.items():
            if (former.kind, former.plane) == (kind, plane):
                delta.proposals[number] = None
        first = self._findings.next_number
        delta.proposals |= dict(enumerate(new, first))
        if delta.proposals:
            self._note("proposals", delta)
        return new

    def continued(self, number: int) -> int:
        """Return the object of a slice beside that a proposal continues, 0 for none."""
        self.labels.settle()
        proposed = self._waiting(number)
        joining = Joining(self._objects, self._painter, proposed.kind)
        return joining.continued(proposed.plane, [proposed.region]).get(0, 0)

    def accept_proposals(self, numbers: Collection[int], join: bool = True) -> int:
        """Make proposals along one axis objects that are found right: one step.

        In a 2-D image they are finished; in a volume they can be propagated first.
        What too little is left of beside others is no proposal any more.

        Parameters
        ----------
        join
            Whether one that continues an object of a slice beside becomes a part of
            that, finished or not.

        Returns
        -------
        How many were accepted

        Raises
        ------
        ValueError
            If one is no proposal, they are of planes that cross, or nothing is left of
            any. Nothing has changed then.
        """
        self.settle()
        chosen = {number: self._waiting(number) for number in numbers}
        if len({each.plane.axis for each in chosen.values()}) > 1:
            raise ValueError("proposals of planes that cross are accepted apart")
        drawings = self._joined(chosen) if join else self._drawings(chosen)
        if not drawings:
            raise ValueError(_COVERED)
        delta, parts = Delta(proposals=dict.fromkeys(chosen)), list[PlaneDiff]()
        fresh, begun = self._fresh_ids(), dict[int, int]()
        for each in drawings:
            if not each.joins:
                owner = begun[-each.number] = next(fresh)
                category = self._class_of(each.proposed)
                info = Info(f"Object {owner}", self.space.flat, category=category)
                delta.objects[owner] = info
            elif each.joins < 0:
                owner = begun[each.joins]
            else:
                owner = each.joins
            parts.append(self._drawn(each, owner, delta, checked=True))
        number, plane = next(iter(delta.results)) if len(parts) == 1 else (0, None)
        step = self._step("accept proposals", number, plane, delta)
        step.settles = set(delta.results)
        self._take(step, parts)
        return len(drawings)

    def reject_proposals(self, numbers: Collection[int]) -> None:
        """Take note that proposals are wrong: one step."""
        self.settle()
        wrong = {number: self._waiting(number).reject() for number in numbers}
        planes = {each.plane for each in wrong.values()}
        only = next(iter(planes)) if len(planes) == 1 else None
        delta = Delta(proposals=dict(wrong))
        if wrong:
            self._take(self._step("reject proposals", 0, only, delta))

    def correct_proposal(
        self, number: int, more: Prompts = _NOTHING, join: bool = True
    ) -> list[Request]:
        """Make a proposal an object that is worked on, and go to it: one step.

        Parameters
        ----------
        more
            Prompts in its plane, besides its click.
        join
            As for `accept_proposals`; the object that it continues is opened.

        Returns
        -------
        What to decode if there are more prompts

        Raises
        ------
        ValueError
            If it is no proposal, others take too much of it, or a prompt lies outside.
            Nothing has changed then.
        """
        self.settle()
        proposed = self._waiting(number)
        plane, chosen = proposed.plane, {number: proposed}
        more.check_inside(self.space.plane_shape(plane))
        drawings = self._joined(chosen) if join else self._drawings(chosen)
        if not drawings:
            raise ValueError(_COVERED)
        (drawing,) = drawings
        owner = drawing.joins or self._spare()
        delta = Delta(owner, proposals={number: None})
        info = replace(self._fresh(owner), finished=False)
        delta.objects[owner] = replace(info, category=self._class_of(proposed))
        part = self._drawn(drawing, owner, delta, checked=False)
        key = (owner, plane)
        delta.prompts[key] = Prompts(delta.prompts[key].items + more.items)
        step = self._step("correct proposal", owner, plane, delta)
        step.asks = frozenset({key} if len(more) else ())
        step.settles = {key} - step.asks
        self._take(step, [part])
        return self._wanted([key])

    def mark_complete(
        self, category: Category | None, plane: Plane, complete: bool
    ) -> None:
        """Say whether every object of a kind is known in a plane: one step."""
        self.settle()
        self.space.check(plane)
        place = (kind_of(category), plane)
        if complete != (place in self._findings.complete):
            delta = Delta(complete={place: complete})
            what = "complete slice" if complete else "incomplete slice"
            self._take(self._step(what, 0, plane, delta))

    # Within

    def _waiting(self, number: int) -> Proposed:
        found = self._findings.proposals.get(number)
        if found is None or found.rejected:
            raise ValueError(f"there is no proposal {number!r}")
        return found

    def _check_inside(self, proposed: Proposed) -> None:
        self.space.check(proposed.plane)
        whole = Extent(0, 0, *self.space.plane_shape(proposed.plane))
        if not whole.holds(proposed.extent):
            raise ValueError(f"a proposal in {proposed.plane} lies outside")

    def _fresh_ids(self) -> Iterator[int]:
        """Yield ids that neither an object nor a step has ever used."""
        used, limit = self._used_ids(), int(np.iinfo(self._painter.dtype).max)
        while True:
            number = operations.next_id(used, limit)
            used.add(number)
            yield number

    def _class_of(self, proposed: Proposed) -> Category | None:
        """Return the class of a proposal as it is called now."""
        same = (c for c in self.categories if c.value == proposed.kind)
        return next(same, proposed.category)

    def _drawings(self, chosen: Mapping[int, Proposed]) -> list[Drawing]:
        """Return what can be drawn of proposals, the best first."""
        drawings = list[Drawing]()
        by_plane = defaultdict[Plane, list[Region]](list)
        for number, each in sorted(chosen.items(), key=lambda at: -at[1].score):
            free = operations.free_for(self._objects, self._painter, each)
            for other in by_plane[each.plane]:
                if not other.extent.common(each.extent).empty:
                    free &= ~other.read(each.extent)
            region = each.left(free)
            if region is not None:
                by_plane[each.plane].append(region)
                drawings.append(Drawing(number, each, region))
        return drawings

    def _joined(self, chosen: Mapping[int, Proposed]) -> list[Drawing]:
        """Return what can be drawn of proposals, and which objects they continue.

        Slices follow each other from objects on.
        """
        by_kind = defaultdict[int, dict[Plane, list[Drawing]]](dict)
        for each in self._drawings(chosen):
            of_kind = by_kind[each.proposed.kind]
            of_kind.setdefault(each.proposed.plane, []).append(each)
        joined = list[Drawing]()
        for kind, by_plane in by_kind.items():
            joining = Joining(self._objects, self._painter, kind)
            for plane in joining.near(list(by_plane)):
                here = by_plane[plane]
                found = joining.continued(plane, [each.region for each in here])
                for at, each in enumerate(here):
                    owner = found.get(at, 0)
                    joined.append(replace(each, joins=owner))
                    joining.draw(plane, owner or -each.number, each.region)
        return joined

    def _drawn(
        self, drawing: Drawing, owner: int, delta: Delta, checked: bool
    ) -> PlaneDiff:
        """Note what is known of a proposal that is drawn; return the change of labels.

        Parameters
        ----------
        owner
            The object that it becomes a part of.
        delta
            Gets its prompt and its result.
        """
        region, plane = drawing.region, drawing.proposed.plane
        key, prompts = (owner, plane), Prompts().click(*drawing.proposed.click)
        rows, columns = np.nonzero(region.pixels)
        rows, columns = rows + region.offset[0], columns + region.offset[1]
        voxels = self.space.numbers(plane, rows, columns)
        old = self._painter.values(plane, voxels)
        shape = self.space.plane_shape(plane)
        patch = Patch(shape, region.offset, region.pixels.astype(np.float32))
        base = Sparse.of(voxels, old)
        delta.prompts[key] = prompts
        delta.results[key] = Result.of(
            prompts, Probability.of(patch), region, base, checked=checked
        )
        return PlaneDiff(plane, rows, columns, old, np.full_like(old, owner))
