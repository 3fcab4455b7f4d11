"""What happens to the knowledge of objects when they are painted, merged, removed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.frame import BoolArray, Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.space import Space, Voxels
from napari_segnext.labels.counted import Painter
from napari_segnext.labels.diffs import Diff, PlaneDiff
from napari_segnext.labels.runs import Runs
from napari_segnext.labels.sparse import Sparse, find
from napari_segnext.prompts import Prompt, Prompts, middle
from napari_segnext.session.doubt import Doubt
from napari_segnext.session.masks import View
from napari_segnext.session.nesting import around
from napari_segnext.session.proposed import Findings, Proposed
from napari_segnext.session.state import Delta, Info, Key, Result, SegmentedObject


def stroke(
    objects: Mapping[int, SegmentedObject], space: Space, parts: Sequence[PlaneDiff]
) -> tuple[int, Delta]:
    """Return the object that a brush stroke is for, and the edits that it makes.

    It is the one that was painted most, or erased most if nothing was painted.

    Parameters
    ----------
    parts
        What it changed, by plane; the planes do not cross.
    """
    delta = Delta()
    every_old = np.concatenate([part.old for part in parts])
    every_new = np.concatenate([part.new for part in parts])
    for part in parts:
        plane = part.plane
        voxels = space.numbers(plane, part.rows, part.columns)
        for number in np.unique(np.concatenate([part.old, part.new])).tolist():
            painted = part.new == number
            fresh = number not in objects
            if number == 0 or (fresh and not (every_new == number).any()):
                continue
            if fresh:
                delta.objects[number] = Info(f"Object {number}")
            touched = painted | (part.old == number)
            edits = Sparse.of(voxels[touched], painted[touched])
            known = {} if fresh else objects[number].edits
            for crossing in known.keys() - {plane}:
                before = delta.edits.get((number, crossing), known[crossing])
                if before.runs.holds(edits.voxels).any():
                    delta.edits[number, crossing] = before.without(edits)
            before = delta.edits.get((number, plane), known.get(plane, Sparse()))
            delta.edits[number, plane] = before.updated(edits)
    ids, counts = np.unique(every_new[every_new != 0], return_counts=True)
    if not len(ids):
        ids, counts = np.unique(every_old, return_counts=True)
    return int(ids[counts.argmax()]), delta


def emptied(objects: Iterable[SegmentedObject]) -> Delta:
    """Return what takes away all that belongs to objects."""
    delta = Delta()
    for known in objects:
        for plane in known.planes:
            delta.prompts[known.id, plane] = Prompts()
            delta.edits[known.id, plane] = Sparse()
            delta.results[known.id, plane] = None
        delta.doubts |= {(known.id, plane): None for plane in known.doubts}
    return delta


def no_longer_doubted(
    objects: Mapping[int, SegmentedObject], space: Space, diff: Diff
) -> dict[Key, Doubt | None]:
    """Return what takes away the doubts about masks that a change of labels changes."""
    gone: dict[Key, Doubt | None] = {}
    if not any(each.doubts for each in objects.values()):
        return gone
    for runs in (diff.before, diff.after):
        for number in runs.ids:
            doubts = objects[number].doubts if number in objects else {}
            for axis in {plane.axis for plane in doubts}:
                voxels = runs.select(runs.value == number).voxels
                changed = space.parted(axis, voxels).keys() & doubts.keys()
                gone |= {(number, plane): None for plane in changed}
    return gone


def covered_proposals(
    objects: Mapping[int, SegmentedObject],
    findings: Findings,
    painter: Painter,
    diff: Diff,
) -> dict[int, Proposed]:
    """Return the proposals that a change of labels has left too little of."""
    waiting = findings.waiting if len(diff) else {}
    gone: dict[int, Proposed] = {}
    for axis in {each.plane.axis for each in waiting.values()}:
        voxels = diff.voxels
        changed = painter.space.parted(axis, voxels)
        for number, each in waiting.items():
            here = changed.get(each.plane)
            if here is None:
                continue
            part = painter.space.extent(each.plane, voxels[here])
            if not part.common(each.extent).empty:
                free = free_for(objects, painter, each)
                if each.left(free) is None:
                    gone[number] = each
    return gone


def free_for(
    objects: Mapping[int, SegmentedObject], painter: Painter, proposed: Proposed
) -> BoolArray:
    """Return which pixels of a proposal's extent it may be drawn on, (h, w)."""
    page = painter.labels.read(proposed.plane, proposed.extent)
    below = around(objects, proposed.category)
    return np.asarray((page == 0) | np.isin(page, list(below)))


