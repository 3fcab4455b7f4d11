"""Where labels lie in an OME-Zarr image, known by paths and without reading arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GROUP = "labels"
# Attributes of a group, by version of zarr.
_ATTRIBUTES = ("zarr.json", ".zattrs")


def image_of(path: Path) -> Path | None:
    """Return the OME-Zarr image that labels belong to by their path, ``labels/NAME``.

    None if they lie in no image.
    """
    image = path.parent.parent
    return image if path.parent.name == GROUP and _is_image(image) else None


def group_of(file: Path) -> Path | None:
    """Return the group of the image in a file; None if that is no OME-Zarr."""
    # What Bio-Formats has converted has its first image one level below.
    return next((place for place in (file, file / "0") if _is_image(place)), None)


def labels_in(group: Path, name: str) -> Path:
    """Return where labels of a name lie in an image."""
    return group / GROUP / name.replace("/", "_")


def _is_image(path: Path) -> bool:
    for name in _ATTRIBUTES:
        try:
            said: Any = json.loads((path / name).read_text("utf-8"))
        except (OSError, ValueError):
            continue
        for key in ("attributes", "ome"):
            said = said.get(key, said) if isinstance(said, dict) else {}
        if "multiscales" in said:
            return True
    return False
