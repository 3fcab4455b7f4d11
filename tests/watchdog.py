"""How long the window was held up, and by what.

A timer beats on the GUI thread. While a beat is late, another thread looks at what the
GUI thread is doing, so that a stall comes with the stack that caused it. What a test
does outside the event loop is late, too: of a stall counts what passes while code of
the package is on the stack.
"""

from __future__ import annotations

import faulthandler
import os
import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import napari
from qtpy.QtCore import Qt, QTimer

import napari_segnext

BEAT_MS, LOOK_MS = 4, 8
# What is told, and what a test must not reach.
STALL_MS, LONGEST_MS = 50.0, 2000.0
PACKAGE = str(Path(napari_segnext.__file__).parent)
NAPARI = str(Path(napari.__file__).parent) + os.sep
# What a process does once.
IMPORTS = "<frozen importlib"
# Of a stack are told the innermost lines, and those of the package.
INNERMOST, OWN = 2, 6
_FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$', re.MULTILINE)

Stack = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stall:
    """A time in which no event was handled.

    Attributes
    ----------
    wall, cpu
        Milliseconds that passed, and that the GUI thread computed.
    waited
        Milliseconds in which it could have computed but other programs did; 0 where
        the system does not tell.
    own
        Milliseconds of `wall` in which code of the package was on the stack and
        imported nothing.
    napari
        Milliseconds of these in which napari worked for it, as when a layer is added.
    stack
        Where it was most of the time: lines of the package and the innermost ones,
        ``file:line function``.
    """

    wall: float
    cpu: float
    waited: float = 0.0
    own: float = 0.0
    napari: float = 0.0
    stack: Stack = ()

    def __str__(self) -> str:
        head = (
            f"{self.wall:.0f} ms, {self.cpu:.0f} of CPU, {self.waited:.0f} waiting for "
            f"one; {self.own:.0f} in the package, {self.napari:.0f} of it in napari"
        )
        return "\n    ".join([head, *self.stack])


class Watchdog:
    """Watches the event loop of the thread that makes it, while it is entered.

    Attributes
    ----------
    stalls
        Those of at least `STALL_MS`.
    longest, longest_cpu
        Milliseconds of the longest gap between two beats since `start`, in which the
        GUI thread computed so long at most.
    """

    def __init__(self) -> None:
        self.stalls = list[Stall]()
        self._thread, self._native = threading.get_ident(), threading.get_native_id()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(self._beat)
        self._looks: list[tuple[Stack, float]] = []
        self._ended = threading.Event()
        self._ended.set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to watch; `stalls` stay."""
        self.longest = self.longest_cpu = 0.0
        self._looks, self._last = [], (time.perf_counter(), time.thread_time())
        self._ended.clear()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        self._timer.start()

    def stop(self) -> None:
        """Count the gap that has not ended yet, too."""
        self._beat()
        self._timer.stop()
        self._ended.set()
        self._watcher.join()

    def _beat(self) -> None:
        now = time.perf_counter(), time.thread_time()
        wall, cpu = (1e3 * (n - b) for n, b in zip(now, self._last, strict=True))
        looks, self._looks, self._last = self._looks, [], now
        wall -= BEAT_MS
        self.longest, self.longest_cpu = (
            max(self.longest, wall),
            max(self.longest_cpu, cpu),
        )
        if wall >= STALL_MS:
            self.stalls.append(_stall(wall, cpu, looks))

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_MS / 1e3):
            if time.perf_counter() - self._last[0] > (BEAT_MS + LOOK_MS) / 1e3:
                look = _stack(self._thread), _delay_ms(self._native)
                self._looks.append(look)


def _stall(wall: float, cpu: float, looks: list[tuple[Stack, float]]) -> Stall:
    if not looks:
        return Stall(wall, cpu)
    stacks = [stack for stack, _ in looks]
    own = [stack for stack in stacks if _own(stack)]
    # Lines differ from look to look: what counts is the call from which they come.
    calls = Counter(_call(stack) for stack in own or stacks)
    often = calls.most_common(1)[0][0]
    stack = next(stack for stack in own or stacks if _call(stack) == often)
    return Stall(
        wall,
        cpu,
        looks[-1][1] - looks[0][1],
        wall * len(own) / len(stacks),
        wall * sum(map(_in_napari, own)) / len(stacks),
        _told(stack),
    )


def _own(stack: Stack) -> bool:
    return PACKAGE in "".join(stack) and IMPORTS not in "".join(stack)


def _in_napari(stack: Stack) -> bool:
    """Tell whether napari is what the package has called last."""
    inner = next((n for n, line in enumerate(stack[::-1]) if PACKAGE in line), 0)
    return any(line.startswith(NAPARI) for line in stack[len(stack) - inner :])


def _told(stack: Stack) -> Stack:
    outer, inner = stack[:-INNERMOST], stack[-INNERMOST:]
    own = [line for line in outer if PACKAGE in line][-OWN:]
    return tuple(
        line.replace(PACKAGE, "napari_segnext").rpartition("site-packages/")[2]
        for line in (*own, *inner)
    )


def _call(stack: Stack) -> str:
    """Return the innermost line of the package, or the innermost one."""
    return next((line for line in reversed(stack) if PACKAGE in line), stack[-1])


def _stack(thread: int) -> Stack:
    """Return what a thread does, its innermost hundred calls at most.

    Frames of a thread that goes on are not safe to walk from Python: meanwhile it may
    leave them. What writes them for a crash holds the interpreter until it has all.
    """
    with tempfile.TemporaryFile() as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        told = file.read().decode(errors="replace")
    of_thread = told.partition(f"hread 0x{thread:016x}")[2].partition("\n\n")[0]
    lines = [f"{at}:{line} {name}" for at, line, name in _FRAME.findall(of_thread)]
    return tuple(reversed(lines)) or ("the thread has ended",)


def _delay_ms(native: int) -> float:
    """Return how long a thread has waited for a core since it began."""
    try:
        told = Path(f"/proc/self/task/{native}/schedstat").read_text().split()
    except OSError:  # not on this system
        return 0.0
    return int(told[1]) / 1e6


def longest(stalls: Iterable[Stall], count: int = 10) -> list[Stall]:
    """Return the stalls in which the package held the window up longest."""
    own = [stall for stall in stalls if stall.own > 0]
    return sorted(own, key=lambda stall: -stall.own)[:count]


def unbearable(stalls: Iterable[Stall]) -> list[Stall]:
    """Return those in which the package computed for seconds.

    Waiting is told only: whoever is waited for may lack a core. So is what napari does,
    which adds a layer in half a second or in three, as the machine has it.
    """
    return [
        stall
        for stall in stalls
        if min(stall.own - stall.napari, stall.cpu) > LONGEST_MS
    ]