def vacated(view: View, objects: Sequence[SegmentedObject]) -> Diff:
    """Return what becomes of the voxels of objects that go, one after the other."""
    parts, left = list[Runs](), Sparse()
    for known in objects:
        runs = view.painter.runs(known.id)
        parts.append(runs)
        # Also what came back of it because another one went.
        again = left.runs.select(left.runs.value == known.id)
        back = view.left(known.id, Sparse.apart([runs, again]), covered(known))
        left = left.without(Sparse(again)).updated(back)
        view = replace(view, ids=view.ids - {known.id})
    before = Sparse.apart(parts)
    nothing = replace(before.runs, value=np.zeros_like(before.runs.value))
    return Diff.between(before.runs, Sparse(nothing).updated(left).runs)


def covered(known: SegmentedObject) -> Sparse:
    """Return what an object's predictions have covered of others, in all planes."""
    base, parts = Sparse(), defaultdict[int, list[Runs]](list)
    for plane, result in known.results.items():
        runs = result.base.runs
        parts[plane.axis].append(runs.select(runs.value != known.id))
    for _, along in sorted(parts.items()):
        base = base.updated(Sparse.apart(along))
    return base


def merged(
    painter: Painter,
    into: SegmentedObject,
    other: SegmentedObject,
    unanswered: Collection[Plane],
) -> Delta:
    """Return what gives all that belongs to one object to another.

    Parameters
    ----------
    unanswered
        Planes in which prompts of either are still to be decoded.
    """
    delta = emptied([other])
    by_hand = Sparse()
    for plane, edits in other.edits.items():
        # What was erased from one may well be a part of the other.
        outside = painter.values(plane, edits.voxels) != into.id
        kept = edits.select((edits.values != 0) | outside)
        by_hand = by_hand.updated(kept)
        delta.edits[into.id, plane] = kept
    for plane, edits in into.edits.items():
        left = edits.without(by_hand)
        delta.edits[into.id, plane] = left.updated(
            delta.edits.get((into.id, plane), Sparse())
        )
    for plane in {*other.prompts, *other.results}:
        key = (into.id, plane)
        first, second = into.prompts.get(plane), other.prompts.get(plane)
        items = (first.items if first else ()) + (second.items if second else ())
        delta.prompts[key] = Prompts(items)
        answered = Prompts() if plane in unanswered else Prompts(items)
        results = into.results.get(plane), other.results.get(plane)
        delta.results[key] = _joined(*results, answered, other.id)
    return delta


def reshaped(known: SegmentedObject, space: Space, diff: Diff) -> Delta:
    """Return what is known of an object that got another shape.

    What was painted or erased by hand where it changes decides no longer, and taking
    the prompts away takes the change away too.
    """
    delta, voxels = Delta(), diff.voxels
    change = Sparse(diff.after)
    for plane, edits in known.edits.items():
        if edits.runs.holds(voxels).any():
            delta.edits[known.id, plane] = edits.without(change)
    was = Sparse(diff.before)
    for axis in {plane.axis for plane in known.results}:
        for plane, here in space.parted(axis, voxels).items():
            if plane in known.results:
                result = known.results[plane]
                base = Sparse.of(voxels[here], was.values[here]).updated(result.base)
                delta.results[known.id, plane] = replace(result, base=base)
    return delta


