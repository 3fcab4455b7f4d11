"""Cases that lie in a folder: files, stacks, series of DICOM, folders of modalities."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from napari_segnext.files.atomic import is_zarr
from napari_segnext.files.contents import has_dicom, has_sections, images_in, name_of
from napari_segnext.files.sections import SECTIONS, natural
from napari_segnext.series.cases import Case, Modality
from napari_segnext.series.labels import BETWEEN, is_labels, last_word
from napari_segnext.series.nnunet import image_folders, numbered_cases

# Folders of cases may lie in others, by hospital or grade; not deeper than this.
_DEEP = 2


def cases_in(folder: Path) -> list[Case]:
    """Return the cases of a folder in natural order, those of its folders last.

    Labels that lie beside their image are none, nor are they modalities.

    Raises
    ------
    OSError
        If a folder cannot be read.
    """
    cases = _cases_in(folder, _DEEP)
    common = Counter(m.name for case in cases for m in case.images if m.name)
    cases = [_named_alike(case, common) for case in cases]
    several = [case for case in cases if len(case.images) > 1]
    counts = Counter(m.name for case in several for m in case.images)
    usual = [name for name, count in counts.items() if 2 * count > len(several)]
    return [_lacking(case, usual) for case in cases]


def _cases_in(folder: Path, deep: int) -> list[Case]:
    if data := image_folders(folder):
        return [case for place in data for case in _cases_in(place, deep)]
    entries = natural(each for each in folder.iterdir() if each.name[0] != ".")
    places = {each for each in entries if each.is_dir() and not is_zarr(each)}
    files = images_in(folder)
    single = set(_without_labels([each for each in files if each not in places]))
    cases = numbered_cases(folder, [each for each in files if each in single])
    if cases:
        single.clear()
    for entry in entries:
        if entry in single:
            cases.append(Case.of(entry))
        elif entry in places:
            cases += _cases_at(entry, deep)
    return cases


def _cases_at(folder: Path, deep: int) -> list[Case]:
    """Return a folder as a case, or else the cases in it."""
    try:
        case = _case_in(folder)
        if case is None and deep:
            return _cases_in(folder, deep - 1)
    except OSError as error:
        # The others of the series can be worked on.
        return [Case(folder.name, (), problem=f"{folder}: {error.strerror or error}")]
    return [] if case is None else [case]


def _case_in(folder: Path) -> Case | None:
    """Return a folder as a case: an image, or modalities; None if it is neither."""
    if has_dicom(folder):
        return Case.of(folder)
    images = images_in(folder)
    if image_folders(folder) or len(numbered_cases(folder, images)) > 1:
        return None
    # Beside volumes pictures are previews; alone they are sections.
    volumes = [each for each in images if each.suffix.lower() not in SECTIONS]
    if not volumes:
        return Case.of(folder) if has_sections(folder) else None
    stems = [_without(folder.name, name_of(each)) for each in volumes]
    shared = _shared(stems)
    named = [
        Modality(stem[shared:] or stem, path)
        for stem, path in zip(stems, volumes, strict=True)
    ]
    images_alone = [each for each in named if not is_labels(each.name)] or named
    return Case(folder.name, tuple(images_alone))


def _without(beginning: str, name: str) -> str:
    """Return a name without the name of its folder before it."""
    if name.lower().startswith(beginning.lower()):
        return name[len(beginning) :].lstrip(BETWEEN) or name
    return name


def _shared(names: Sequence[str]) -> int:
    """Return the length of the words that all names begin with."""
    alike = takewhile(lambda at: len(set(at)) == 1, zip(*names, strict=False))
    shared = "".join(letters[0] for letters in alike) if len(names) > 1 else ""
    return max(shared.rfind(letter) for letter in BETWEEN) + 1


def _named_alike(case: Case, common: Mapping[str, int]) -> Case:
    """Call the images of a case as those of other cases are called."""
    images = []
    for name, path in case.images:
        stem = name_of(path)
        ends = (
            known
            for known, count in common.items()
            if count > 1 and (stem == known or stem.endswith(_ended(known)))
        )
        alike = max(ends, key=len, default=name) if name else name
        images.append(Modality(alike, path))
    if len({each.name for each in images}) < len(images):
        return case
    return replace(case, images=tuple(images))


def _ended(name: str) -> tuple[str, ...]:
    return tuple(f"{letter}{name}" for letter in BETWEEN)


def _lacking(case: Case, usual: Sequence[str]) -> Case:
    has = {each.name for each in case.images}
    if has == {""}:
        return case
    return replace(case, lacks=tuple(name for name in usual if name not in has))


def _without_labels(files: list[Path]) -> list[Path]:
    """Return images without labels on one of them: p1_objects beside p1 or p1_t1."""
    stems = {file: name_of(file) for file in files}
    images = sorted(stem for stem in stems.values() if not is_labels(stem))

    def beside(stem: str) -> bool:
        base = stem[: len(stem) - len(last_word(stem))].rstrip(BETWEEN)
        at = bisect_left(images, base)
        return bool(base) and at < len(images) and images[at].startswith(base)

    return [file for file, s in stems.items() if not (is_labels(s) and beside(s))]
