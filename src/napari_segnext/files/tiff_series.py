"""Which of the images in a TIFF file is meant, and whether all its pages are there."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import tifffile

from napari_segnext.files.checks import FileError, check_length

# An image in several files may have more planes than there are pages in one.
_MOST_PLANES = 1 << 20


class _LostPages(logging.Filter):
    """Notes that pages lie beyond the end of a file, of which tifffile only logs."""

    found = False

    def filter(self, record: logging.LogRecord) -> bool:
        lost = "invalid page offset" in record.getMessage()
        self.found |= lost
        return not lost


def main_series(
    path: Path, file: tifffile.TiffFile
) -> tuple[int, tifffile.TiffPageSeries]:
    """Return the image of a file and its number; others may be small pictures of it.

    Raises
    ------
    ValueError
        If pages are missing or of several sizes, or there are several images.
    """
    if file.is_ome:
        _check_planes(file)
    found = _series(file)
    number = max(range(len(found)), key=lambda n: math.prod(found[n].shape))
    main = found[number]
    rivals = [each for each in found if each is not main and not _small(each, main)]
    if rivals:
        shapes = ", ".join(str(each.shape) for each in (main, *rivals[:3]))
        page = rivals[0].keyframe.index
        raise FileError(
            f"{path} holds {len(rivals) + 1} images, of the shapes {shapes} (another "
            f"one begins at page {page}): save the one that is meant by itself"
        )
    if main.kind == "uniform":
        _check_pages(path)
    if main.dataoffset is not None:
        check_length(main.dataoffset + main.nbytes, file.filehandle.size)
    elif any(page is None for page in main.pages):
        raise ValueError("some of its pages are missing")
    return number, main


def _series(file: tifffile.TiffFile) -> list[tifffile.TiffPageSeries]:
    """Return all images of a file, or raise a ValueError if pages are lost."""
    logger, lost = logging.getLogger("tifffile"), _LostPages()
    logger.addFilter(lost)
    try:
        found = list(file.series)
    finally:
        logger.removeFilter(lost)
    if lost.found:
        raise ValueError("pages are missing at its end")
    if not found:
        raise ValueError("it holds no image")
    return found


def _check_planes(file: tifffile.TiffFile) -> None:
    """Check that OME announces no more planes than there can be."""
    images = tifffile.xml2dict(file.ome_metadata or "")["OME"].get("Image", [])
    for image in images if isinstance(images, list) else [images]:
        planes = math.prod(int(image["Pixels"][f"Size{axis}"]) for axis in "ZCT")
        if planes > max(len(file.pages), _MOST_PLANES):
            raise ValueError(f"it announces {planes} planes")


def _small(one: tifffile.TiffPageSeries, main: tifffile.TiffPageSeries) -> bool:
    """Tell whether an image is a mask, or at most half as long as another one."""
    page, whole = one.keyframe, main.keyframe
    return bool(
        page.is_mask
        or page.is_reduced
        or (
            2 * page.imagelength <= whole.imagelength
            and 2 * page.imagewidth <= whole.imagewidth
        )
    )


def _check_pages(path: Path) -> None:
    """Check that pages are all alike; tifffile looks at a few of them."""
    with tifffile.TiffFile(path) as file:
        first = file.pages.first
        for number, page in enumerate(file.pages):
            if (page.shape, page.dtype) != (first.shape, first.dtype):
                raise FileError(
                    f"{path}: page {number} has the shape {page.shape} and type "
                    f"{page.dtype}, the first one {first.shape} and {first.dtype}; a "
                    "stack needs pages of one size and type"
                )
