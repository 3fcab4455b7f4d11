"""What the commands do with each image. No torch until they do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segnext.commands.cases import (
    Outcome,
    Step,
    cases_of,
    check_single,
    in_folder,
    varies,
)
from napari_segnext.commands.job import STANDARD_INPUT, Job, ModelChoice
from napari_segnext.files import check_output
from napari_segnext.series import Case, SeriesTable, read_progress
from napari_segnext.weights import file_of

if TYPE_CHECKING:
    from napari_segnext.predicting.volume_predictor import VolumePredictor
    from napari_segnext.session import Session


def _everywhere(path: Path) -> Path:
    return path.expanduser().absolute()


def _elsewhere(choice: ModelChoice) -> ModelChoice:
    file = file_of(choice.model)
    model = choice.model if file is None else str(_everywhere(file))
    text = None if choice.text is None else _everywhere(choice.text)
    return replace(choice, model=model, text=text)


@dataclass(frozen=True, slots=True)
class Labelling:
    """The work of `segment`, and of `propagate`.

    Attributes
    ----------
    prompts, out, labels
        Files, or patterns of them; see `Case.file`.
    choice
        Which model, and what runs it.
    overwrite, semantic
        As `Job.check` has them.
    whole
        Whether objects are followed through the volume.
    axis
        To follow them along; None for that of most prompts.
    server
        Address of a server of nnInteractive that finds them; empty: the models.
    """

    prompts: Path
    out: Path
    labels: Path | None
    choice: ModelChoice
    overwrite: bool = False
    semantic: bool = False
    whole: bool = False
    axis: int | None = None
    server: str = ""

    def each(self, images: Sequence[Path]) -> tuple[list[Case], Labelling]:
        """Return the images, and this work with patterns in place of folders.

        Raises
        ------
        ValueError, OSError
            As `cases_of`.
        """
        prompts, out = in_folder(self.prompts, ".json"), in_folder(self.out, ".nii.gz")
        assert prompts is not None and out is not None
        labels = in_folder(self.labels, ".nii.gz")
        patterns = {"--prompts": prompts, "--out": out, "--labels": labels}
        cases = cases_of(images, patterns)
        check_single(cases)
        return cases, replace(self, prompts=prompts, out=out, labels=labels)

    def elsewhere(self) -> Labelling:
        """Return this work as another machine can do it.

        Whether there is an output already is known before. If there is one when the
        work begins, it is of a worker that died before it could say so.

        Raises
        ------
        ValueError
            If the prompts come from standard input.
        """
        if self.prompts == STANDARD_INPUT:
            raise ValueError("workers have no standard input: name the prompts file")
        return replace(
            self,
            prompts=_everywhere(self.prompts),
            out=_everywhere(self.out),
            labels=None if self.labels is None else _everywhere(self.labels),
            choice=_elsewhere(self.choice),
            overwrite=True,
        )

    def __call__(self, case: Case, step: Step) -> Outcome:
        """Label an image.

        Raises
        ------
        ValueError, OSError
            As `Job.check`, before anything is computed, and `segment_job`.
        """
        job = self._checked(case)
        step("loading", 0, None)
        return self._propagated(job, step) if self.whole else self._segmented(job, step)

    def _checked(self, case: Case) -> Job:
        """Check what is asked for before PyTorch is imported, which takes seconds."""
        image, stdin = case.only_image(), self.prompts == STANDARD_INPUT
        job = Job.check(
            image,
            self.prompts if stdin else case.file(self.prompts),
            case.file(self.out),
            self.overwrite,
            self.semantic,
            self.choice.inputs,
            None if self.labels is None else case.file(self.labels),
        )
        if self.axis is not None:
            job.check_axis(self.axis)
        return job

    def _segmented(self, job: Job, step: Step) -> Outcome:
        from napari_segnext.commands.segment import segment_job

        total, number = sum(len(item.planes) for item in job.objects), count(1)
        segment_job(
            job,
            self.choice,
            start=lambda planes: step("segmenting", 0, planes),
            done=lambda item, prediction: step("segmenting", next(number), total),
        )
        return Outcome((job.out,))

    def _propagated(self, job: Job, step: Step) -> Outcome:
        from napari_segnext.commands.segment import segment_job
        from napari_segnext.propagation import to_check
        from napari_segnext.propagation.nninteractive import Server, ServerError
        from napari_segnext.propagation.whole_object import complete

        server = Server(self.server) if self.server else None
        notes, problems = list[str](), list[str]()

        def follow(session: Session, predictor: VolumePredictor, number: int) -> None:
            name = session.objects[number].name
            step(name, 0, None)
            find = partial(complete, progress=partial(step, name), server=server)
            try:
                found = find(session, predictor, number, self.axis)
            except (ValueError, ServerError) as error:
                # What is known of other objects must not be lost for it.
                problems.append(f"{name} was not followed: {error}")
                return
            planes = to_check({each.plane: each.confidence for each in found})
            if planes:
                places = ", ".join(str(plane.index) for plane in planes)
                notes.append(f"{name}: check slices {places} (the least certain first)")

        try:
            segment_job(job, self.choice, complete=follow)
        finally:
            if server is not None:
                server.close()
        return Outcome((job.out,), tuple(notes), tuple(problems))


@dataclass(frozen=True, slots=True)
class Finding:
    """The work of `find`.

    Attributes
    ----------
    examples, out
        Files, or patterns of them; see `Case.file`.
    choice
        Which model, and what runs it.
    complete, link, overwrite
        As the `Job.check` of `napari_segnext.commands.find` has them.
    """

    examples: Path
    out: Path
    choice: ModelChoice
    complete: tuple[int, ...] = ()
    link: bool = False
    overwrite: bool = False

    def each(self, images: Sequence[Path]) -> tuple[list[Case], Finding]:
        """Return the images, and this work with patterns in place of folders.

        Raises
        ------
        ValueError, OSError
            As `cases_of`.
        """
        examples = in_folder(self.examples, ".nii.gz")
        out = in_folder(self.out, ".nii.gz")
        assert examples is not None and out is not None
        cases = cases_of(images, {"--examples": examples, "--out": out})
        check_single(cases)
        return cases, replace(self, examples=examples, out=out)

    def elsewhere(self) -> Finding:
        """Return this work as another machine can do it; see `Labelling.elsewhere`."""
        return replace(
            self,
            examples=_everywhere(self.examples),
            out=_everywhere(self.out),
            choice=_elsewhere(self.choice),
            overwrite=True,
        )

    def __call__(self, case: Case, step: Step) -> Outcome:
        """Find objects in an image.

        Raises
        ------
        ValueError, OSError
            As `Job.check`, before anything is computed, and `find_objects`.
        """
        from napari_segnext.commands import find

        job = find.Job.check(
            case.only_image(),
            case.file(self.examples),
            case.file(self.out),
            self.complete,
            self.link,
            self.overwrite,
            self.choice.inputs,
        )
        step("loading", 0, None)
        found = find.find_objects(job, self.choice, step)
        return Outcome((job.out,), (f"{found} objects",))


@dataclass(frozen=True, slots=True)
class Exporting:
    """The work of `export`: files, or patterns of them, of what a journal holds."""

    labels: Path | None
    prompts: Path | None
    table: Path | None
    journal: Path | None
    semantic: bool
    overwrite: bool

    @property
    def outs(self) -> list[Path]:
        """Patterns of what is written."""
        files = self.labels, self.prompts, self.table
        return [file for file in files if file is not None]

    def each(self, images: Sequence[Path]) -> tuple[list[Case], Exporting | Tabulating]:
        """Return the images, and this work with patterns in place of folders.

        One table of several images is a work of its own.

        Raises
        ------
        ValueError, OSError
            As `cases_of`, or if there is to be such a table and more.
        """
        labels = in_folder(self.labels, ".nii.gz")
        prompts, table = in_folder(self.prompts, ".json"), in_folder(self.table, ".csv")
        outs = {"--labels": labels, "--prompts": prompts, "--csv": table}
        patterns = {**outs, "--journal": self.journal}
        cases = cases_of(images, patterns, list(outs), of_all=["--csv"])
        if table is None or varies(table) or len(cases) == 1:
            return cases, replace(self, labels=labels, prompts=prompts, table=table)
        if labels is not None or prompts is not None:
            raise ValueError(
                f"--csv {table} is one table of {len(cases)} images: leave --labels "
                "and --prompts to a call of their own, or name a folder of tables"
            )
        check_output(
            table, [p for case in cases for _, p in case.images], self.overwrite
        )
        return cases, Tabulating(table)

    def __call__(self, case: Case, step: Step) -> Outcome:
        """Write what was done in an image.

        Raises
        ------
        ValueError, OSError
            As `export_session`, or if there are several images and no journal.
        """
        from napari_segnext.commands.export import export_session

        files = self.labels, self.prompts, self.journal, self.table
        labels, prompts, journal, table = (
            None if file is None else case.file(file) for file in files
        )
        done = export_session(
            _worked_on(case),
            *(labels, prompts, journal, self.semantic, self.overwrite, table),
        )
        return Outcome(done.written, (f"from {done.journal}",), done.problems)


def _worked_on(case: Case) -> Path:
    """Return the image of a case that a journal is about, or its only one."""
    if len(case.images) < 2 or case.problem:
        return case.only_image()
    image = read_progress(case).image
    if image is None:
        raise FileNotFoundError(f"{case.name}: none of its images has a journal")
    return image


@dataclass(frozen=True, slots=True)
class Tabulating:
    """The work of `export` that puts all images into one table."""

    table: Path
    rows: SeriesTable = field(default_factory=SeriesTable)

    @property
    def outs(self) -> list[Path]:
        """No image has an output of its own that may be there already."""
        return []

    def __call__(self, case: Case, step: Step) -> Outcome:
        """Add what was done in an image.

        Raises
        ------
        ValueError, OSError
            As `SeriesTable.add`.
        """
        before = len(self.rows)
        problems = self.rows.add(case)
        added = len(self.rows) - before
        return Outcome((), (f"rows: {added}" if added else "nothing yet",), problems)

    def write(self) -> None:
        """Write the table.

        Raises
        ------
        OSError, ValueError
            If it cannot be written.
        """
        self.rows.write(self.table)
