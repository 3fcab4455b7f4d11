"""The model learns from what was accepted, while the user goes on."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_segnext.journal.paths import taught_file
from napari_segnext.plugin.work.background import Background
from napari_segnext.plugin.work.modules import Imported
from napari_segnext.plugin.work.task import Dropped
from napari_segnext.session.accepted import accepted, check_enough
from napari_segnext.session.proposed import kind_of

if TYPE_CHECKING:
    from napari_segnext.files.categories import Category
    from napari_segnext.plugin.work.inference import Inference
    from napari_segnext.plugin.work.saving import Saving
    from napari_segnext.plugin.work.worker import Turn
    from napari_segnext.predicting.live import LiveImageModel
    from napari_segnext.session import Session
    from napari_segnext.session.accepted import Accepted
    from napari_segnext.training.teaching import Taught

_WHOLE = 1000


@dataclass(frozen=True, slots=True)
class Lesson:
    """What came of teaching.

    Attributes
    ----------
    before, after
        As those of `napari_segnext.training.teaching.Taught`.
    objects
        How many were held out.
    kept
        Whether the new model is used.
    """

    before: tuple[float, ...]
    after: tuple[float, ...]
    objects: int
    kept: bool

    @property
    def told(self) -> str:
        """The numbers that it was judged by."""
        one, three = (f"{self.before[n]:.2f} → {self.after[n]:.2f}" for n in (0, 2))
        return f"IoU {one} with 1 prompt, {three} with 3"


class Teaching(Background):
    """Teaches the model the accepted objects of the current one's class.

    The new model is a file beside the journal. It is used if objects that were held out
    get better, which is one step of undo.

    Signals: those of `Background`; `changed` also for `taught` and `lesson`; `wanted`
    (the file of the taught model that is to answer; empty: the model before).

    Attributes
    ----------
    lesson
        What came of teaching last; None if there was nothing yet.
    lost
        Whether the taught model cannot be loaded: that from before it answers.
    """

    wanted = Signal(str)

    def __init__(
        self,
        inference: Inference,
        session: Session,
        saving: Saving,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(inference, parent)
        self._session, self._saving = session, saving
        self.lesson: Lesson | None = None
        self.lost = False
        self._used, self._awaited = "", False
        session.listeners.append(self._follow)
        # Only then is it known where the journal lies.
        saving.restored.connect(self._follow)
        for failed in (inference.unloaded, inference.kept):
            failed.connect(self._not_loaded)
        inference.loaded.connect(self._loaded)

    @property
    def taught(self) -> str:
        """Name of the taught model that is to answer; empty if there is none."""
        return self._session.taught

    def start(self) -> None:
        """Teach what was accepted."""
        session, journal = self._session, self._saving.path
        session.settle()
        if self.running:
            self.said.emit("The model is being taught: wait, or cancel it")
        elif self._inference.model is None:
            self.said.emit("The model is not loaded yet: teach it when it is ready")
        elif journal is None:
            self.said.emit("Nothing can be saved here: a taught model needs a place")
        else:
            known = self._of_kind()
            try:
                check_enough(known)
            except ValueError as why:
                self.said.emit(f"The model was not taught{self._which}: {why}")
            else:
                self._begin(known, taught_file(journal))

    def forget(self) -> None:
        """Answer by the model from before it was taught: one step of undo."""
        self._session.use_taught("")

    def leave(self) -> None:
        """Take note that the user has chosen another model."""
        self._used, self._awaited, self.lost = "", False, False
        self._session.use_taught("")
        self.changed.emit()

    @property
    def _category(self) -> Category | None:
        return self._session.objects[self._session.current].category

    @property
    def _which(self) -> str:
        """Which objects, where there are classes to confuse them."""
        if self._category:
            return f" class {self._category.name}"
        none = " objects without a class, as the current one is"
        return none if self._session.categories else ""

    def _of_kind(self) -> list[Accepted]:
        objects, kind = self._session.objects, kind_of(self._category)
        return [
            each
            for each in accepted(self._session)
            if kind_of(objects[each.object_id].category) == kind
        ]

    def _begin(self, known: list[Accepted], place: Path) -> None:
        work: list[Generator[float, None, Taught]] = []
        needed = Imported("napari_segnext.training.teaching")

        def run(model: LiveImageModel, turn: Turn) -> tuple[Taught, Path]:
            # After an interruption it is called again, and goes on.
            needed.wait(turn)
            from napari_segnext.training.teaching import teaching
            from napari_segnext.weights import save_model

            if not work:
                work.append(teaching(model.predictor, known))
            while True:
                if turn():
                    raise InterruptedError
                try:
                    share = next(work[0])
                except StopIteration as end:
                    taught: Taught = end.value
                    break
                self.progressed.emit(round(_WHOLE * share), _WHOLE)
            if taught.better:
                save_model(taught.model, place)
            return taught, place

        self._submit(run, self._taught, "The model was not taught")
        self.said.emit("The model is being taught: you can go on meanwhile")

    def _taught(self, outcome: tuple[Taught, Path]) -> None:
        taught, place = outcome
        kept = taught.better
        self.lesson = Lesson(taught.before, taught.after, taught.held_out, kept)
        if kept:
            self._session.use_taught(place.name)
            self._end(f"Taught, the new model answers: {self.lesson.told}")
        else:
            self._end(f"Not kept, as it is no better: {self.lesson.told}")

    def _dropped(self, why: Dropped) -> None:
        how = " by the change of the model" if why is Dropped.MODEL else ""
        self._end(f"Teaching ended{how}: the model is as it was")

    def _follow(self) -> None:
        """Ask for the model that the session is answered by, if that is another."""
        name, journal = self._session.taught, self._saving.path
        if name != self._used and journal is not None:
            self._used, self._awaited, self.lost = name, bool(name), False
            self.wanted.emit(str(journal.with_name(name)) if name else "")
            self.changed.emit()

    def _loaded(self) -> None:
        self._awaited = False

    def _not_loaded(self) -> None:
        """Go back to the model before if it is a taught one that there is not."""
        if self._awaited:
            self._awaited, self.lost = False, True
            self.changed.emit()
            # The attempt to load it is not over yet.
            QTimer.singleShot(0, lambda: self.wanted.emit(""))
