"""Work that is handed to the worker, and how it ends: finished, failed or dropped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

if TYPE_CHECKING:
    from napari_segnext.geometry.plane import Plane
    from napari_segnext.plugin.work.worker import Turn
    from napari_segnext.predicting.tiles import Tile

    Place = tuple[Plane, Tile]


class Priority(IntEnum):
    """Which task runs first."""

    CLICK = 0
    SHOWN = 1
    AHEAD = 2
    REST = 3


class Dropped(Enum):
    """Why a task will have no result."""

    REPLACED = "newer work took its place"
    UNWANTED = "it was stopped"
    MODEL = "another model is loaded"
    NO_MODEL = "there is no model"
    CLOSED = "the session has ended"


class Task(QObject):
    """Something to compute off the GUI thread.

    It ends once, by one of its signals, on the GUI thread and after it was handed in:
    `finished` (the result), `failed` (what could not be done, and why) or `dropped` (a
    `Dropped`).

    Parameters
    ----------
    key
        Identity: a newer task of the same key replaces this one while it waits.
    priority
        When it runs.
    run
        The computation, given its turn.
    needs
        Tells whether it needs the embedding of a tile that another task is making. If
        so, it waits for that one instead of interrupting it.
    what
        What is said before the reason if it fails.

    Attributes
    ----------
    making
        The tile that is being embedded by it.
    interrupted
        Set when it is to give up, for now or for good.
    ended
        Whether it has ended, or is about to and will not run again.
    """

    finished = Signal(object)
    failed = Signal(str)
    dropped = Signal(object)

    def __init__(
        self,
        key: Hashable,
        priority: Priority,
        run: Callable[[Turn], Any],
        needs: Callable[[Place], bool] = lambda making: False,
        what: str = "",
    ) -> None:
        super().__init__()
        self.key, self.priority, self.run = key, priority, run
        self.needs, self.what = needs, what
        self.making: Place | None = None
        self.interrupted = threading.Event()
        self.ended = False

    def end(self, outcome: object) -> None:
        """Tell how it went: a result, or the exception that it failed with."""
        self.ended = True
        if isinstance(outcome, Exception):
            said = [text for text in (self.what, str(outcome)) if text]
            self.failed.emit(": ".join(said))
        else:
            self.finished.emit(outcome)
        self.deleteLater()

    def drop(self, why: Dropped) -> None:
        """Tell that there will be no result."""
        self.ended = True
        self.dropped.emit(why)
        self.deleteLater()

    def drop_soon(self, why: Dropped) -> None:
        """Tell it when those who handed it in are listening."""
        self.ended = True
        QTimer.singleShot(0, lambda: self.drop(why))
