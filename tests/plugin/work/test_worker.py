import sys
import threading

import pytest

from napari_segnext.plugin.work.task import Dropped, Priority, Task
from napari_segnext.plugin.work.worker import Worker


class Gate:
    """A job body that waits until it is opened, and gives up when interrupted."""

    def __init__(self):
        self.entered, self.open = threading.Event(), threading.Event()
        self.makes = None
        self.runs = 0

    def __call__(self, turn):
        self.runs += 1
        turn.make(self.makes)
        self.entered.set()
        while not self.open.wait(0.002):
            if turn():
                raise RuntimeError("cancelled")
        return "gate"


@pytest.fixture
def worker(qtbot):
    worker = Worker()
    yield worker
    worker.close()


@pytest.fixture
def gate(worker):
    gate = Gate()
    yield gate
    gate.open.set()


@pytest.fixture
def log():
    return []


def made(key, priority, run, done, failed=None, dropped=None, **options):
    """Make a task and listen to how it ends."""
    task = Task(key, priority, run, **options)
    task.finished.connect(done)
    if failed is not None:
        task.failed.connect(failed)
    if dropped is not None:
        task.dropped.connect(dropped)
    return task


def job(log, name, priority=Priority.CLICK, key=None, needs=()):
    return made(
        key or name, priority, lambda turn: name, log.append, needs=needs.__contains__
    )


def hold(worker, gate, log, priority=Priority.CLICK, makes=None, key="gate"):
    gate.makes = makes
    worker.submit(made(key, priority, gate, log.append))
    assert gate.entered.wait(5)


def test_result_arrives_on_the_gui_thread(qtbot, worker):
    threads = []
    worker.submit(
        made(
            "job",
            Priority.CLICK,
            lambda turn: threading.current_thread(),
            lambda thread: threads.extend([thread, threading.current_thread()]),
        )
    )
    qtbot.waitUntil(lambda: len(threads) == 2)
    assert threads[0] is not threading.main_thread()
    assert threads[1] is threading.main_thread()


def test_urgent_jobs_run_first(qtbot, worker, gate, log):
    hold(worker, gate, log)
    worker.submit(job(log, "rest", Priority.REST))
    worker.submit(job(log, "ahead", Priority.AHEAD))
    worker.submit(job(log, "first click"))
    worker.submit(job(log, "second click"))
    gate.open.set()
    qtbot.waitUntil(lambda: len(log) == 5)
    assert log == ["gate", "first click", "second click", "ahead", "rest"]


def test_newer_job_replaces_waiting_one_of_its_key_only(qtbot, worker, gate, log):
    hold(worker, gate, log)
    worker.submit(job(log, "old", key=("object 1", "plane")))
    worker.submit(job(log, "other", key=("object 2", "plane")))
    worker.submit(job(log, "new", key=("object 1", "plane")))
    gate.open.set()
    qtbot.waitUntil(lambda: len(log) == 3)
    assert sorted(log) == ["gate", "new", "other"]


def test_click_interrupts_what_it_does_not_need_which_is_done_later(
    qtbot, worker, gate, log
):
    hold(worker, gate, log, Priority.AHEAD, makes="tile 1")
    worker.submit(job(log, "click", needs=["tile 2"]))
    qtbot.waitUntil(lambda: log == ["click"])
    gate.open.set()
    qtbot.waitUntil(lambda: log == ["click", "gate"])
    assert gate.runs == 2


def test_click_waits_for_what_it_needs(qtbot, worker, gate, log):
    hold(worker, gate, log, Priority.SHOWN, makes="tile 1")
    worker.submit(job(log, "click", needs=["tile 1"]))
    gate.open.set()
    qtbot.waitUntil(lambda: len(log) == 2)
    assert log == ["gate", "click"]
    assert gate.runs == 1


def test_click_waits_no_longer_than_for_what_it_needs(qtbot, worker, log):
    first, more = Gate(), Gate()
    first.makes, more.makes = "tile 1", "tile 2"

    def both(turn):
        first(turn)
        return more(turn)

    worker.submit(made("both", Priority.SHOWN, both, log.append))
    assert first.entered.wait(5)
    worker.submit(job(log, "click", needs=["tile 1"]))
    first.open.set()
    qtbot.waitUntil(lambda: log == ["click"])
    more.open.set()
    qtbot.waitUntil(lambda: log == ["click", "gate"])


def test_click_does_not_interrupt_a_click(qtbot, worker, gate, log):
    hold(worker, gate, log, makes="tile 1")
    worker.submit(job(log, "click"))
    gate.open.set()
    qtbot.waitUntil(lambda: len(log) == 2)
    assert log == ["gate", "click"]


def test_discarded_jobs_are_neither_run_nor_delivered(qtbot, worker, gate, log):
    hold(worker, gate, log)
    worker.submit(job(log, "waiting"))
    worker.discard(lambda j: j.key in ("gate", "waiting"))
    worker.submit(job(log, "last"))
    qtbot.waitUntil(lambda: log == ["last"])


