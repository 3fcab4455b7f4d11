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
from napari_segnext.files.contents import is_several
from napari_segnext.files.formats import by_suffix
from napari_segnext.series.cases import FOLDER, NAME, Case, read_series

# How an image may end, as it is told.
_STATES = ("done", "there already", "incomplete", "failed", "not begun")
# Of a table that is not shown on a screen: each case has a line of its own.
_WIDE = 10_000


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
    return path / f"{NAME}{ending}" if place.is_dir() and not is_zarr(place) else path


def cases_of(
    images: Sequence[Path],
    patterns: Patterns,
    outputs: Sequence[str] = ("--out",),
    of_all: Sequence[str] = (),
) -> list[Case]:
    """Return the images that a command is given.

    Parameters
    ----------
    images
        Files, or folders that are images. A single folder stands for the cases in it
        and a table (.csv) for those that it lists, see `read_series`; a folder not, if
        it is an image itself: a zarr, a series of DICOM or, where a pattern names one
        file, a stack of sections.
    patterns
        Of the files that belong to each; see `in_folder`.
    outputs
        Options whose files are written. Where they lie among the images, they are none.
    of_all
        Options of which one file may be that of all images.

    Raises
    ------
    ValueError
        If there is no image, or two of them would share a file.
    """
    given = {option: path for option, path in patterns.items() if path is not None}
    for option, path in given.items():
        _check_spelt(option, path)
    single = {option: path for option, path in given.items() if not varies(path)}
    cases = [Case.of(image) for image in dict.fromkeys(images)]
    if len(cases) == 1 and _is_series(images[0], may_be_one=bool(single)):
        cases = read_series(images[0])
        own = [given[option] for option in outputs if option in given]
        made = {case.file(each) for case in cases for each in own}
        cases = [each for each in cases if made.isdisjoint(_paths(each))]
        if not cases:
            raise ValueError(f"{images[0]} is a folder without images")
    if len(cases) > 1:
        for option, path in single.items():
            if option not in of_all:
                raise ValueError(
                    f"{option} {path} is one file for {len(cases)} images: name a "
                    f"folder that is there, or write {NAME} where the names of their "
                    "files differ"
                )
        apart = {o: path for o, path in given.items() if o not in single}
        _check_apart([case for case in cases if not case.problem], apart)
    return cases


def check_single(cases: Iterable[Case]) -> None:
    """Check that each case is one image.

    Raises
    ------
    ValueError
        Naming one that has several modalities, and what to do.
    """
    for case in cases:
        if not case.problem:
            case.only_image()


def _is_series(path: Path, may_be_one: bool) -> bool:
    if path.suffix.lower() == ".csv" and path.is_file():
        return True
    return is_several(path, may_be_one)


def _paths(case: Case) -> list[Path]:
    return [each.path for each in case.images]


def _check_spelt(option: str, pattern: Path) -> None:
    """Check that what is in braces stands for something, or is the name of a file.

    Raises
    ------
    ValueError
        Naming it, and what can be written.
    """
    for place in (pattern, *pattern.parents):
        for word in re.findall(r"\{[^{}]*\}", place.name):
            if word not in (NAME, FOLDER) and not place.exists():
                raise ValueError(
                    f"{option} {pattern}: {word} stands for nothing; write {NAME} for "
                    f"the name of an image, {FOLDER} for that of the folder it lies in"
                )


def varies(pattern: Path) -> bool:
    """Tell whether a pattern names a file of its own for each image."""
    return NAME in str(pattern) or FOLDER in str(pattern)


def _check_apart(cases: Sequence[Case], patterns: Mapping[str, Path]) -> None:
    """Check that no two images have a file in common.

    Raises
    ------
    ValueError
        Naming the two.
    """
    for option, pattern in patterns.items():
        owners: dict[Path, Case] = {}
        for case in cases:
            file = case.file(pattern)
            other = owners.setdefault(file, case)
            if other != case:
                first, second = _paths(other)[0], _paths(case)[0]
                raise ValueError(
                    f"{first} and {second} would both have {file} as {option}: name "
                    f"them apart, or write {FOLDER} for the folder they lie in"
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
        far = [case.absolute() for case in left]
        here = dict(zip(far, left, strict=True))
        for case, ended in on_cluster(scheduler, partial(_unseen, work), far):
            yield here[case], ended
        return
    for case in left:
        yield case, _end(case, work, bar)


def _end(case: Case, work: Work, bar: Progress) -> Outcome | Exception:
    step = _steps(bar, f"{case.name}: ")
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
        return _Row(case.name, "there already", "", whole=True)
    if isinstance(ended, Exception):
        return _failed(case, ended)
    return _ended(case, ended)


def _about(case: Case) -> str:
    """Return what a case is called in a message: by its file, if it has one alone."""
    paths = _paths(case)
    return str(paths[0]) if len(paths) == 1 else case.name


def _ended(case: Case, outcome: Outcome) -> _Row:
    problems = outcome.problems
    for problem in problems:
        errors.show("Warning", f"{_about(case)}: {problem}")
    told = [_listed(outcome.written), *problems, *outcome.notes]
    state = "incomplete" if problems else "done"
    return _Row(case.name, state, "; ".join(filter(None, told)), not problems)


def _failed(case: Case, error: Exception) -> _Row:
    told = errors.told(error)
    if told is None:
        # A fault of the program, which shall not cost the other cases.
        traceback.print_exception(error)
        told = f"{type(error).__name__}: {error}"
    known = told.startswith(case.name) or any(str(p) in told for p in _paths(case))
    errors.show("Error", told if known else f"{_about(case)}: {told}")
    return _Row(case.name, "failed", told, False)


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
