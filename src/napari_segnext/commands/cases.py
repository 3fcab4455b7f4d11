"""One command for many images: what each is, what belongs to it, and how all ended.

Files of an image are found by its name: in the options of a command ``{name}`` stands
for it, and ``{folder}`` for that of the folder that it lies in.
"""

from __future__ import annotations

import re
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from napari_segnext.commands import errors
from napari_segnext.commands.bars import progress_bar, waiting_bar
from napari_segnext.commands.cluster import on_cluster
from napari_segnext.files import WRITABLE
from napari_segnext.files.atomic import is_zarr
from napari_segnext.files.contents import images_in, is_several, name_of
from napari_segnext.files.formats import by_suffix

_NAME, _FOLDER = "{name}", "{folder}"
# How an image may end, as it is told.
_STATES = ("done", "there already", "incomplete", "failed", "not begun")
# Of a table that is not shown on a screen: each case has a line of its own.
_WIDE = 10_000


@dataclass(frozen=True, slots=True)
class Case:
    """One of the images that a command works on."""

    image: Path

    def file(self, pattern: Path) -> Path:
        """Return the file of this image that a pattern names."""
        filled = str(pattern).replace(_NAME, name_of(self.image))
        return Path(filled.replace(_FOLDER, self.image.absolute().parent.name))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case.

    Attributes
    ----------
    written
        The files.
    notes
        What is to be known of them, a sentence each.
    problems
        What is missing from them, a sentence each.
    """

    written: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


# Told of a step's name, how much is done, and of how much.
Step: TypeAlias = Callable[[str, int, int | None], None]
Work: TypeAlias = Callable[[Case, Step], Outcome]
# By the option that names them, None where it was not given.
Patterns: TypeAlias = Mapping[str, Path | None]


def in_folder(path: Path | None, ending: str) -> Path | None:
    """Return what an option stands for: in a folder, the files named as the images.

    Parameters
    ----------
    path
        As it was given.
    ending
        Of these files, as ``".json"``.
    """
    if path is None or by_suffix(path, WRITABLE) is not None:
        return path
    place = path.expanduser()
    return path / f"{_NAME}{ending}" if place.is_dir() and not is_zarr(place) else path


def cases_of(
    images: Sequence[Path], patterns: Patterns, outputs: Sequence[str] = ("--out",)
) -> list[Case]:
    """Return the images that a command is given.

    Parameters
    ----------
    images
        Files, or folders that are images. A single folder stands for the images in it,
        unless it is one itself: a zarr, a series of DICOM or, where a pattern names one
        file, a stack of sections.
    patterns
        Of the files that belong to each; see `in_folder`.
    outputs
        Options whose files are written. Where they lie among the images, they are none.

    Raises
    ------
    ValueError
        If there is no image, or two of them would share a file.
    """
    given = {option: path for option, path in patterns.items() if path is not None}
    one = next((each for each in given.items() if not _varies(each[1])), None)
    cases = [Case(image) for image in dict.fromkeys(images)]
    if len(cases) == 1 and is_several(images[0], may_be_one=one is not None):
        cases = [Case(image) for image in images_in(images[0])]
        made = {each.file(given[at]) for each in cases for at in outputs if at in given}
        cases = [each for each in cases if each.image not in made]
        if not cases:
            raise ValueError(f"{images[0]} is a folder without images")
    if len(cases) > 1:
        if one is not None:
            raise ValueError(
                f"{one[0]} {one[1]} is one file for {len(cases)} images: name a folder "
                f"that is there, or write {_NAME} where the names of their files differ"
            )
        _check_apart(cases, given)
    return cases


def _varies(pattern: Path) -> bool:
    return _NAME in str(pattern) or _FOLDER in str(pattern)


def _check_apart(cases: Sequence[Case], patterns: Mapping[str, Path]) -> None:
    """Check that no two images have a file in common.

    Raises
    ------
    ValueError
        Naming the two.
    """
    for option, pattern in patterns.items():
        owners: dict[Path, Path] = {}
        for case in cases:
            file = case.file(pattern)
            other = owners.setdefault(file, case.image)
            if other != case.image:
                raise ValueError(
                    f"{other} and {case.image} would both have {file} as {option}: "
                    f"name them apart, or write {_FOLDER} for the folder they lie in"
                )


def run(
    cases: Sequence[Case],
    work: Work,
    outs: Iterable[Path] = (),
    scheduler: str | None = None,
) -> None:
    """Do the work on each image, and tell how it ended.

    One image's failure is the command's. Of several, each that fails is told at once,
    the others are gone on with, and a table of all comes at the end.

    Parameters
    ----------
    work
        Called with a case, and with what to tell of its progress.
    outs
        Patterns of what is written. Of several images, those that have all of it are
        left as they are.
    scheduler
        Address of a dask scheduler, on whose workers it is done; see `on_cluster`.

    Raises
    ------
    typer.Exit
        With 1 if something is missing, with 130 if it was stopped by Ctrl+C.
    OSError, ImportError
        As `on_cluster`.
    """
    if len(cases) == 1 and scheduler is None:
        with waiting_bar() as bar:
            outcome = work(cases[0], _steps(bar, ""))
        _tell(outcome)
        return
    rows: dict[Case, _Row] = {}
    stopped = False
    try:
        with progress_bar() as bar:
            whole = bar.add_task("all images", total=len(cases))
            for case, ended in _ends(cases, work, list(outs), scheduler, bar):
                rows[case] = _row(case, ended)
                bar.update(whole, completed=len(rows))
    except KeyboardInterrupt:
        stopped = True
    finally:
        if rows:
            _summarise([rows[case] for case in cases if case in rows], len(cases))
    if stopped:
        raise typer.Exit(130)
    if not all(row.whole for row in rows.values()):
        raise typer.Exit(1)


def _ends(
    cases: Sequence[Case],
    work: Work,
    outs: Sequence[Path],
    scheduler: str | None,
    bar: Progress,
) -> Iterator[tuple[Case, Outcome | Exception | None]]:
    """Yield what comes of each case; None for one whose outputs are there already."""
    left: list[Case] = []
    for case in cases:
        if outs and all(case.file(out).expanduser().exists() for out in outs):
            yield case, None
        else:
            left.append(case)
    if scheduler is not None:
        far = [Case(case.image.expanduser().absolute()) for case in left]
        here = dict(zip(far, left, strict=True))
        for case, ended in on_cluster(scheduler, partial(_unseen, work), far):
            yield here[case], ended
        return
    for case in left:
        yield case, _end(case, work, bar)


def _end(case: Case, work: Work, bar: Progress) -> Outcome | Exception:
    step = _steps(bar, f"{name_of(case.image)}: ")
    step("loading", 0, None)
    try:
        return work(case, step)
    except Exception as error:
        return error
    finally:
        bar.remove_task(bar.task_ids[-1])


def _unseen(work: Work, case: Case) -> Outcome:
    return work(case, lambda what, done, total: None)


@dataclass(frozen=True, slots=True)
class _Row:
    """How a case ended, as the table has it."""

    name: str
    state: str
    told: str
    whole: bool


def _row(case: Case, ended: Outcome | Exception | None) -> _Row:
    if ended is None:
        return _Row(name_of(case.image), "there already", "", whole=True)
    if isinstance(ended, Exception):
        return _failed(case, ended)
    return _ended(case, ended)


def _ended(case: Case, outcome: Outcome) -> _Row:
    problems = outcome.problems
    for problem in problems:
        errors.show("Warning", f"{case.image}: {problem}")
    told = "; ".join([_listed(outcome.written), *problems, *outcome.notes])
    state = "incomplete" if problems else "done"
    return _Row(name_of(case.image), state, told, not problems)


def _failed(case: Case, error: Exception) -> _Row:
    told = errors.told(error)
    if told is None:
        # A fault of the program, which shall not cost the other cases.
        traceback.print_exception(error)
        told = f"{type(error).__name__}: {error}"
    errors.show("Error", told if str(case.image) in told else f"{case.image}: {told}")
    return _Row(name_of(case.image), "failed", told, False)


def _steps(bar: Progress, before: str) -> Step:
    """Return what shows the steps of a case as the last line of a bar.

    It begins with the first one: what is wrong from the start is told without a bar.
    """
    task = bar.add_task("", total=None)

    def step(what: str, done: int, total: int | None) -> None:
        bar.start()
        told = escape(before + what)
        if done:
            bar.update(task, description=told, completed=done, total=total)
        else:
            bar.reset(task, description=told, total=total)

    return step


def _listed(files: Iterable[Path]) -> str:
    return ", ".join(map(str, files))


def _tell(outcome: Outcome) -> None:
    """Tell what came of a single image."""
    for path in outcome.written:
        typer.echo(f"wrote {path}")
    for note in outcome.notes:
        typer.echo(note)
    for problem in outcome.problems:
        errors.show("Warning", problem)
    if outcome.problems:
        raise typer.Exit(1)


def _summarise(rows: Sequence[_Row], count: int) -> None:
    """Print how each case ended, and how many in which way."""
    table = Table("image", "state", "", box=None, pad_edge=False)
    for row in rows:
        told = re.sub(r"\s+", " ", row.told)
        table.add_row(escape(row.name), row.state, escape(told))
    console = Console()
    if not console.is_terminal:
        console.width = _WIDE
    console.print(table)
    states = Counter(row.state for row in rows)
    states["not begun"] = count - len(rows)
    told = ", ".join(f"{states[each]} {each}" for each in _STATES if states[each])
    typer.echo(f"{count} images: {told}")
