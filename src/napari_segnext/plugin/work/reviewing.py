"""Going through what is proposed: the next one, right, wrong, or corrected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_segnext.prompts import Click, Prompts
from napari_segnext.session.proposed import LEAST_SCORE, kind_of

if TYPE_CHECKING:
    from napari_segnext.files.categories import Category
    from napari_segnext.geometry.plane import Plane
    from napari_segnext.plugin.layers.displayed_plane import ShownPlane
    from napari_segnext.plugin.layers.proposal_outlines import ProposalOutlines
    from napari_segnext.plugin.work.prompting import Prompting
    from napari_segnext.session import Record, Session
    from napari_segnext.session.proposed import Proposed


class Reviewing(QObject):
    """The proposals along the displayed axis, and what the user does to them.

    Signals: `said` (status line), `changed` (what is listed, or which is current),
    `turned` (the current object, or its prompts, are others than those drawn).

    Attributes
    ----------
    current
        The number of the proposal that is shown, 0 for none.
    least
        The score from which on they are listed and shown.
    join
        Whether one that continues an object of a slice beside becomes a part of it.
    by_slice
        Whether they are listed slice by slice; else the most likely come first.
    """

    said = Signal(str)
    changed = Signal()
    turned = Signal()

    def __init__(
        self,
        session: Session,
        shown: ShownPlane,
        prompting: Prompting,
        outlines: ProposalOutlines,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._shown = session, shown
        self._prompting, self._outlines = prompting, outlines
        self.current, self.least = 0, LEAST_SCORE
        self.join, self.by_slice = True, False
        shown.moved.connect(lambda plane: self.refresh())
        session.recorders.append(self._note)

    # What there is

    @property
    def listed(self) -> tuple[int, ...]:
        """The numbers of the proposals along the displayed axis, in order."""
        like = self._shown.plane
        if like is None:
            return ()
        listed = {
            number: each
            for number, each in self._session.findings.waiting.items()
            if each.score >= self.least
            and (each.plane.axis, each.plane.fixed) == (like.axis, like.fixed)
        }

        def order(number: int) -> tuple[int, float, int]:
            each = listed[number]
            place = each.plane.index if self.by_slice else 0
            return place, -each.score, number

        return tuple(sorted(listed, key=order))

    def proposal(self, number: int) -> Proposed:
        """Return a proposal that is listed."""
        return self._session.findings.proposals[number]

    def told(self, number: int) -> str:
        """Say what a proposal would become, as it is listed."""
        each = self.proposal(number)
        joins = self._session.continued(number) if self.join else 0
        if joins:
            return f"continues {self._session.objects[joins].name}"
        return each.category.name if each.category else ""

    @property
    def complete(self) -> bool:
        """Whether all objects of the current one's class are known in the slice."""
        place = (kind_of(self._category), self._shown.plane)
        return place in self._session.findings.complete

    @property
    def completed(self) -> tuple[int, ...]:
        """The indices of the slices along the displayed axis that are complete."""
        like, kind = self._shown.plane, kind_of(self._category)
        if like is None:
            return ()
        return tuple(
            sorted(
                plane.index
                for of, plane in self._session.findings.complete
                if (of, plane.axis, plane.fixed) == (kind, like.axis, like.fixed)
            )
        )

    def refresh(self) -> None:
        """Show what there is now."""
        plane, listed = self._shown.plane, self.listed
        if self.current not in listed:
            self.current = 0
        if not self._session.findings.waiting:
            self._outlines.clear()
        elif plane is not None:
            here = ((n, p) for n in listed if (p := self.proposal(n)).plane == plane)
            self._outlines.show(plane, here, self.current)
        self.changed.emit()

    def _note(self, record: Record) -> None:
        if record.delta.proposals:
            self.refresh()

    # Going through it

    def next(self) -> None:
        """Show the next proposal; after the last, the first."""
        listed = self.listed
        if not listed:
            self.said.emit(self._nothing)
            return
        at = listed.index(self.current) + 1 if self.current in listed else 0
        self.show(listed[at % len(listed)])

    def show(self, number: int) -> None:
        """Look at a proposal."""
        each = self.proposal(number)
        self.current = number
        self._shown.go_to(each.plane, each.region.corners)
        self.refresh()
        told, listed = self.told(number), self.listed
        place = f"Proposal {listed.index(number) + 1} of {len(listed)}"
        what = f", {told}" if told else ""
        sure = f"{each.score:.0%}"
        self.said.emit(f"{place}, {sure}{what}: Shift+G if it is right, Shift+R if not")

    def accept(self) -> None:
        """Make the current proposal an object, and show the next."""
        self._decide(lambda n: self._session.accept_proposals([n], self.join))

    def reject(self) -> None:
        """Take note that the current proposal is wrong, and show the next."""
        self._decide(lambda n: self._session.reject_proposals([n]))

    def _decide(self, act: Callable[[int], object]) -> None:
        listed, number = self.listed, self.current
        if number not in listed:
            # Nothing is decided of what the user has not seen.
            self.next()
            return
        try:
            act(number)
        except ValueError as error:
            self.said.emit(str(error))
            return
        following = listed[listed.index(number) + 1 :] or listed[:1]
        left = [n for n in (*following, *self.listed) if n in self.listed]
        self.turned.emit()
        if left:
            self.show(left[0])
        else:
            self.refresh()
            self.said.emit("No proposal is left: find again learns from all of it")

    def accept_all(self) -> None:
        """Make all that are listed objects, in one step."""
        listed = self.listed
        if not listed:
            self.said.emit(self._nothing)
            return
        try:
            count = self._session.accept_proposals(listed, self.join)
        except ValueError as error:
            self.said.emit(str(error))
            return
        self.turned.emit()
        self.refresh()
        self.said.emit(f"{count} proposals accepted; undo takes all of it back")

    def take(self, changes: Mapping[Plane, Prompts]) -> bool:
        """Make the proposal that was clicked on an object, and go on with it.

        A negative click corrects it at once.

        Parameters
        ----------
        changes
            What the user has drawn: new prompts of the current object by plane.

        Returns
        -------
        Whether it was a click on a proposal that is seen
        """
        if len(changes) != 1 or not self._outlines.visible:
            return False
        ((plane, prompts),) = changes.items()
        known = self._session.objects[self._session.current].prompts
        before = known.get(plane, Prompts()).items
        new = prompts.items[len(before) :]
        if prompts.items[: len(before)] != before or len(new) != 1:
            return False
        click = new[0]
        number = self._under(plane, click) if isinstance(click, Click) else 0
        if not number:
            return False
        more = Prompts() if click.positive else Prompts(new)
        try:
            requests = self._session.correct_proposal(number, more, self.join)
        except ValueError as error:
            self.said.emit(str(error))
            requests = []
        else:
            name = self._session.objects[self._session.current].name
            self.said.emit(f"{name} was proposed: correct it by clicks, or press G")
        # The layer is still in the middle of its own change.
        QTimer.singleShot(0, self.turned.emit)
        self.refresh()
        self._prompting.answer(requests)
        return True

    def _under(self, plane: Plane, click: Click) -> int:
        """Return the proposal that a click hits, 0 for none."""
        y, x = map(round, click.at)
        for number in self.listed:
            each = self.proposal(number)
            top, left, bottom, right = each.extent
            if each.plane != plane or not (top <= y < bottom and left <= x < right):
                continue
            if each.region.pixels[y - top, x - left]:
                return number
        return 0

    # How it is gone through

    def show_from(self, least: float) -> None:
        """List and show those from a score on."""
        self.least = least
        self.refresh()

    def sort(self, by_slice: bool) -> None:
        """List slice by slice, or the most likely first."""
        self.by_slice = by_slice
        self.changed.emit()

    def join_slices(self, join: bool) -> None:
        """Let those that continue an object become a part of it, or not."""
        self.join = join
        self.changed.emit()

    def toggle_complete(self) -> None:
        """Say that all objects of the current one's class are known here, or not."""
        plane = self._shown.plane
        if plane is None:
            self.said.emit("Show a slice of the image to mark it complete")
            return
        category, complete = self._category, not self.complete
        self._session.mark_complete(category, plane, complete)
        of = f" of class {category.name}" if category else ""
        self.said.emit(
            f"All objects{of} are known in this slice: what else is in it is none"
            if complete
            else f"There may be further objects{of} in this slice"
        )
        self.changed.emit()

    @property
    def _category(self) -> Category | None:
        return self._session.objects[self._session.current].category

    @property
    def _nothing(self) -> str:
        if self._session.findings.waiting:
            return f"No proposal has a score of {self.least:.0%}: lower the slider"
        return "Nothing is proposed: find more first"
