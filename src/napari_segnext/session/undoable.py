"""Steps back and forth, and what is to be decoded after them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from napari_segnext.geometry.misuse import expect
from napari_segnext.geometry.plane import Plane
from napari_segnext.labels.diffs import Diff
from napari_segnext.prompts import Prompts
from napari_segnext.session import operations
from napari_segnext.session.adopting import Adopting
from napari_segnext.session.doubt import Doubt
from napari_segnext.session.masks import View, previous_mask
from napari_segnext.session.messages import Request, Undone
from napari_segnext.session.state import (
    Delta,
    Key,
    doubt_of,
    prompts_of,
    result_of,
)
from napari_segnext.session.step import Step


class Undoable(Adopting):
    """Objects whose prompts ask for masks, and one undo for all of it.

    Parameters and attributes are those of `ObjectBook`.
    """

    def request(self, object_id: int, plane: Plane) -> Request | None:
        """Return what is to be decoded for an object in a plane now, if anything."""
        self.labels.settle()
        return next(iter(self._wanted([(object_id, plane)])), None)

    def requests(self) -> list[Request]:
        """Return all that is to be decoded now."""
        self.labels.settle()
        return self._wanted(self._history.waiting)

    def begin_with(self, prompts: Mapping[Plane, Prompts]) -> list[Request]:
        """Give prompts to an empty object, one there is or a new one, and go to it.

        It is one step.

        Returns
        -------
        What to decode

        Raises
        ------
        ValueError
            As `change_prompts`.
        """
        self.settle()
        self._check_prompts(prompts)
        number = self._spare()
        after = Delta(number, {number: self._fresh(number)})
        after.prompts = {(number, plane): given for plane, given in prompts.items()}
        only = next(iter(prompts)) if len(prompts) == 1 else None
        step = self._step("prompts", number, only, after)
        step.asks = frozenset(after.prompts)
        self._take(step)
        return self._wanted(after.prompts)

    def _check_prompts(self, changes: Mapping[Plane, Prompts]) -> None:
        for plane, prompts in changes.items():
            self.space.check(expect(plane, Plane, "a plane is Plane(axis, index)"))
            expect(prompts, Prompts, "prompts are made by Prompts().click(y, x)")
            prompts.check_inside(self.space.plane_shape(plane))
        if len({plane.axis for plane in changes}) > 1:
            raise ValueError("prompts of planes that cross cannot be changed at once")

    def _wanted(self, keys: Iterable[Key]) -> list[Request]:
        view = self._view()
        return [
            self._request(step, key, view)
            for key in keys
            if (step := self._history.awaiting(key)) and key[0] in self._objects
        ]

    def _request(self, step: Step, key: Key, view: View) -> Request:
        prompts, result = prompts_of(self._objects, key), result_of(self._objects, key)
        previous, answered = previous_mask(view, key, prompts, result)
        return Request(*key, prompts, previous, answered, step.ticket)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return self._history.can_undo

    @property
    def undo_is_shortened(self) -> bool:
        """Whether there were steps before the first that can be taken back.

        Those before a session was resumed are not kept, nor more than take a bounded
        number of bytes.
        """
        return self._history.shortened

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again."""
        return bool(self._history.undone)

    def undo(self) -> Undone | None:
        """Take back the last step, prompts and mask together; None without one."""
        self.settle()
        if not self._history.can_undo:
            return None
        diff = self._history.done[-1].diff.inverse
        self._painter.write_all(diff, self._history.done[-1].plane)
        step = self._history.undo()
        # Doubts are no steps: those about what it made would not come back with it.
        gone = operations.no_longer_doubted(self._objects, self.space, diff)
        step.after.doubts |= {key: doubt_of(self._objects, key) for key in gone}
        return self._turned("undo", step, step.before, diff)

    def redo(self) -> Undone | None:
        """Do again what was undone last; None without a step."""
        self.settle()
        if not self._history.undone:
            return None
        diff = self._history.undone[-1].diff
        self._painter.write_all(diff, self._history.undone[-1].plane)
        step = self._history.redo()
        return self._turned("redo", step, step.after, diff)

    # The model

    def use_taught(self, name: str) -> None:
        """Answer by a model that was taught, or by none: one step.

        Parameters
        ----------
        name
            Of its file beside the journal; empty for none.
        """
        self.settle()
        if name != self.taught:
            what = "teach" if name else "forget what was taught"
            step = self._step(what, 0, None, Delta(taught=name))
            step.before.taught = self.taught
            self._take(step)

    # What is no step

    def check(self, object_id: int, plane: Plane) -> None:
        """Take note that what was found of an object in a plane is right.

        It is so too when undo or redo bring that result back.
        """
        self.labels.settle()
        key, known, delta = (object_id, plane), self._known(object_id), Delta()
        if plane in known.results:
            former = known.results[plane]
            delta.results[key] = checked = replace(former, checked=True)
            self._history.exchange(key, former, checked)
        if plane in known.doubts:
            delta.doubts[key] = replace(known.doubts[plane], checked=True)
        self._note("check", delta)

    def doubt(self, doubts: Mapping[Key, Doubt]) -> None:
        """Take note of what was found when masks were compared with the image.

        Raises
        ------
        ValueError
            If there is no such object, or a plane lies outside.
        """
        self.labels.settle()
        for number, plane in doubts:
            self._known(number)
            self.space.check(plane)
        self._note("doubt", Delta(doubts=dict(doubts)))

    def view_by_class(self, semantic: bool) -> None:
        """See objects of a class as one, or each for itself."""
        self.labels.settle()
        self._note("view", Delta(semantic=semantic))

    def _turned(self, how: str, step: Step, delta: Delta, diff: Diff) -> Undone:
        delta = delta.copy()
        gone = operations.no_longer_doubted(self._objects, self.space, diff)
        delta.doubts = gone | delta.doubts
        covered = operations.covered_proposals(
            self._objects, self._findings, self._painter, diff
        )
        delta.proposals = dict.fromkeys(covered) | delta.proposals
        self._done(f"{how} {step.name}", step, delta, diff)
        number, plane = step.object_id, step.plane
        prompts, keys = Prompts(), set(step.after.prompts)
        if plane is not None:
            prompts, keys = (
                prompts_of(self._objects, (number, plane)),
                {(number, plane)},
            )
        requests = tuple(self._wanted(sorted(keys)))
        return Undone(step.name, number, plane, prompts, requests)