def test_exception_is_delivered_and_the_worker_goes_on(qtbot, worker, log):
    def fail(turn):
        raise OSError("no such file")

    errors = []
    worker.submit(made("bad", Priority.CLICK, fail, log.append, errors.append))
    worker.submit(job(log, "good"))
    qtbot.waitUntil(lambda: log == ["good"])
    assert [str(e) for e in errors] == ["no such file"]


def test_close_stops_the_running_job_and_delivers_nothing(qtbot, gate, log):
    worker = Worker()
    hold(worker, gate, log)
    worker.submit(job(log, "waiting"))
    worker.close()
    assert not worker._thread.is_alive()
    worker.submit(job(log, "late"))
    qtbot.wait(20)
    assert log == []


def test_a_click_has_the_lock_more_often_and_nothing_else_does(qtbot, worker):
    usual, found = sys.getswitchinterval(), []

    def interval(turn):
        return sys.getswitchinterval()

    def fail(turn):
        raise ValueError

    for priority, run in [
        (Priority.CLICK, interval),
        (Priority.CLICK, fail),
        (Priority.SHOWN, interval),
    ]:
        worker.submit(made(priority, priority, run, found.append, found.append))
        qtbot.waitUntil(lambda: worker.idle)
    qtbot.waitUntil(lambda: len(found) == 3)
    assert found[0] < usual / 10
    assert found[2] == usual


class Ends:
    """Notes how a job ends."""

    def __init__(self):
        self.seen = []

    def job(self, name, run=lambda turn: "result", priority=Priority.REST):
        return made(
            name,
            priority,
            run,
            lambda result: self.seen.append((name, "done")),
            lambda error: self.seen.append((name, "failed")),
            lambda why: self.seen.append((name, "dropped")),
        )


@pytest.fixture
def ends():
    return Ends()


def fail(turn):
    raise OSError("no such file")


def test_every_job_ends_exactly_once(qtbot, worker, gate, ends):
    worker.submit(ends.job("running", gate))
    assert gate.entered.wait(5)
    for name in ("replaced", "unwanted", "bad", "good", "replaced"):
        worker.submit(ends.job(name, fail if name == "bad" else gate))
    assert ends.seen == [("replaced", "dropped")]
    worker.discard(lambda job: job.key in ("running", "unwanted"))
    gate.open.set()
    qtbot.waitUntil(lambda: worker.idle and len(ends.seen) == 6)
    worker.close()
    qtbot.wait(20)
    assert sorted(ends.seen) == [
        ("bad", "failed"),
        ("good", "done"),
        ("replaced", "done"),
        ("replaced", "dropped"),
        ("running", "dropped"),
        ("unwanted", "dropped"),
    ]


def test_interrupted_job_that_was_replaced_meanwhile_is_dropped(
    qtbot, worker, gate, ends
):
    worker.submit(ends.job("embed", gate))
    assert gate.entered.wait(5)
    worker.submit(ends.job("embed"))
    worker.submit(ends.job("click", priority=Priority.CLICK))
    qtbot.waitUntil(lambda: len(ends.seen) == 3)
    assert sorted(ends.seen) == [
        ("click", "done"),
        ("embed", "done"),
        ("embed", "dropped"),
    ]


def test_a_task_tells_why_it_was_dropped(qtbot, gate):
    worker, why = Worker(), {}

    def submit(name, key, run=lambda turn: None):
        def told(reason):
            why[name] = reason

        worker.submit(made(key, Priority.REST, run, lambda result: None, None, told))

    submit("running", "gate", gate)
    assert gate.entered.wait(5)
    for name, key in [("first", "a"), ("second", "a"), ("third", "b"), ("last", "c")]:
        submit(name, key)
    worker.discard(lambda task: task.key == "a")
    worker.discard(lambda task: task.key == "b", Dropped.MODEL)
    worker.close()
    submit("late", "d")
    assert "late" not in why
    qtbot.waitUntil(lambda: "late" in why)
    assert why == {
        "first": Dropped.REPLACED,
        "second": Dropped.UNWANTED,
        "third": Dropped.MODEL,
        "running": Dropped.CLOSED,
        "last": Dropped.CLOSED,
        "late": Dropped.CLOSED,
    }


def test_result_on_its_way_is_not_delivered_once_it_is_unwanted(worker, ends):
    computed = threading.Event()

    def run(turn):
        computed.set()

    worker.submit(ends.job("late", run))
    assert computed.wait(5)
    worker.discard(lambda job: job.key == "late")
    assert ends.seen == [("late", "dropped")]


def test_closing_drops_what_runs_what_waits_and_what_comes_later(qtbot, gate, ends):
    worker = Worker()
    worker.submit(ends.job("running", gate))
    assert gate.entered.wait(5)
    worker.submit(ends.job("waiting"))
    worker.close()
    worker.submit(ends.job("late"))
    qtbot.wait(20)
    assert sorted(ends.seen) == [
        (name, "dropped") for name in ("late", "running", "waiting")
    ]
