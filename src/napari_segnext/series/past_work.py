"""What was done in an image, read from its journal without a viewer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from napari_segnext.files import ImageFile, read_image
from napari_segnext.files.checks import about
from napari_segnext.images.volume import Volume
from napari_segnext.journal import DamagedJournalError, Saved, Subject, read_journal
from napari_segnext.labels.chunked import blank_labels
from napari_segnext.session import Session
from napari_segnext.session.table import Frozen, Row, table_of


@dataclass(frozen=True, slots=True, eq=False)
class PastWork:
    """What a journal of an image holds.

    Attributes
    ----------
    image
        Its file.
    file
        The image, as it was read.
    journal
        Which one.
    saved
        What it tells: where it is damaged, what stands before the damage.
    problems
        What it, or newer ones, held that could not be read; a sentence each.
    """

    image: Path
    file: ImageFile
    journal: Path
    saved: Saved
    problems: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, image: Path, journal: Path | None = None) -> PastWork:
        """Read an image and what was done in it.

        Parameters
        ----------
        journal
            Which one; default: the newest of the image that can be read.

        Raises
        ------
        ValueError, OSError
            If there is no journal of the image, it does not fit, or something cannot be
            read.
        """
        with about(image):
            file = read_image(image)
        shape, problems = file.geometry.shape, list[str]()
        if journal is None:
            found = Subject(image, image.name, shape).journals()
            journal, saved = _newest(image, found, shape, problems)
        else:
            with about(journal):
                saved = read_journal(journal)
        if saved.shape != shape:
            raise ValueError(
                f"{journal} is about an image of shape {saved.shape}, not {shape}"
            )
        if saved.damaged or saved.lost:
            problems.append(_told(journal, saved))
        return cls(image, file, journal, saved, problems)

    def session(self) -> Session:
        """Return the session as it was, with its labels."""
        with about(self.journal):
            most = max(self.saved.ledger.objects, default=0)
            return self.saved.resume(blank_labels(self.saved.shape, most))

    def table(self, session: Session) -> tuple[list[str], list[Row]]:
        """Return columns and rows of its objects and classes; see `table_of`."""
        file = self.file
        volume = Volume(file.data, spatial=file.spatial, channel=file.channel)
        several = len(volume.channels) > 1
        channels = [f"image_{c}" if several else "image" for c in volume.channels]
        frozen = Frozen.of(session)
        return table_of(frozen, session.labels, file.geometry, volume, channels)


def _newest(
    image: Path, journals: Iterable[Path], shape: Sequence[int], problems: list[str]
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
