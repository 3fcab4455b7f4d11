"""One thread that runs the model, so that the GUI thread never does.

Tasks carry a key: a newer task replaces a waiting one of the same key, never one
of another. The most urgent task runs first; a running one that is less urgent is
interrupted and waits its turn again, unless it is making just what the urgent one
needs. Results come back to the GUI thread by a Qt signal.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_segnext.plugin.work.task import Dropped, Priority, Task
from napari_segnext.weights.triton_guard import without_triton

if TYPE_CHECKING:
    from napari_segnext.plugin.work.task import Place

# Seconds for which a thread keeps Python's lock while another waits for it: usually,
# and while somebody waits for a mask. A model is a hundred short operations, each of
# which asks for the lock: beside a busy GUI thread that was most of a click's time.
_USUAL_TURN = sys.getswitchinterval()
_SHORT_TURN = 1e-4


class Turn:
    """A task's turn on the thread, given to its computation.

    Calling it asks whether to give up; the computation may then raise anything.
    """

    def __init__(self, worker: Worker, task: Task) -> None:
        self._worker, self._task = worker, task

    def __call__(self) -> bool:
        """Tell whether to give up."""
        return self._task.interrupted.is_set()

    def make(self, place: Place) -> None:
        """Say which tile is embedded from now on: tasks that need it wait for it."""
        self._worker.makes(self._task, place)


class Worker(QObject):
    """One long-lived daemon thread, and the queue that feeds it."""

    THREAD = "napari-segnext"
    _delivered = Signal(object, object)
    _outdated = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: list[Task] = []
        self._running: Task | None = None
        # Done, but on their way to the GUI thread.
        self._arriving: list[Task] = []
        self._closed = False
        self._changed = threading.Condition()
        self._delivered.connect(self._deliver)
        self._outdated.connect(lambda task: task.drop(Dropped.REPLACED))
        self._thread = threading.Thread(
            target=self._work, name=self.THREAD, daemon=True
        )
        self._thread.start()

    def submit(self, task: Task) -> Task:
        """Queue a task, and return it; called on the GUI thread."""
        # Its last reference may be the thread's, which must not delete it.
        task.setParent(self)
        if self._closed:
            task.drop_soon(Dropped.CLOSED)
            return task
        with self._changed:
            replaced = self._out([t for t in self._waiting if t.key == task.key])
            self._waiting.append(task)
            self._interrupt()
            self._changed.notify()
        for each in replaced:
            each.drop(Dropped.REPLACED)
        return task

    def _out(self, tasks: list[Task]) -> list[Task]:
        """Mark tasks as ended and take them out of the queue; return the tasks."""
        for task in tasks:
            task.ended = True
        self._waiting = [task for task in self._waiting if not task.ended]
        return tasks

    def makes(self, task: Task, place: Place) -> None:
        """Note which tile the running task embeds from now on."""
        with self._changed:
            task.making = place
            self._interrupt()

    def _interrupt(self) -> None:
        """Interrupt the running task if a more urgent one does not need its work."""
        running = self._running
        if running is None:
            return
        making = running.making
        if any(
            task.priority < running.priority
            and (making is None or not task.needs(making))
            for task in self._waiting
        ):
            running.interrupted.set()

    def discard(
        self, unwanted: Callable[[Task], bool], why: Dropped = Dropped.UNWANTED
    ) -> None:
        """Drop the waiting tasks, and stop the running one, that match.

        Called on the GUI thread.
        """
        with self._changed:
            running = [] if self._running is None else [self._running]
            known = [*self._waiting, *running, *self._arriving]
            dropped = self._out([t for t in known if not t.ended and unwanted(t)])
            for task in dropped:
                task.interrupted.set()
        for task in dropped:
            task.drop(why)

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        with self._changed:
            return self._running is None and not self._waiting

    @property
    def closed(self) -> bool:
        """Whether it has been stopped."""
        return self._closed

    def close(self, timeout: float = 5.0) -> None:
        """Stop: what is not done is dropped. Waits for the running task."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self.discard(lambda task: True, Dropped.CLOSED)
        self._thread.join(timeout)

    def _next(self) -> Task | None:
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            task = min(self._waiting, key=lambda t: t.priority)
            self._waiting.remove(task)
            task.interrupted.clear()
            task.making = None
            self._running = task
            return task

    def _work(self) -> None:
        while self._work_once():
            # Nothing of a finished task is kept alive while waiting for the next.
            pass

    def _work_once(self) -> bool:
        task = self._next()
        if task is None:
            return False
        try:
            with without_triton(), _lock_for(task.priority):
                outcome: Any = task.run(Turn(self, task))
        except Exception as error:
            if task.interrupted.is_set():
                self._again(task)
                return True
            outcome = error
        with self._changed:
            # Free for the queue before the result is known to anyone.
            self._running = None
            wanted = not task.ended
            if wanted:
                self._arriving.append(task)
        if wanted:
            self._delivered.emit(task, outcome)
        return True

    def _again(self, task: Task) -> None:
        """Put an interrupted task back, unless it is outdated."""
        with self._changed:
            self._running = None
            if task.ended:
                return
            task.ended = any(t.key == task.key for t in self._waiting)
            if not task.ended:
                self._waiting.insert(0, task)
        if task.ended:
            self._outdated.emit(task)

    def _deliver(self, task: Task, outcome: object) -> None:
        with self._changed:
            self._arriving.remove(task)
            if task.ended:
                return
            task.ended = True
        task.end(outcome)


@contextmanager
def _lock_for(priority: Priority) -> Iterator[None]:
    """Let a click's answer have Python's lock more often."""
    if priority != Priority.CLICK:
        yield
        return
    sys.setswitchinterval(_SHORT_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(_USUAL_TURN)
