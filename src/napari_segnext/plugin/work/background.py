"""What is done with the model while the user goes on, and can be stopped."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_segnext.plugin.work.task import Dropped, Priority, Task

if TYPE_CHECKING:
    from napari_segnext.plugin.work.inference import Inference
    from napari_segnext.plugin.work.worker import Turn
    from napari_segnext.predicting.live import LiveImageModel


class Background(QObject):
    """Work of one task, or of several one after the other, least urgent of all.

    It is running from its first task until it says why it has ended.

    Signals: `progressed` (how much is done, of how much), `changed` (`running`),
    `ended` (why) and `said` (what else the user should know).
    """

    progressed = Signal(int, int)
    changed = Signal()
    ended = Signal(str)
    said = Signal(str)

    def __init__(self, inference: Inference, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._inference = inference
        self._task: Task | None = None
        # Hands the last task in once more.
        self._again: Callable[[], None] = lambda: None

    @property
    def running(self) -> bool:
        """Whether it is under way."""
        return self._task is not None

    def stop(self) -> None:
        """Stop, if it is under way."""
        if self._task is not None:
            self._inference.drop(self._task)

    def _submit(
        self,
        work: Callable[[LiveImageModel, Turn], Any],
        done: Callable[[Any], None],
        what: str = "The model failed",
    ) -> None:
        """Go on with a task; `done` gets its result."""
        self._again = partial(self._submit, work, done, what)
        task = self._inference.submit(self, Priority.REST, work, what=what)
        task.finished.connect(done)
        task.failed.connect(self._failed)
        task.dropped.connect(self._dropped)
        begun, self._task = not self.running, task
        if begun:
            self.changed.emit()

    def _failed(self, why: str) -> None:
        self._end(why)

    def _dropped(self, why: Dropped) -> None:
        """End, or go on with another task."""
        raise NotImplementedError

    def _end(self, why: str) -> None:
        self._task, self._again = None, lambda: None
        self.changed.emit()
        self.ended.emit(why)
