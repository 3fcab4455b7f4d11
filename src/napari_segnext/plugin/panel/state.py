"""What the panel shows: resolved from a session, and compared with what it showed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from napari_segnext.files.categories import Category
from napari_segnext.geometry.plane import Plane
from napari_segnext.plugin.layers.measure import Measure
from napari_segnext.plugin.layers.tools import Tool
from napari_segnext.plugin.work.finding import Reach
from napari_segnext.session.checklist import Doubtful

if TYPE_CHECKING:
    from napari_segnext.plugin.annotator import Annotator
    from napari_segnext.plugin.work.phrases import Phrases
    from napari_segnext.plugin.work.teaching import Lesson, Teaching
    from napari_segnext.session import Record

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class ListState:
    """The list of objects; what its rows say is looked up when they are seen.

    Attributes
    ----------
    objects
        Id of each, and how often it has changed.
    semantic
        Whether they have the colours of their classes.
    classes
        Whether there are classes to list.
    nested
        Those that lie inside others, whose objects count to the size of these.
    """

    objects: tuple[tuple[int, int], ...]
    current: int
    measure: Measure
    semantic: bool
    classes: bool
    nested: tuple[Category, ...]

    @property
    def ids(self) -> list[int]:
        """Ids of the objects, as they are listed."""
        return [number for number, _ in self.objects]

    def changed_since(self, former: ListState | None) -> set[int] | None:
        """Return the objects whose rows may say something else; None for all."""
        if former is None or replace(self, objects=(), current=0) != replace(
            former, objects=(), current=0
        ):
            return None
        return {number for number, _ in set(self.objects).difference(former.objects)}


@dataclass(frozen=True, slots=True)
class ClassState:
    """The classes there are, and that of the current object."""

    semantic: bool
    categories: tuple[Category, ...]
    current: int
    category: Category | None


@dataclass(frozen=True, slots=True)
class DoubtState:
    """Whether labels are being compared, and what is to be checked."""

    running: bool
    listed: tuple[Doubtful, ...]


@dataclass(frozen=True, slots=True)
class PropagationState:
    """Whether an object is on its way, who is asked, and what is to be checked."""

    running: bool
    server: str
    doubts: DoubtState


@dataclass(frozen=True, slots=True)
class FindingState:
    """Whether others are being looked for, and what is proposed.

    Attributes
    ----------
    reach
        Which slices are searched.
    last
        The index of the last slice along the displayed axis.
    listed
        The numbers of proposals, in order.
    current
        The one that is shown, 0 for none.
    complete
        Whether all of the class are known in the displayed slice.
    completed
        The indices of all slices in which they are.
    """

    running: bool
    reach: Reach
    last: int
    listed: tuple[int, ...]
    current: int
    least: float
    join: bool
    by_slice: bool
    complete: bool
    completed: tuple[int, ...]

    @classmethod
    def of(cls, annotator: Annotator) -> FindingState:
        """Return what there is to show now."""
        finding, reviewing = annotator.finding, annotator.reviewing
        return cls(
            finding.running,
            finding.reach,
            finding.last,
            reviewing.listed,
            reviewing.current,
            reviewing.least,
            reviewing.join,
            reviewing.by_slice,
            reviewing.complete,
            reviewing.completed,
        )


@dataclass(frozen=True, slots=True)
class PhraseState:
    """What the current object is called in the displayed slice; see `Phrases`."""

    obstacle: str
    possible: bool
    place: tuple[int, Plane | None]
    phrase: str

    @classmethod
    def of(cls, phrases: Phrases) -> PhraseState:
        """Return what there is to show now."""
        return cls(phrases.obstacle, phrases.possible, phrases.place, phrases.phrase)


@dataclass(frozen=True, slots=True)
class FileState:
    """What is saved, where its image comes from, and whether a file is being loaded.

    Attributes
    ----------
    group
        Of the image in its file, if that is an OME-Zarr.
    """

    name: str
    source: Path | None
    group: Path | None
    loading: bool


@dataclass(frozen=True, slots=True)
class TeachingState:
    """Whether the model is being taught, the taught one, and what came of it."""

    running: bool
    taught: str
    lost: bool
    lesson: Lesson | None

    @classmethod
    def of(cls, teaching: Teaching) -> TeachingState:
        """Return what there is to show."""
        running, taught = teaching.running, teaching.taught
        return cls(running, taught, teaching.lost, teaching.lesson)


@dataclass(frozen=True, slots=True)
class ToolState:
    """What is drawn next, and whether it begins an object."""

    tool: Tool | None
    positive: bool
    each_own: bool


@dataclass(frozen=True, slots=True)
class PanelState:
    """All that the panel shows of a session, part by part.

    Attributes
    ----------
    choosing
        Whether the user has to choose first what to resume.
    """

    choosing: bool
    objects: ListState
    classes: ClassState
    propagation: PropagationState
    finding: FindingState
    phrase: PhraseState
    files: FileState
    tools: ToolState
    teaching: TeachingState

    def since(self, former: PanelState | None) -> PanelChange:
        """Return what is not as it was; all of it if nothing was."""
        was = former or _NOTHING
        return PanelChange(
            _other(self.objects, was.objects),
            _other(self.classes, was.classes),
            _other(self.propagation, was.propagation),
            _other(self.finding, was.finding),
            _other(self.phrase, was.phrase),
            _other(self.files, was.files),
            _other(self.tools, was.tools),
            _other(self.teaching, was.teaching),
        )


@dataclass(frozen=True, slots=True)
class PanelChange:
    """The parts of a panel that show something else than before; None as before."""

    objects: ListState | None = None
    classes: ClassState | None = None
    propagation: PropagationState | None = None
    finding: FindingState | None = None
    phrase: PhraseState | None = None
    files: FileState | None = None
    tools: ToolState | None = None
    teaching: TeachingState | None = None


_NOTHING = PanelChange()


def _other(now: Part, former: Part | None) -> Part | None:
    return None if now == former else now


class Resolver:
    """Resolves what the panel shows of a session, and notes which objects change."""

    def __init__(self, annotator: Annotator) -> None:
        self._annotator = annotator
        self._changes: Counter[int] = Counter()
        self._restored = 0
        annotator.session.recorders.append(self._note)
        annotator.saving.restored.connect(self._note_all)

    def resolve(self) -> PanelState:
        """Return what there is to show now."""
        annotator = self._annotator
        objects = annotator.objects
        current, categories = objects.current, tuple(objects.categories)
        changes, restored = self._changes, self._restored
        return PanelState(
            annotator.saving.choosing,
            ListState(
                tuple((n, changes[n] + restored) for n in objects.ids),
                current,
                objects.measure,
                objects.semantic,
                bool(categories),
                tuple(each for each in categories if each.inside),
            ),
            ClassState(
                objects.semantic, categories, current, objects.category_of(current)
            ),
            PropagationState(
                annotator.propagation.running,
                annotator.propagation.address,
                DoubtState(annotator.doubting.running, annotator.doubting.listed),
            ),
            FindingState.of(annotator),
            PhraseState.of(annotator.phrases),
            FileState(
                annotator.output.name.removesuffix(" objects"),
                annotator.exporting.source,
                annotator.exporting.group,
                annotator.importing.running or annotator.adopting.running,
            ),
            ToolState(annotator.tool, annotator.positive, annotator.prompting.each_own),
            TeachingState.of(annotator.teaching),
        )

    def _note(self, record: Record) -> None:
        delta, diff = record.delta, record.diff
        keys = (*delta.prompts, *delta.edits, *delta.results)
        changed = {*delta.objects, *(number for number, _ in keys)}
        for runs in (diff.before, diff.after):
            changed.update(runs.ids)
        nesting = self._annotator.session.nesting
        changed.update(*map(nesting.outer, list(changed)))
        self._changes.update(changed)

    def _note_all(self) -> None:
        # What is restored comes from the journal, and is told to no recorder.
        self._restored += 1
        self._annotator.changed.emit()
