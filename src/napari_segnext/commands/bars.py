"""How far long work is, and how much time it has left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

# A single step may take minutes: speed is that of the last hour.
_SPEED_S = 3600.0


def progress_bar() -> Progress:
    """Return a progress bar with the time left, on standard error."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        speed_estimate_period=_SPEED_S,
        # Else what goes into a file would be shown on the screen in place of it.
        redirect_stdout=sys.stdout.isatty(),
    )


@contextmanager
def waiting_bar() -> Iterator[Progress]:
    """Yield a progress bar that is shown once somebody starts it."""
    bar = progress_bar()
    try:
        yield bar
    finally:
        if bar.live.is_started:
            bar.stop()


@contextmanager
def reported(
    steps: int, show: Callable[[Mapping[str, float]], None]
) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """Show a bar over the rows that a training reports.

    It begins with the first one: of several processes only one reports, and a training
    that is resumed does not begin at 0.

    Parameters
    ----------
    steps
        Of the whole training.
    show
        Called with each row.
    """
    with waiting_bar() as bar:

        def report(row: Mapping[str, float]) -> None:
            show(row)
            done = int(row["step"])
            if bar.tasks:
                bar.update(bar.task_ids[0], completed=done)
            else:
                bar.start()
                bar.add_task("training", total=steps, completed=done)

        yield report
