"""Work on a dask cluster that is there already: one task for each item."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, TypeVar

import dask

Item = TypeVar("Item")
Result = TypeVar("Result")

# Who has no answer by then has none.
_CONNECT_S = 5
# A model has all of a worker, however many threads that was started with.
_one_at_a_time = threading.Lock()


def on_cluster(
    scheduler: str, do: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[tuple[Item, Result | Exception]]:
    """Do something with each item on the workers of a dask scheduler.

    A task whose worker dies is given to another one, three times at most.

    Parameters
    ----------
    scheduler
        Its address, such as ``tcp://host:8786``. Its workers have this package, and
        see all files under the same paths.
    do
        Called on a worker, where one call waits for another; it can be pickled.

    Yields
    ------
    Each item when it is done, with what came of it: a result, or what was raised

    Warns
    -----
    UserWarning
        If there are no workers yet.

    Raises
    ------
    ImportError
        If dask.distributed is not installed.
    OSError
        If there is no scheduler at the address, or it went away.
    """
    distributed = _distributed()
    with _connected(distributed, scheduler) as client:
        if not client.scheduler_info()["workers"]:
            warnings.warn(f"{scheduler} has no workers yet: waiting", stacklevel=2)
        # Not pure: what was written before may have been deleted since.
        tasks = [client.submit(_alone, do, item, pure=False) for item in items]
        of = dict(zip((task.key for task in tasks), items, strict=True))
        try:
            for task in distributed.as_completed(tasks):
                if task.cancelled():
                    raise OSError(
                        f"the scheduler {scheduler} is gone; what is written stays, "
                        "and the same command goes on from there"
                    )
                error = task.exception()
                if isinstance(error, distributed.KilledWorker):
                    error = OSError(
                        "each worker that began it died, perhaps for want of memory: "
                        "their logs say why"
                    )
                yield of[task.key], task.result() if error is None else error
        finally:
            client.cancel(tasks)


def _alone(do: Callable[[Item], Result], item: Item) -> Result:
    # What is read lazily is read here: dask would ask the whole cluster to, and later
    # ask it again, when it is gone.
    with _one_at_a_time, dask.config.set(scheduler="threads"):
        return do(item)


def _distributed() -> Any:
    try:
        return import_module("distributed")
    except ImportError as error:
        raise ImportError(
            "a scheduler needs dask.distributed: pip install 'napari-segnext[cluster]'"
        ) from error


def _connected(distributed: Any, scheduler: str) -> Any:
    try:
        return distributed.Client(scheduler, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        raise OSError(
            f"no scheduler answers at {scheduler}: start one with `dask scheduler`, or "
            "give the address that it shows, as tcp://HOST:8786"
        ) from error
