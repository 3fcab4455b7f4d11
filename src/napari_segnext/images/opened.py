"""Volumes of whatever an image is given as."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from napari_segnext.files import ImageFile, read_image
from napari_segnext.images.layout import Source, file_identity
from napari_segnext.images.volume import Volume

if TYPE_CHECKING:
    from nibabel.spatialimages import SpatialImage

# A volume, an array or what else `Volume` takes, a path, or an image of nibabel's.
Image: TypeAlias = "Volume | Source | str | Path | SpatialImage"


def volume_of(image: Image) -> Volume:
    """Return the volume of an image; see `opened`."""
    return opened(image)[0]


def opened(image: Image) -> tuple[Volume, ImageFile | None]:
    """Return the volume of an image, and what was read for it.

    Parameters
    ----------
    image
        A volume, or what `Volume` or `napari_segnext.read_image` take.

    Returns
    -------
    The volume; and the image as it was read, None for arrays

    Raises
    ------
    TypeError
        If it is nothing of that.
    ValueError, OSError
        As `Volume` and `read_image`.
    """
    if isinstance(image, Volume):
        return image, None
    named = isinstance(image, str | Path)
    if not named and not hasattr(image, "dataobj"):
        return Volume(cast("Source", image)), None
    file = read_image(cast("SpatialImage | str | Path", image))
    identity = file_identity(file.path) if named else None
    volume = Volume(
        file.data, spatial=file.spatial, channel=file.channel, identity=identity
    )
    return volume, file
