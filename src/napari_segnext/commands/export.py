"""Labels and prompts of a session as files, without a viewer and without a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from napari_segnext.files import (
    check_labels_fit,
    check_output,
    check_writable,
    write_prompts,
)
from napari_segnext.journal import Subject
from napari_segnext.series.past_work import PastWork
from napari_segnext.session.exchange import exported, file_values, legend
from napari_segnext.session.numbered import write_session
from napari_segnext.session.table import write_rows


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written from a journal.

    Attributes
    ----------
    journal
        Which one.
    written
        The files.
    problems
        What it, or newer ones, held that could not be read; a sentence each.
    """

    journal: Path
    written: tuple[Path, ...]
    problems: tuple[str, ...] = ()


def export_session(
    image: Path,
    labels: Path | None,
    prompts: Path | None,
    journal: Path | None = None,
    semantic: bool = False,
    overwrite: bool = False,
    table: Path | None = None,
) -> Exported:
    """Write what the journal of an image holds.

    Parameters
    ----------
    labels, prompts, table
        The files to write; None for none.
    journal
        Which one; default: the newest of the image that can be read.
    semantic
        Whether labels have the values of the objects' classes, not of the objects.

    Returns
    -------
    What was read: where a journal is damaged, what stands before the damage.

    Raises
    ------
    ValueError, OSError
        If there is no journal of the image, it does not fit, or something cannot be
        read or written.
    """
    outs = [path for path in (labels, prompts, table) if path is not None]
    if not outs:
        raise ValueError("say what to write: --labels, --prompts, --csv")
    if labels is not None:
        check_writable(labels)
    if len({out.resolve() for out in outs}) < len(outs):
        raise ValueError("labels, prompts and table cannot be one file")
    inputs = [image] if journal is None else [image, journal]
    _check(outs, [*inputs, *Subject(image, image.name, ()).journals()], overwrite)
    work = PastWork.of(image, journal)
    geometry = work.file.geometry
    if labels is not None:
        objects = work.saved.ledger.objects.values()
        most = max((each.value for each in objects), default=0)
        check_labels_fit(labels, geometry, most)
    session = work.session()
    if prompts is not None:
        write_prompts(prompts, exported(session), image)
    if labels is not None:
        names, ids = legend(session), file_values(session)
        write_session(labels, session, geometry, names, ids, semantic, image)
    if table is not None:
        write_rows(table, *work.table(session), image)
    return Exported(work.journal, tuple(outs), tuple(work.problems))


def _check(outs: Iterable[Path], inputs: Iterable[Path], overwrite: bool) -> None:
    inputs = list(inputs)
    for out in outs:
        check_output(out, inputs, overwrite)
