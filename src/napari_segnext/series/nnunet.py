"""Cases that lie side by side, named as nnU-Net has them (Isensee et al., 2021).

Each image is ``CASE_0000.nii.gz``: the number is that of the channel, which the file
``dataset.json`` beside the folder of images names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from napari_segnext.files.contents import name_of
from napari_segnext.files.sections import SECTIONS
from napari_segnext.series.cases import Case, Modality

DATASET = "dataset.json"
_IMAGES = ("imagesTr", "imagesVal", "imagesTs")
_NUMBERED = re.compile(r"(.+)_(\d{4})")
# More in a row are points in time, or sections of a stack.
_MOST_CHANNELS = 16


def image_folders(folder: Path) -> list[Path]:
    """Return the folders of images of a data set; none if a folder is no data set."""
    if not (folder / DATASET).is_file():
        return []
    return [folder / name for name in _IMAGES if (folder / name).is_dir()]


def numbered_cases(folder: Path, images: Sequence[Path]) -> list[Case]:
    """Return the cases of images whose names end in the number of a channel.

    Where no data set tells that they do, each case has to begin with channel 0, at
    least one has to have several, and pictures are sections.

    Returns
    -------
    In the order of their first images; none if the names are others.
    """
    files: dict[str, dict[int, Path]] = {}
    for image in images:
        found = _NUMBERED.fullmatch(name_of(image))
        if found is None or image.is_dir():
            return []
        files.setdefault(found[1], {})[int(found[2])] = image
    most = max((max(channels) for channels in files.values()), default=0)
    if most >= _MOST_CHANNELS:
        return []
    if not _of_data_set(folder):
        from_zero = all(0 in channels for channels in files.values())
        pictures = any(each.suffix.lower() in SECTIONS for each in images)
        if not most or not from_zero or pictures:
            return []
    names = _channel_names(folder)
    every = sorted({number for channels in files.values() for number in channels})
    if len(every) == 1:
        return [
            Case(name, (Modality("", path),))
            for name, channels in files.items()
            for path in channels.values()
        ]
    return [
        Case(
            name,
            tuple(
                Modality(names.get(number, f"{number:04}"), channels[number])
                for number in sorted(channels)
            ),
        )
        for name, channels in files.items()
    ]


def _of_data_set(folder: Path) -> bool:
    return folder.name in _IMAGES or any(
        (place / DATASET).is_file() for place in (folder, folder.absolute().parent)
    )


def _channel_names(folder: Path) -> dict[int, str]:
    """Return what a data set calls its channels; nothing where it cannot be read."""
    for place in (folder.absolute().parent, folder):
        try:
            told = json.loads((place / DATASET).read_bytes())
            named = told.get("channel_names") or told["modality"]
            names = {int(number): str(name) for number, name in named.items()}
        except (OSError, ValueError, LookupError, AttributeError):
            # The numbers are names enough.
            continue
        if len(set(names.values())) == len(names):
            return names
    return {}
