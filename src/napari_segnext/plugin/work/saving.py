"""A session and its journal: found, resumed or begun, and kept up to date.

The disk is touched on other threads alone, however slow or broken it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_segnext.journal import (
    DamagedJournalError,
    Earlier,
    Journal,
    Saved,
    Subject,
    describe,
    find_earlier,
    resume,
    sample_key,
    start,
)
from napari_segnext.plugin.work.acknowledging import Acknowledgement

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_segnext.geometry.space import Space
    from napari_segnext.session import Record, Session

_RETRY_MS = 2000
# So many journals of an image are looked into, the newest first.
_OFFERED = 10


class Saving(QObject):
    """Finds earlier work on an image, and saves what is done from now on.

    Signals: `said` (status line), `changed` (any attribute), `restored` (the session
    is as it was when it was last saved), `begun` (it begins new; perhaps unsaved, while
    nothing can be written).

    Parameters
    ----------
    session
        A new one. If something was done in it before earlier work is found, that
        work is set aside.
    layers
        Are not editable while the user has to choose.

    Attributes
    ----------
    earlier
        What can be resumed, while the user has to choose; the newest first.
    choosing
        Whether the user has to choose, or will have to.
    path
        Where the journal lies, None before it is known.
    problem
        Why nothing is saved, None if it is.
    """

    said = Signal(str)
    changed = Signal()
    restored = Signal()
    begun = Signal()
    _arrived = Signal(object, object)

    def __init__(
        self,
        image: Image,
        space: Space,
        session: Session,
        layers: Sequence[Layer],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.earlier: list[Earlier] = []
        self.choosing = False
        self.path: Path | None = None
        self.problem: str | None = None
        self._session, self._layers = session, layers
        self._modes: dict[Layer, Any] = {}
        self._subject: Subject | None = None
        self._journal: Journal | None = None
        self._ahead = 0
        self._closed = self._by_itself = False
        self._left: list[Record] = []
        self._acknowledged = Acknowledgement(self)
        self._acknowledged.changed.connect(self.changed)
        self._arrived.connect(lambda done, outcome: done(outcome))
        session.recorders.append(self._recorded)
        # The layer itself is looked at here alone, its data elsewhere.
        data = list(image.data) if image.multiscale else image.data
        self._about = image.source.path, image.name, data, space.shape
        self._identify()

    @property
    def apart(self) -> bool:
        """Whether another viewer has the image open, and the journal one of its own."""
        return self.path is not None and self.path.suffix[1:].isdigit()

    @property
    def mark(self) -> str:
        """What the status line ends with while something is not saved."""
        return "not saved yet" if self._acknowledged.late else ""

    def when_saved(self, key: Hashable, act: Callable[[], None]) -> None:
        """Do something once all so far is on disk, or 200 ms later.

        Parameters
        ----------
        key
            What waits under the same key is replaced.
        """
        self._acknowledged.when_saved(key, act)

    def resume_newest(self) -> None:
        """Go on with the newest earlier work once it is found, without asking."""
        self._by_itself = True

    def wait(self, timeout: float) -> bool:
        """Wait, once closed, on another thread until all that was done is on disk.

        Returns
        -------
        Whether it is, and the journal can be resumed.
        """
        return self._journal is None or self._journal.join(timeout)

    def resume(self, path: Path) -> None:
        """Go on with earlier work."""
        self._choose()
        assert self._subject is not None
        self.said.emit("Resuming …")
        self._elsewhere(partial(resume, self._subject, path), self._resumed)

    def start_new(self) -> None:
        """Leave earlier work alone: it is kept under another name."""
        self._hold(False)
        self._choose()
        self._begin()

    def close(self) -> None:
        """Follow the session no more; what is left is saved as soon as it can be."""
        self._closed = True
        self._acknowledged.close()
        self._hold(False)
        self._choose()
        self._session.recorders.remove(self._recorded)
        if self._journal is not None:
            self._journal.finish()
        elif self._session.can_undo:
            self._left = list(self._session.records())

    # Opening

    def _elsewhere(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Do something on another thread, and take its outcome on this one."""

        def run() -> None:
            outcome: Any
            try:
                outcome = work()
            except Exception as error:
                outcome = error
            try:
                self._arrived.emit(done, outcome)
            except RuntimeError:  # The viewer is gone, and this object with it.
                if isinstance(outcome, Journal):
                    self._leave(outcome)

        threading.Thread(target=run, name="segnext-opening", daemon=True).start()

    def _identify(self) -> None:
        if not self._closed or self._left:
            self._elsewhere(partial(_identify, *self._about), self._identified)

    def _identified(self, outcome: tuple[Subject, list[Path]] | Exception) -> None:
        if isinstance(outcome, Exception):
            self._trouble(f"Not saved: {outcome}. It is tried again")
            QTimer.singleShot(_RETRY_MS, self._identify)
            return
        self._subject, paths = outcome
        self._session.settle()
        if not paths or self._session.can_undo or self._closed:
            self._begin()
            return
        self.choosing = True
        self._hold(True)
        self._look_into(paths[:_OFFERED])

    def _look_into(self, paths: list[Path]) -> None:
        if self._closed or not self.choosing:
            return
        if paths:
            self._elsewhere(
                partial(describe, paths[0]), partial(self._described, paths[1:])
            )
        elif not self.earlier:
            self.start_new()

    def _described(self, rest: list[Path], outcome: Earlier | Exception | None) -> None:
        if isinstance(outcome, Earlier) and self.choosing:
            if self._by_itself:
                self.resume(outcome.path)
                return
            self.earlier.append(outcome)
            self.changed.emit()
        self._look_into(rest)

    def _begin(self) -> None:
        if self._subject is not None and (self._left or not self._closed):
            self._elsewhere(partial(start, self._subject), self._begun)

    def _begun(self, outcome: Journal | Exception) -> None:
        if isinstance(outcome, Exception):
            self._trouble(f"Not saved: {outcome}. It is tried again")
            QTimer.singleShot(_RETRY_MS, self._begin)
            self.begun.emit()
        elif self._closed:
            self._leave(outcome)
        else:
            self._follow(outcome)
            if self.apart:
                self.said.emit(
                    "This image is open in another viewer: what you do here is saved "
                    f"apart, in {outcome.path.name}"
                )
            elif outcome.aside is not None:
                self.said.emit(f"Earlier work is kept in {outcome.aside.name}")
            self.begun.emit()

    def _resumed(self, outcome: tuple[Journal, Saved] | Exception) -> None:
        self._hold(False)
        if isinstance(outcome, DamagedJournalError | OSError):
            self.said.emit(f"Nothing resumed: {outcome}")
            self._begin()
        elif isinstance(outcome, Exception):
            raise outcome
        elif self._closed:
            outcome[0].finish()
        else:
            journal, saved = outcome
            saved.restore(self._session)
            self._follow(journal)
            self.restored.emit()
            self.said.emit(_report(saved, journal))

    def _choose(self) -> None:
        self.choosing = False
        self.earlier.clear()
        self.changed.emit()

    def _hold(self, on: bool) -> None:
        """Let the layers be changed or not."""
        for layer in self._layers:
            if on:
                self._modes[layer] = layer.mode
                layer.editable = False
            elif layer in self._modes:
                layer.editable = True
                layer.mode = self._modes.pop(layer)

    # Saving

    def _follow(self, journal: Journal) -> None:
        self._journal, self.path = journal, journal.path
        self._session.recorders.remove(self._recorded)
        journal.follow(self._session)
        # After the journal's own, so that a change has its number by then.
        self._session.recorders.append(self._recorded)
        self._ahead = journal.number - self._acknowledged.taken
        journal.watchers.append(self._heard)
        self._take_stock()
        self.changed.emit()

    def _leave(self, journal: Journal) -> None:
        """Give a journal what a session that has ended left."""
        for record in self._left:
            journal.append(record)
        journal.finish()

    def _recorded(self, record: Record) -> None:
        self._acknowledged.take()

    def _heard(self) -> None:
        """Learn from the journal's thread that something is new."""
        try:
            self._arrived.emit(lambda _: self._take_stock(), None)
        except RuntimeError:
            pass  # The viewer is gone; the journal goes on.

    def _take_stock(self) -> None:
        if self._journal is None:
            return
        self._acknowledged.save(self._journal.saved - self._ahead)
        self._trouble(self._journal.problem)

    def _trouble(self, problem: str | None) -> None:
        if problem == self.problem:
            return
        self.said.emit(problem or "Saved again")
        self.problem = problem
        self.changed.emit()


def _identify(
    source: str | None, name: str, data: Any, shape: tuple[int, ...]
) -> tuple[Subject, list[Path]]:
    """Return what a journal is to be about, and which journals there are."""
    if source is not None and "://" not in source:
        subject = Subject(Path(source), name, shape)
    else:
        subject = Subject(None, f"{name}-{sample_key(data)}", shape)
    return subject, find_earlier(subject)


def _report(saved: Saved, journal: Journal) -> str:
    text = "Resumed: all is as it was"
    if saved.damaged:
        text += "; the journal's damaged end is kept apart and left out"
    if journal.aside is not None:
        text += f". Other earlier work is kept in {journal.aside.name}"
    return text