def divided(known: SegmentedObject, number: int, space: Space, voxels: Voxels) -> Delta:
    """Return what makes some voxels of an object another one.

    Parameters
    ----------
    number
        Of the other.
    voxels
        Sorted.
    """
    name = f"Object {number}"
    info = replace(known.info, name=name, colour=None, value=None)
    delta = Delta(objects={number: info})
    for plane, edits in known.edits.items():
        goes = (edits.values != 0) & find(voxels, edits.voxels)[0]
        if goes.any():
            delta.edits[known.id, plane] = edits.select(~goes)
            delta.edits[number, plane] = edits.select(goes)
    parted = {a: space.parted(a, voxels) for a in {p.axis for p in known.planes}}
    for plane in {*known.prompts, *known.results}:
        here = voxels[parted[plane.axis].get(plane, np.zeros(0, np.intp))]
        prompts, result = known.prompts.get(plane, Prompts()), known.results.get(plane)
        goes = [_lies_on(prompt, plane, space, here) for prompt in prompts]
        stay, go = (
            Prompts(tuple(p for p, g in zip(prompts, goes, strict=True) if g == side))
            for side in (False, True)
        )
        if len(go):
            delta.prompts[known.id, plane] = stay
            delta.prompts[number, plane] = go
        if result is None or not len(here):
            continue
        theirs = find(here, result.base.voxels)[0]
        delta.results[known.id, plane] = _stale(
            result, stay, result.base.select(~theirs)
        )
        if len(go):
            base = result.base.select(theirs)
            delta.results[number, plane] = _stale(result, go, base)
    return delta


def _lies_on(prompt: Prompt, plane: Plane, space: Space, voxels: Voxels) -> bool:
    """Tell whether the middle of a positive prompt lies on one of sorted voxels."""
    at = middle(prompt)
    if not prompt.positive or at is None:
        return False
    return bool(find(voxels, space.numbers(plane, *np.array([at]).T))[0].any())


def _stale(result: Result, prompts: Prompts, base: Sparse) -> Result:
    """Return a result for other prompts.

    Its section is empty, so that the next prediction starts from the labels.
    """
    section = Region((0, 0), np.zeros((0, 0), bool))
    return Result.of(prompts, result.probability, section, base)


def adopted(objects: Mapping[int, SegmentedObject], ids: NDArray[np.int64]) -> Delta:
    """Return what makes objects of another session known under new ids.

    Parameters
    ----------
    ids
        The new id at the place of each former one, 0 for 0.
    """
    delta = Delta()
    for number, each in objects.items():
        new = int(ids[number])
        delta.objects[new] = replace(each.info, finished=False)
        delta.prompts.update({(new, p): prompts for p, prompts in each.prompts.items()})
        delta.edits.update({(new, p): edits for p, edits in each.edits.items()})
        for plane, result in each.results.items():
            runs = result.base.runs
            base = Sparse(replace(runs, value=ids[runs.value]))
            delta.results[new, plane] = replace(result, base=base)
    return delta


def _joined(
    first: Result | None, second: Result | None, prompts: Prompts, other: int
) -> Result | None:
    """Return a result that stands for two."""
    result = first or second
    if result is None:
        return None
    base = result.base
    if first is not None and second is not None:
        mine = second.base.select(second.base.values != other)
        base = mine.updated(first.base)
    return _stale(result, prompts, base)


def next_id(used: Collection[int], limit: int) -> int:
    """Return an id that was never used: the one after all that were, if there is one.

    Parameters
    ----------
    limit
        The largest that the labels' type holds.

    Raises
    ------
    ValueError
        If all are used.
    """
    following = max(used) + 1
    # The largest may have been given by a file or a brush; those before are free.
    ids = [following] if following <= limit else range(1, limit)
    for number in ids:
        if number not in used:
            return number
    raise ValueError(
        f"labels of this type end at {limit}, and all ids are in use; convert them to "
        "a wider one"
    )


def free_ids(
    wanted: Sequence[int], taken: Collection[int], used: Collection[int], limit: int
) -> dict[int, int]:
    """Return new ids by wanted ones, which stay if they are not taken.

    Parameters
    ----------
    used
        All that have ever been used.
    limit
        The largest that the labels' type holds.

    Raises
    ------
    ValueError
        If it does not hold so many.
    """
    kept = {number for number in wanted if number <= limit} - {*taken}
    following = max({*used, *kept}, default=0) + 1
    # The largest may be among them; those before are free.
    earlier = (n for n in range(1, following) if n not in used and n not in kept)
    free = chain(range(following, limit + 1), earlier)
    ids = {number: number if number in kept else next(free, 0) for number in wanted}
    if 0 in ids.values():
        raise ValueError(
            f"{len(ids)} objects more are too many: a session has room for {limit}"
        )
    return ids
