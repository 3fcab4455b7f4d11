"""What a session knows: objects, their prompts, edits and results; changes of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from napari_segnext.files.categories import Category
from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.labels.sparse import Sparse
from napari_segnext.prompts import Prompts
from napari_segnext.session.doubt import Doubt
from napari_segnext.session.packed import PackedImage
from napari_segnext.session.probability import Probability
from napari_segnext.session.proposed import Findings, KindPlane, Proposed
from napari_segnext.session.work import Work

T = TypeVar("T")
# An object in a plane.
Key: TypeAlias = tuple[int, Plane]
Colour: TypeAlias = tuple[float, float, float]

_NONE = Prompts()


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """The last prediction for an object in a plane.

    Attributes
    ----------
    prompts
        Those that it answers.
    probability
        As predicted.
    base
        Pixels that predictions changed in the plane since the first prompt, and
        what was there before.
    confidence
        0 to 1, of what was found on the way from other planes; None if not known.
    checked
        Whether the user found it right.
    """

    prompts: Prompts
    probability: Probability
    base: Sparse
    _offset: tuple[int, int]
    _pixels: PackedImage
    confidence: float | None = None
    checked: bool = False

    @classmethod
    def of(
        cls,
        prompts: Prompts,
        probability: Probability,
        section: Region,
        base: Sparse,
        confidence: float | None = None,
        checked: bool = False,
    ) -> Result:
        """Keep a prediction; the parameters are attributes.

        Raises
        ------
        ValueError
            If the confidence is not from 0 to 1.
        """
        if confidence is not None and not 0 <= confidence <= 1:
            raise ValueError(f"a confidence is from 0 to 1, not {confidence}")
        pixels, offset = PackedImage.of(section.pixels), section.offset
        return cls(prompts, probability, base, offset, pixels, confidence, checked)

    def same(self, other: Result | None) -> bool:
        """Tell whether another is this prediction, be it checked or not."""
        return other is not None and other._pixels is self._pixels

    @property
    def section(self) -> Region:
        """The object's pixels in the plane when it was written.

        While the labels still show them, nothing else has changed the object there.
        """
        return Region(self._offset, self._pixels.expand().view(bool))

    @property
    def shown(self) -> bool:
        """Whether the object had pixels in the plane when it was written."""
        return 0 not in self._pixels.shape

    @property
    def nbytes(self) -> int:
        """Bytes that are kept, but for the prompts."""
        return (
            self.probability.packed.nbytes + self._pixels.nbytes + self.base.runs.nbytes
        )


@dataclass(frozen=True, slots=True)
class Info:
    """What an object is called, its class, and whether it is protected.

    Attributes
    ----------
    value
        That of labels that it was adopted from, and is written with; None for an
        object that was begun here.

    Raises
    ------
    ValueError
        If the name is no text, or the colour not three finite numbers.
    """

    name: str
    finished: bool = False
    colour: Colour | None = None
    category: Category | None = None
    value: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ValueError(f"the name of an object is a text, not {self.name!r}")
        if self.colour is None:
            return
        try:
            red, green, blue = map(float, self.colour)
        except (TypeError, ValueError):
            red = green = blue = math.nan
        if not all(map(math.isfinite, (red, green, blue))):
            raise ValueError(
                f"a colour is red, green and blue from 0 to 1, not {self.colour!r}"
            )
        object.__setattr__(self, "colour", (red, green, blue))


@dataclass(slots=True)
class SegmentedObject:
    """One instance. Read it freely; only the session changes it.

    Attributes
    ----------
    id
        Its value in the labels of the session.
    info
        Name, colour (None: as the labels are shown), finished.
    prompts
        By plane, none of them empty.
    edits
        What was painted (True) and erased (False) by hand, by the plane in which
        it was done; numbered voxels.
    results
        The last prediction by plane.
    doubts
        What was found when the masks were compared with the image, by plane.
    work
        What was done for it.
    """

    id: int
    info: Info
    prompts: dict[Plane, Prompts] = field(default_factory=dict)
    edits: dict[Plane, Sparse] = field(default_factory=dict)
    results: dict[Plane, Result] = field(default_factory=dict)
    doubts: dict[Plane, Doubt] = field(default_factory=dict)
    work: Work = field(default_factory=Work)

    @property
    def name(self) -> str:
        """What the user calls it."""
        return self.info.name

    @property
    def finished(self) -> bool:
        """Whether it is accepted, and so protected."""
        return self.info.finished

    @property
    def value(self) -> int:
        """Its value in the labels of files."""
        return self.id if self.info.value is None else self.info.value

    @property
    def colour(self) -> Colour | None:
        """Red, green and blue from 0 to 1; None as the labels are shown."""
        return self.info.colour

    @property
    def category(self) -> Category | None:
        """Its class, if it has one."""
        return self.info.category

    @property
    def planes(self) -> list[Plane]:
        """Planes of which the session knows something for the object."""
        return sorted({*self.prompts, *self.edits, *self.results})

    @property
    def axis(self) -> int:
        """The one that most of its planes are perpendicular to; 0 without any."""
        planes = {*self.prompts, *self.edits, *self.results}
        found = Counter(plane.axis for plane in planes)
        return min(found, key=lambda axis: (-found[axis], axis), default=0)

    def shown_along(self, axis: int) -> int:
        """Return in how many planes along an axis predictions or edits show it."""
        shown = {plane for plane, result in self.results.items() if result.shown}
        shown.update(plane for plane, made in self.edits.items() if made.values.any())
        return sum(plane.axis == axis for plane in shown)


@dataclass(slots=True)
class Delta:
    """New values for a part of what a session knows.

    None for an object, a result, a doubt or a proposal, empty prompts and empty edits
    take away what was there; None for the current object, the view or the taught model
    leaves what there is, an empty name of the last stands for none.
    """

    current: int | None = None
    objects: dict[int, Info | None] = field(default_factory=dict)
    prompts: dict[Key, Prompts] = field(default_factory=dict)
    edits: dict[Key, Sparse] = field(default_factory=dict)
    results: dict[Key, Result | None] = field(default_factory=dict)
    semantic: bool | None = None
    doubts: dict[Key, Doubt | None] = field(default_factory=dict)
    work: dict[int, Work] = field(default_factory=dict)
    proposals: dict[int, Proposed | None] = field(default_factory=dict)
    complete: dict[KindPlane, bool] = field(default_factory=dict)
    taught: str | None = None

    def apply(self, objects: dict[int, SegmentedObject], findings: Findings) -> None:
        """Change the objects, and what is found of kinds, accordingly."""
        findings.change(self.proposals, self.complete)
        in_order = True
        for number, info in self.objects.items():
            if info is None:
                del objects[number]
            elif number in objects:
                objects[number].info = info
            else:
                in_order &= next(reversed(objects), number) <= number
                objects[number] = SegmentedObject(number, info)
        if not in_order:
            ordered = sorted(objects.items())
            objects.clear()
            objects.update(ordered)
        for (number, plane), prompts in self.prompts.items():
            if number in objects:
                _set(objects[number].prompts, plane, prompts or None)
        for (number, plane), edits in self.edits.items():
            if number in objects:
                _set(objects[number].edits, plane, edits if len(edits) else None)
        for (number, plane), result in self.results.items():
            if number in objects:
                _set(objects[number].results, plane, result)
        for (number, plane), doubt in self.doubts.items():
            if number in objects:
                _set(objects[number].doubts, plane, doubt)
        for number in self.work.keys() & objects.keys():
            objects[number].work = self.work[number]

    def copy(self) -> Delta:
        """Return one that does not change with this one."""
        return Delta(
            self.current,
            dict(self.objects),
            dict(self.prompts),
            dict(self.edits),
            dict(self.results),
            self.semantic,
            dict(self.doubts),
            dict(self.work),
            dict(self.proposals),
            dict(self.complete),
            self.taught,
        )

    def keep(
        self, known: Mapping[int, SegmentedObject], findings: Findings, current: int
    ) -> Delta:
        """Return what is known now of all that this delta changes."""
        before = Delta(current)
        for number in self.objects:
            before.objects[number] = known[number].info if number in known else None
        for key in self.prompts:
            before.prompts[key] = prompts_of(known, key)
        for key in self.edits:
            before.edits[key] = edits_of(known, key)
        for key in self.results:
            before.results[key] = result_of(known, key)
        for key in self.doubts:
            before.doubts[key] = doubt_of(known, key)
        for number in self.proposals:
            before.proposals[number] = findings.proposals.get(number)
        for place in self.complete:
            before.complete[place] = place in findings.complete
        return before


def everything(
    objects: Mapping[int, SegmentedObject],
    findings: Findings,
    current: int,
    semantic: bool,
    taught: str,
) -> Delta:
    """Return all that is known, as a change from nothing."""
    delta = Delta(current, semantic=semantic, taught=taught or None)
    delta.proposals = dict(findings.proposals)
    delta.complete = dict.fromkeys(findings.complete, True)
    for number, each in objects.items():
        delta.objects[number] = each.info
        delta.prompts.update({(number, p): v for p, v in each.prompts.items()})
        delta.edits.update({(number, p): v for p, v in each.edits.items()})
        delta.results.update({(number, p): v for p, v in each.results.items()})
        delta.doubts.update({(number, p): v for p, v in each.doubts.items()})
        if each.work != Work():
            delta.work[number] = each.work
    return delta


def prompts_of(objects: Mapping[int, SegmentedObject], key: Key) -> Prompts:
    """Return an object's prompts in a plane, none if it has none."""
    number, plane = key
    return objects[number].prompts.get(plane, _NONE) if number in objects else _NONE


def edits_of(objects: Mapping[int, SegmentedObject], key: Key) -> Sparse:
    """Return an object's manual edits in a plane."""
    number, plane = key
    return objects[number].edits.get(plane, Sparse()) if number in objects else Sparse()


def result_of(objects: Mapping[int, SegmentedObject], key: Key) -> Result | None:
    """Return an object's last prediction in a plane."""
    number, plane = key
    return objects[number].results.get(plane) if number in objects else None


def doubt_of(objects: Mapping[int, SegmentedObject], key: Key) -> Doubt | None:
    """Return what is doubted of an object in a plane."""
    number, plane = key
    return objects[number].doubts.get(plane) if number in objects else None


def _set(known: dict[Plane, T], plane: Plane, value: T | None) -> None:
    if value is None:
        known.pop(plane, None)
    else:
        known[plane] = value
