"""What is to be checked: found by comparing labels with the image, and gone through."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_segnext.plugin.work.background import Background
from napari_segnext.plugin.work.task import Dropped
from napari_segnext.session.checklist import CheckList, Doubtful

if TYPE_CHECKING:
    from napari_segnext.geometry.plane import Plane
    from napari_segnext.plugin.layers.displayed_plane import ShownPlane
    from napari_segnext.plugin.layers.objects import Objects
    from napari_segnext.plugin.work.inference import Inference
    from napari_segnext.plugin.work.worker import Turn
    from napari_segnext.predicting.live import LiveImageModel
    from napari_segnext.propagation.comparing import Comparison
    from napari_segnext.propagation.survey import Shown, Survey
    from napari_segnext.session import Session
    from napari_segnext.session.doubt import Doubt
    from napari_segnext.session.state import Key

# How long the window is kept waiting at a time while objects are looked for.
_SHARE_S = 0.015


class Doubting(Background):
    """The list of what is to be checked, and the comparison that fills it.

    The comparison goes through the objects that are not finished, along the displayed
    axis. What was compared until it is stopped, or ends otherwise, stays; the next one
    goes on from there.

    Signals: those of `Background`; `changed` also for what is to be checked.
    """

    def __init__(
        self,
        inference: Inference,
        session: Session,
        objects: Objects,
        shown: ShownPlane,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(inference, parent)
        self._session, self._objects, self._shown = session, objects, shown
        self._list = CheckList(session)
        self._comparison: Comparison | None = None
        self._survey: Survey | None = None
        self._pieces: Iterator[list[Shown]] = iter(())
        self._done = 0
        # What is doubtful is so along one axis.
        shown.turned.connect(lambda axis: self.changed.emit())

    @property
    def listed(self) -> tuple[Doubtful, ...]:
        """Objects and planes to check, the most doubtful first."""
        plane = self._shown.plane
        return () if plane is None else self._list.along(plane)

    def begin_anew(self) -> None:
        """List what there is to check in a session that was restored."""
        self._list.begin_anew()
        self.changed.emit()

    # Going through it

    def next(self) -> None:
        """Show what is to be checked next; what is displayed counts as checked."""
        plane, listed = self._shown.plane, self.listed
        if plane is None or not listed:
            self.said.emit(
                "There is nothing to check: propagate the object, or compare all "
                "with the image"
            )
            return
        here = (self._session.current, plane)
        if any(key == here for key, _ in listed):
            self._session.check(*here)
            self.changed.emit()
        left = self.listed
        if left:
            self.show(left[0][0])
            self.said.emit(f"{len(left)} to check: correct it, or go on")
        else:
            self.said.emit("No slice is left to check")

    def show(self, key: Key) -> None:
        """Go on with an object in a plane."""
        self._objects.show(*key)

    # Comparing

    @property
    def running(self) -> bool:
        """Whether labels are being compared."""
        return self._survey is not None

    def start(self) -> None:
        """Compare all objects with the image, along the displayed axis."""
        # Torch comes with it, which the model has brought along by now.
        plane = self._shown.plane
        self._session.settle()
        if self.running:
            self.said.emit("The comparison is on its way: wait, or cancel it")
        elif plane is None:
            self.said.emit("Show a slice of the image to compare along its axis")
        elif self._inference.model is None:
            self.said.emit("The model is not loaded yet: compare when it is ready")
        else:
            self._begin(plane)

    def _begin(self, plane: Plane) -> None:
        from napari_segnext.propagation.survey import Survey

        self._survey, self._comparison, self._done = (
            Survey(self._session, plane),
            None,
            0,
        )
        self._pieces = self._survey.pieces()
        self.changed.emit()
        self.said.emit("Comparing all objects with the image: you can go on meanwhile")
        self._next()

    def stop(self) -> None:
        """Stop, if it is under way."""
        if self._task is not None:
            super().stop()
        elif self.running:
            self._dropped(Dropped.UNWANTED)

    def _next(self) -> None:
        """Look for objects for a moment, or hand on what was found."""
        if self._survey is None:
            return
        until = perf_counter() + _SHARE_S
        while perf_counter() < until:
            piece = next(self._pieces, None)
            if piece is None:
                self._end(f"All is compared: {len(self.listed)} to check")
                return
            if piece:
                self._hand_on(piece)
                return
        self._tell_progress(self._survey)
        QTimer.singleShot(0, self._next)

    def _hand_on(self, piece: list[Shown]) -> None:
        doubts: dict[Key, Doubt] = {}

        def run(model: LiveImageModel, turn: Turn) -> dict[Key, Doubt]:
            # After an interruption it is called again, and goes on.
            from napari_segnext.propagation.comparing import Comparison

            if self._comparison is None:
                self._comparison = Comparison(model.predictor)
            left = [shown for shown in piece if shown.key not in doubts]
            for shown, doubt in self._comparison.doubts(left, turn):
                doubts[shown.key] = doubt
            return doubts

        what = "The labels could not be compared"
        self._submit(run, partial(self._compared, piece), what)

    def _compared(self, piece: list[Shown], doubts: dict[Key, Doubt]) -> None:
        self._task = None
        # What the user has changed meanwhile was compared in vain.
        session = self._session
        session.doubt({s.key: doubts[s.key] for s in piece if s.unchanged(session)})
        self._done += len(piece)
        if self._survey is not None:
            self._tell_progress(self._survey)
        self.changed.emit()
        self._next()

    def _tell_progress(self, survey: Survey) -> None:
        finding = survey.found < survey.objects
        done = (survey.found, survey.objects) if finding else (self._done, survey.total)
        self.progressed.emit(*done)

    def _dropped(self, why: Dropped) -> None:
        how = " by the change of the model" if why is Dropped.MODEL else ""
        self._end(f"Comparing ended{how}: {self._done} slices of objects are compared")

    def _end(self, why: str) -> None:
        self._survey, self._pieces = None, iter(())
        super()._end(why)
