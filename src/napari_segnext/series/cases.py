"""The cases of a series: each an image, or one image by modality."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from napari_segnext.files.contents import name_of

NAME, FOLDER = "{name}", "{folder}"


class Modality(NamedTuple):
    """One of the images of a case, and what it is called, such as ``flair``."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Case:
    """What is segmented together: the images of a patient, or a single one.

    Attributes
    ----------
    name
        What it is called.
    images
        In the order in which they are offered. A single one may have no name.
    lacks
        Modalities that others of the series have.
    problem
        Why it cannot be opened; empty if nothing is known against it.
    """

    name: str
    images: tuple[Modality, ...]
    lacks: tuple[str, ...] = ()
    problem: str = ""

    @classmethod
    def of(cls, image: Path) -> Case:
        """Return an image as a case of its own."""
        return cls(name_of(image), (Modality("", image),))

    def only_image(self) -> Path:
        """Return the only image.

        Raises
        ------
        ValueError
            If there are several, or the case cannot be opened.
        """
        if self.problem:
            raise ValueError(f"{self.name}: {self.problem}")
        if len(self.images) > 1:
            names = ", ".join(each.name for each in self.images)
            raise ValueError(
                f"{self.name} has the modalities {names}: name the images of one, "
                f"as {self._alike}"
            )
        return self.images[0].path

    @property
    def _alike(self) -> Path:
        """Return a pattern of the first image of each case."""
        path = self.images[0].path
        own = path.parent.name == self.name
        folder = path.parent.parent / "*" if own else path.parent
        return folder / f"*{path.name.removeprefix(self.name)}"

    def file(self, pattern: Path) -> Path:
        """Return the file of this case that a pattern names.

        ``{name}`` stands for its name, ``{folder}`` for the folder that its images lie
        in.
        """
        filled = str(pattern).replace(NAME, self.name)
        folder = self.images[0].path.absolute().parent.name if self.images else ""
        return Path(filled.replace(FOLDER, folder))

    def absolute(self) -> Case:
        """Return the same case by paths that hold in any folder."""
        images = (m._replace(path=m.path.expanduser().absolute()) for m in self.images)
        return replace(self, images=tuple(images))


def read_series(path: Path) -> list[Case]:
    """Return the cases of a series, p2 before p10. No image is opened.

    Parameters
    ----------
    path
        A folder of images, of folders with the modalities of a case each, of series of
        DICOM, or a data set of nnU-Net; or a table (.csv), see
        `napari_segnext.series.listed.listed_cases`.

    Returns
    -------
    Those that cannot be opened, as far as that is known, have a `problem`.

    Raises
    ------
    ValueError, OSError
        If there are no cases, or the table is none.
    """
    # Here, so that these may use what a case is.
    from napari_segnext.series.folders import cases_in
    from napari_segnext.series.listed import listed_cases

    place = path.expanduser()
    if not place.exists():
        raise FileNotFoundError(f"there is no folder and no table {path}")
    if place.is_dir():
        cases = cases_in(place)
        if not cases:
            raise ValueError(f"{path} is a folder without images")
    elif place.suffix.lower() == ".csv":
        cases = listed_cases(place)
    else:
        raise ValueError(
            f"{path} is no series: name a folder of cases, or a table of them (.csv)"
        )
    return _told_apart(_looked_at(case) for case in cases)


def _looked_at(case: Case) -> Case:
    """Return a case with what its files already tell against it."""
    if case.problem:
        return case
    for _, path in case.images:
        if not path.exists():
            return replace(case, problem=f"there is no file {path}")
        if path.is_file() and not path.stat().st_size:
            return replace(case, problem=f"{path} is empty")
    return case


def _told_apart(cases: Iterable[Case]) -> list[Case]:
    """Return cases of which each name is that of one; the first one has it."""
    first: dict[str, Case] = {}
    told = list[Case]()
    for case in cases:
        other = first.setdefault(case.name, case)
        if other is not case and not case.problem:
            where = other.images[0].path if other.images else "another"
            problem = f"{where} has the name {case.name} already: rename one"
            case = replace(case, problem=problem)
        told.append(case)
    return told
