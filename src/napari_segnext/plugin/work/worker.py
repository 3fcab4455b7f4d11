"""One thread that runs the model, so that the GUI thread never does.

Jobs carry a key: a newer job replaces a waiting one of the same key, never one
of another. The most urgent job runs first; a running one that is less urgent is
interrupted and waits its turn again, unless it is making just what the urgent one
needs. Results come back to the GUI thread by a Qt signal.

Every job ends exactly once: finished, failed or dropped.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_segnext.plugin.work.triton_guard import without_triton

# Seconds for which a thread keeps Python's lock while another waits for it: usually,
# and while somebody waits for a mask. A model is a hundred short operations, each of
# which asks for the lock: beside a busy GUI thread that was most of a click's time.
_USUAL_TURN = sys.getswitchinterval()
_SHORT_TURN = 1e-4


class Priority(IntEnum):
    """Which job runs first."""

    CLICK = 0
    SHOWN = 1
    AHEAD = 2
    REST = 3


class Turn:
    """A job's turn on the thread, given to its computation.

    Calling it asks whether to give up; the computation may then raise anything.
    """

    def __init__(self, worker: Worker, job: Job) -> None:
        self._worker, self._job = worker, job

    def __call__(self) -> bool:
        """Tell whether to give up."""
        return self._job.interrupted.is_set()

    def make(self, what: Hashable) -> None:
        """Say what is made from now on: jobs that need it wait for it."""
        self._worker.makes(self._job, what)


@dataclass(eq=False)
class Job:
    """Something to compute off the GUI thread.

    Attributes
    ----------
    key
        Identity: a newer job of the same key replaces this one.
    priority
        When it runs.
    run
        The computation, given its turn.
    done, failed, dropped
        One of them is called, once, on the GUI thread: with the result, with the
        exception, or, where a newer job took its place or nobody wants it any more,
        with nothing.
    needs
        Tells whether this job needs what another one is making, given what that
        one has said it works on. If so, it waits for it instead of interrupting it.
    """

    key: Hashable
    priority: Priority
    run: Callable[[Turn], Any]
    done: Callable[[Any], None] = lambda result: None
    failed: Callable[[Exception], None] = lambda error: None
    dropped: Callable[[], None] = lambda: None
    needs: Callable[[Hashable], bool] = lambda making: False
    making: Hashable = None
    interrupted: threading.Event = field(default_factory=threading.Event)
    ended: bool = False


class Worker(QObject):
    """One long-lived daemon thread, and the queue that feeds it."""

    THREAD = "napari-segnext"
    _delivered = Signal(object, object)
    _outdated = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: list[Job] = []
        self._running: Job | None = None
        # Done, but on their way to the GUI thread.
        self._arriving: list[Job] = []
        self._closed = False
        self._changed = threading.Condition()
        self._delivered.connect(self._deliver)
        self._outdated.connect(lambda job: job.dropped())
        self._thread = threading.Thread(
            target=self._work, name=self.THREAD, daemon=True
        )
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job; called on the GUI thread."""
        with self._changed:
            replaced = [j for j in self._waiting if j.key == job.key]
            self._waiting.append(job)
            outdated = self._end([job] if self._closed else replaced)
            self._interrupt()
            self._changed.notify()
        for each in outdated:
            each.dropped()

    def _end(self, jobs: list[Job]) -> list[Job]:
        """Mark jobs as ended and take them out of the queue; return the jobs."""
        for job in jobs:
            job.ended = True
        self._waiting = [job for job in self._waiting if not job.ended]
        return jobs

    def makes(self, job: Job, what: Hashable) -> None:
        """Note what the running job makes from now on."""
        with self._changed:
            job.making = what
            self._interrupt()

    def _interrupt(self) -> None:
        """Interrupt the running job if a more urgent one does not need its work."""
        running = self._running
        if running is not None and any(
            job.priority < running.priority and not job.needs(running.making)
            for job in self._waiting
        ):
            running.interrupted.set()

    def discard(self, unwanted: Callable[[Job], bool]) -> None:
        """Drop the waiting jobs, and stop the running one, that match.

        Called on the GUI thread.
        """
        with self._changed:
            running = [] if self._running is None else [self._running]
            known = [*self._waiting, *running, *self._arriving]
            outdated = self._end([j for j in known if not j.ended and unwanted(j)])
            for job in outdated:
                job.interrupted.set()
        for job in outdated:
            job.dropped()

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
        """Stop: what is not done is dropped. Waits for the running job."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self.discard(lambda job: True)
        self._thread.join(timeout)

    def _next(self) -> Job | None:
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            job = min(self._waiting, key=lambda j: j.priority)
            self._waiting.remove(job)
            job.interrupted.clear()
            job.making = None
            self._running = job
            return job

    def _work(self) -> None:
        while self._work_once():
            # Nothing of a finished job is kept alive while waiting for the next.
            pass

    def _work_once(self) -> bool:
        job = self._next()
        if job is None:
            return False
        try:
            with without_triton(), _lock_for(job.priority):
                outcome: Any = job.run(Turn(self, job))
        except Exception as error:
            if job.interrupted.is_set():
                self._again(job)
                return True
            outcome = error
        with self._changed:
            # Free for the queue before the result is known to anyone.
            self._running = None
            wanted = not job.ended
            if wanted:
                self._arriving.append(job)
        if wanted:
            self._delivered.emit(job, outcome)
        return True

    def _again(self, job: Job) -> None:
        """Put an interrupted job back, unless it is outdated."""
        with self._changed:
            self._running = None
            if job.ended:
                return
            job.ended = any(j.key == job.key for j in self._waiting)
            if not job.ended:
                self._waiting.insert(0, job)
        if job.ended:
            self._outdated.emit(job)

    def _deliver(self, job: Job, outcome: object) -> None:
        with self._changed:
            self._arriving.remove(job)
            if job.ended:
                return
            job.ended = True
        if isinstance(outcome, Exception):
            job.failed(outcome)
        else:
            job.done(outcome)


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
