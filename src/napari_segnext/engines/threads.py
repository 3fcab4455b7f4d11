"""How many threads PyTorch computes with on a CPU: as many as there are cores free.

PyTorch begins with one thread for each core of the machine, also of those that other
programs compute on or that a container may not use. Threads that wait for each other
are then as slow as the one whose core is taken. So before it computes, the cores that
others left free a moment ago are counted; what the user has set stays.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

# Set by a user who has decided how many threads there are, and how they wait.
_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_WAYS_TO_WAIT = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
# How often cores are counted, and by how many they must differ from the threads: with
# another number of threads PyTorch prepares its kernels anew.
_EVERY_S, _MARGIN = 1.0, 0.75
_CONTROL = Path("/sys/fs/cgroup")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Use:
    """What was used of the cores until a moment.

    Attributes
    ----------
    at, idle, own
        Seconds: of a clock, of the cores that idled, and of this process on them.
    cores
        How many this process may run on.
    """

    at: float
    idle: float
    own: float
    cores: int

    @classmethod
    def now(cls) -> Use:
        """Read the system's counters."""
        times = psutil.cpu_times(percpu=True)
        try:
            may = os.sched_getaffinity(0)
            times = [t for n, t in enumerate(times) if n in may] or times
        except AttributeError:  # macOS and Windows
            pass
        idle = sum(t.idle + getattr(t, "iowait", 0.0) for t in times)
        return cls(time.monotonic(), idle, time.process_time(), len(times))

    def free_since(self, before: Use) -> float:
        """Return how many cores others left free on average."""
        taken = self.idle - before.idle + self.own - before.own
        return min(self.cores, max(0.0, taken / (self.at - before.at)))


def quota(control: Path = _CONTROL) -> float:
    """Return how many cores a container may use at a time, or infinity.

    Parameters
    ----------
    control
        Where the system shows the control group of this process, version 2 or 1.
    """
    try:
        limit, period = (control / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            limit, period = (
                (control / "cpu" / f"cpu.cfs_{name}_us").read_text()
                for name in ("quota", "period")
            )
        except OSError:
            return math.inf
    # "max", or -1: no limit.
    return int(limit) / int(period) if limit.strip().isdigit() else math.inf


class Threads:
    """Lets PyTorch have as many threads as there are cores free.

    Parameters
    ----------
    use
        Reads what is used of the cores.
    allowed
        How many of them may be used at a time.
    spinning
        Whether threads spin while they wait: then one core stays free, for the
        window among others.
    """

    def __init__(
        self,
        use: Callable[[], Use] = Use.now,
        allowed: float = math.inf,
        spinning: bool = False,
    ) -> None:
        self._use, self._before = use, use()
        self._lock = threading.Lock()
        usual = torch.get_num_threads()
        self._most = max(1, math.floor(min(allowed, usual - spinning)))
        # What threads begin with that call PyTorch, and what each was given since.
        self._initial = {usual}
        self._given = threading.local()
        self._wanted = self._most

    def adapt(self) -> None:
        """Count the free cores anew if it is time, and set the calling thread's number.

        A number that somebody else has set stays.
        """
        wanted, now = self._count(), torch.get_num_threads()
        if now not in getattr(self._given, "numbers", self._initial):
            return
        self._given.numbers = {wanted}
        self._initial.add(wanted)
        if now != wanted:
            torch.set_num_threads(wanted)

    def _count(self) -> int:
        with self._lock:
            if time.monotonic() - self._before.at < _EVERY_S:
                return self._wanted
            now = self._use()
            free, self._before = now.free_since(self._before), now
            if abs(free - self._wanted) > _MARGIN:
                self._wanted = max(1, min(self._most, round(free)))
            return self._wanted


def _begin() -> Threads | None:
    if any(name in os.environ for name in _COUNTS):
        return None
    # Set when the package is imported, unless PyTorch had been loaded before.
    spinning = not any(name in os.environ for name in _WAYS_TO_WAIT)
    if spinning:
        _log.warning(
            "PyTorch was loaded before napari-segnext, so its threads spin while they "
            "wait: it is given one core less. Import napari_segnext first, or set "
            "OMP_WAIT_POLICY=PASSIVE"
        )
    return Threads(allowed=quota(), spinning=spinning)


_threads = _begin()


def adapt_threads() -> None:
    """Have the calling thread's next computation on a CPU use the cores that are free.

    It takes microseconds, and nothing is done where the user has set
    ``OMP_NUM_THREADS`` or the number of PyTorch's threads.
    """
    if _threads is not None:
        _threads.adapt()
