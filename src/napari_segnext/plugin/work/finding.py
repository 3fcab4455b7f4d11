"""Finding others of a kind while the user goes on: learned from what is accepted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from napari_segnext.plugin.work.background import Background
from napari_segnext.plugin.work.modules import Imported
from napari_segnext.plugin.work.task import Dropped
from napari_segnext.session.proposed import LEAST_SCORE, Proposed
from napari_segnext.session.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from qtpy.QtCore import QObject

    from napari_segnext.files.categories import Category
    from napari_segnext.finding import Example, Finder, Proposal
    from napari_segnext.finding.known import Knowledge
    from napari_segnext.geometry.plane import Plane
    from napari_segnext.plugin.layers.displayed_plane import ShownPlane
    from napari_segnext.plugin.layers.labels_layer import LayerLabels
    from napari_segnext.plugin.work.inference import Inference, Work
    from napari_segnext.plugin.work.worker import Turn
    from napari_segnext.predicting.live import LiveImageModel
    from napari_segnext.session import Session

_WHAT = "No others could be found"


@dataclass(frozen=True, slots=True)
class Reach:
    """Which slices are searched, along the displayed axis.

    Attributes
    ----------
    whole
        Whether all are; else those from `first` to `last`, or the displayed one if
        these are None.
    """

    whole: bool = False
    first: int | None = None
    last: int | None = None

    def of(self, shown: Plane, planes: Iterable[Plane]) -> list[Plane]:
        """Return those of some planes that are searched, in the order given."""
        if self.whole:
            return list(planes)
        if self.first is None or self.last is None:
            return [shown]
        low, high = sorted((self.first, self.last))
        return [plane for plane in planes if low <= plane.index <= high]


@dataclass(slots=True)
class Search:
    """One search under way.

    Attributes
    ----------
    left, total
        Planes still to be searched, the next one first, and how many there were.
    found, unlikely
        How many likely proposals there are so far, and how many others.
    """

    category: Category | None
    knowledge: Knowledge
    labels: Snapshot
    left: list[Plane]
    total: int
    finder: Finder | None = None
    found: int = 0
    unlikely: int = 0


class Finding(Background):
    """Proposals of what looks like the accepted objects of the current one's class.

    It learns first, and then goes through slices, the nearest first. What is found in a
    slice is proposed at once, and stays when it is stopped. It belongs to the model
    that it began with.

    Signals: those of `Background`.

    Attributes
    ----------
    reach
        Which slices are searched.
    """

    def __init__(
        self,
        inference: Inference,
        session: Session,
        labels: LayerLabels,
        shown: ShownPlane,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(inference, parent)
        self._session, self._labels, self._shown = session, labels, shown
        self._search: Search | None = None
        self.reach = Reach()

    @property
    def stage(self) -> str:
        """What is being done, as a progress bar says it."""
        search = self._search
        if search is None or search.finder is None:
            return "Learning, %p %"
        return f"%v of %m slices, {search.found} found"

    @property
    def last(self) -> int:
        """The index of the last slice along the displayed axis."""
        return self._session.space.depth(self._shown.axis) - 1

    def choose(self, reach: Reach) -> None:
        """Search other slices from the next time on."""
        self.reach = reach
        self.changed.emit()

    def start(self) -> None:
        """Find others like the accepted objects of the current one's class."""
        session, plane = self._session, self._shown.plane
        session.settle()
        if self.running:
            self.said.emit("Others are being looked for: wait, or cancel it")
        elif plane is None:
            self.said.emit("Show a slice of the image to find others in it")
        elif self._inference.model is None:
            self.said.emit("The model is not loaded yet: find when it is ready")
        else:
            why = self._begin(plane)
            if why:
                self.said.emit(why)

    def _begin(self, plane: Plane) -> str:
        """Begin a search; return why there can be none."""
        # Torch comes with it, which the model has brought along by now.
        from napari_segnext.finding.known import Knowledge

        session = self._session
        category = session.objects[session.current].category
        knowledge = Knowledge(session, category, plane)
        every = self.reach.of(plane, self._shown.all_planes())
        left = [each for each in every if each not in knowledge.complete]
        if not left:
            slices = "this slice is" if len(every) == 1 else "these slices are"
            return f"There is nothing to find: {slices} marked complete"
        try:
            known = knowledge.planes()
        except ValueError as error:
            which = f" of class {category.name}" if category else ""
            if session.categories and not category:
                which = " without a class, as the current one is,"
            return f"No object{which} is accepted yet: {error}"
        labels = Snapshot(session, self._labels.stored)
        self._search = Search(category, knowledge, labels, left, len(left))

        def examples() -> list[Example]:
            return [each.example(labels, session.space) for each in known]

        name = f"others of class {category.name}" if category else "others"
        self.said.emit(f"Looking for {name}: you can go on meanwhile")
        self.progressed.emit(0, 100)
        self._submit(_learning(examples, self._tell_share), self._learned, _WHAT)
        return ""

    def _tell_share(self, share: float) -> None:
        self.progressed.emit(round(100 * share), 100)

    def _learned(self, finder: Finder) -> None:
        assert self._search is not None
        self._search.finder = finder
        self._next()

    def _next(self) -> None:
        """Go on with the next slice, or end."""
        search = self._search
        assert search is not None and search.finder is not None
        self.progressed.emit(search.total - len(search.left), search.total)
        if not search.left:
            self._end(self._outcome(search))
            return
        plane = search.left.pop(0)
        taken = search.knowledge.taken(search.labels, plane)
        work = _looking(partial(search.finder.finding, plane, taken), search.category)
        self._submit(work, partial(self._found, plane), _WHAT)

    def _found(self, plane: Plane, proposals: list[Proposed]) -> None:
        search = self._search
        assert search is not None
        new = self._session.propose(plane, search.category, proposals)
        search.found += sum(each.score >= LEAST_SCORE for each in new)
        search.unlikely += sum(each.score < LEAST_SCORE for each in new)
        self.changed.emit()
        self._next()

    def _outcome(self, search: Search) -> str:
        slices = f"{search.total} slice{'s' if search.total != 1 else ''}"
        if search.found:
            return f"{search.found} proposals in {slices}: Shift+S shows one by one"
        if search.unlikely:
            return f"Only unlikely ones were found in {slices}: the slider shows them"
        return f"No others were found in {slices}: accept more, or other ones"

    def _dropped(self, why: Dropped) -> None:
        how = " by the change of the model" if why is Dropped.MODEL else ""
        found = self._search.found if self._search else 0
        self._end(f"The search ended{how}: {found} proposals are there")

    def _end(self, why: str) -> None:
        if self._search is not None:
            self._search.labels.close()
        self._search = None
        super()._end(why)


def _learning(
    examples: Callable[[], list[Example]], tell: Callable[[float], None]
) -> Work:
    """Return what learns from examples; after an interruption it goes on."""
    begun: list[Generator[float, None, Finder]] = []
    # The first optimiser that a program makes imports it.
    compiler = Imported("torch._dynamo")

    def run(model: LiveImageModel, turn: Turn) -> Finder:
        from napari_segnext.finding import learning
        from napari_segnext.finding.turns import at_once

        compiler.wait(turn)
        if not begun:
            begun.append(learning(model.predictor, examples(), turn))
        return at_once(begun[0], turn, tell)

    return run


def _looking(
    finding: Callable[..., Generator[None, None, list[Proposal]]],
    category: Category | None,
) -> Work:
    """Return what looks through a plane; after an interruption it goes on."""
    begun: list[Generator[None, None, list[Proposal]]] = []

    def run(model: LiveImageModel, turn: Turn) -> list[Proposed]:
        from napari_segnext.finding.turns import at_once

        if not begun:
            begun.append(finding(cancelled=turn, least=0))
        return [
            Proposed.of(each.plane, each.region, each.click, each.score, category)
            for each in at_once(begun[0], turn)
        ]

    return run
