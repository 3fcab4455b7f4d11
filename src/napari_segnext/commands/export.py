"""Labels and prompts of a session as files, without a viewer and without a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from napari_segnext.files import (
    check_labels_fit,
    check_output,
    check_writable,
    read_image,
    write_prompts,
)
from napari_segnext.files.checks import about
from napari_segnext.images.volume import Volume
from napari_segnext.journal import DamagedJournalError, Saved, Subject, read_journal
from napari_segnext.labels.chunked import blank_labels
from napari_segnext.session.exchange import exported, file_values, legend
from napari_segnext.session.numbered import write_session
from napari_segnext.session.table import Frozen, write_table


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
    _check(outs, inputs, overwrite)
    with about(image):
        file = read_image(image)
    geometry = file.geometry
    subject = Subject(image, image.name, geometry.shape)
    journals = subject.journals()
    _check(outs, journals, overwrite)
    problems: list[str] = []
    if journal is None:
        journal, saved = _newest(image, journals, geometry.shape, problems)
    else:
        with about(journal):
            saved = read_journal(journal)
    if saved.shape != geometry.shape:
        raise ValueError(
            f"{journal} is about an image of shape {saved.shape}, not {geometry.shape}"
        )
    if saved.damaged or saved.lost:
        problems.append(_told(journal, saved))
    objects = saved.ledger.objects
    if labels is not None:
        most = max((each.value for each in objects.values()), default=0)
        check_labels_fit(labels, geometry, most)
    with about(journal):
        session = saved.resume(blank_labels(saved.shape, max(objects, default=0)))
    if prompts is not None:
        write_prompts(prompts, exported(session), image)
    if labels is not None:
        names, ids = legend(session), file_values(session)
        write_session(labels, session, geometry, names, ids, semantic, image)
    if table is not None:
        volume = Volume(file.data, spatial=file.spatial, channel=file.channel)
        several = len(volume.channels) > 1
        channels = [f"image_{c}" if several else "image" for c in volume.channels]
        frozen = Frozen.of(session)
        write_table(table, frozen, session.labels, geometry, image, volume, channels)
    return Exported(journal, tuple(outs), tuple(problems))


def _check(outs: Iterable[Path], inputs: Iterable[Path], overwrite: bool) -> None:
    inputs = list(inputs)
    for out in outs:
        check_output(out, inputs, overwrite)


def _newest(
    image: Path, journals: Iterable[Path], shape: tuple[int, ...], problems: list[str]
) -> tuple[Path, Saved]:
    """Return the newest journal that can be read; note what newer ones lack."""
    for path in journals:
        try:
            saved = read_journal(path)
        except DamagedJournalError as error:
            problems.append(f"{error}; an older one was looked for")
            continue
        if saved.shape == shape and not saved.empty:
            return path, saved
    problems.append(
        f"there is no journal of {image}: the plugin writes one when the image was "
        "opened from this very file"
    )
    raise FileNotFoundError("; ".join(problems))


def _told(journal: Path, saved: Saved) -> str:
    what = "is damaged" if saved.damaged and saved.lost else "was cut short"
    whole = saved.size + saved.lost
    return (
        f"{journal} {what} after change {saved.number}: {saved.lost} of {whole} "
        "bytes cannot be read, and what was done from there on is missing from what "
        "was written"
    )
