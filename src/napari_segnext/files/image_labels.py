"""Labels in an OME-Zarr image: a pyramid in its group `labels`, as its version says.

Nothing of the image itself is touched, nor a catalogue of metadata that it may have.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_segnext.files.atomic import is_zarr, replacing
from napari_segnext.files.categories import Legend
from napari_segnext.files.checks import explained
from napari_segnext.files.image import Geometry, Order
from napari_segnext.files.label_grid import Line, Placed
from napari_segnext.files.ome_zarr import (
    channel_of,
    in_file_order,
    label_properties,
    ome_of,
    transform_of,
    write_level,
)
from napari_segnext.files.pieces import Sliceable

# Of zarr, by version of OME-Zarr.
_FORMATS = {"0.4": 2, "0.5": 3}
# From the labels back to their image.
_SOURCE = "../../"
Entry = dict[str, Any]


def check_place(path: Path, geometry: Geometry | None = None) -> None:
    """Check that an image can hold labels.

    Parameters
    ----------
    path
        Of labels that lie in one, see `napari_segnext.files.image_group`.
    geometry
        Of the labels, if it is known.

    Raises
    ------
    ValueError
        If its version is none that labels are written in, its shape is another, or the
        name is none for a part of a zarr.
    """
    if path.name.startswith((".", "__")):
        raise ValueError(f"{path.name!r} is no name for labels: begin with a letter")
    image = _Image.read(path.parent.parent)
    if path.parent.exists() and not is_zarr(path.parent):
        raise ValueError(f"{path.parent} is no group of a zarr: choose another file")
    if geometry is not None:
        source = geometry.source
        own = (
            geometry.transposed(source.axes) if isinstance(source, Order) else geometry
        )
        if own.shape != image.shapes[0]:
            raise ValueError(
                f"{image.group} has the shape {image.shapes[0]} without channels, and "
                f"the labels {own.shape}: write them into the image that they belong to"
            )


def write_in_image(
    path: Path,
    labels: Sliceable,
    geometry: Geometry,
    legend: Legend | None = None,
    like: Path | None = None,
) -> None:
    """Write labels into their image, with a level for each of its own.

    They appear when they are complete, and are listed then.

    Parameters
    ----------
    path
        Of labels that lie in an image, see `napari_segnext.files.image_group`.
    geometry
        Of the image.
    legend
        Names and classes by value.
    like
        What is new may be read by nobody who may not read this file.

    Raises
    ------
    OSError, ValueError
        As `replacing` and `check_place`.
    """
    check_place(path, geometry)
    image, group = _Image.read(path.parent.parent), path.parent
    labels, _ = in_file_order(labels, geometry)
    if group.exists():
        with replacing(path, like, folder=True) as part:
            image.write(part, labels, legend or {})
        _list(group, path.name, image.version)
        return
    with replacing(group, like, folder=True) as part:
        made = zarr.open_group(part, mode="w", zarr_format=image.zarr_format)
        made.attrs.update(image._told({"labels": [path.name]}))
        image.write(part / path.name, labels, legend or {})


@dataclass(frozen=True, slots=True)
class _Image:
    """What labels have from an OME-Zarr image, all of it without channels.

    Attributes
    ----------
    axes
        As the image describes them.
    shapes, lines
        Of each level: its shape, and where its pixels lie along each axis.
    transforms, common
        As the image has them: of each level, and of all.
    """

    group: Path
    version: str
    axes: list[Entry]
    shapes: list[tuple[int, ...]]
    lines: list[list[Line]]
    transforms: list[list[Entry]]
    common: list[Entry]

    @classmethod
    def read(cls, group: Path) -> _Image:
        with explained(group, "an OME-Zarr image"):
            node = zarr.open_group(group, mode="r", use_consolidated=False)
            ome = ome_of(node)
            image = ome["multiscales"][0]
            arrays, stored = _arrays(node, image), node.metadata.zarr_format
            told = ome.get("version") or image.get("version")
            version = str(told or ("0.4" if stored == 2 else "0.5"))
            if _FORMATS.get(version) == stored:
                axes = image["axes"]
                channel = channel_of(axes)
                kept = [at for at in range(len(axes)) if at != channel]
                shapes = [tuple(array.shape[at] for at in kept) for array in arrays]
                every = image["datasets"]
                return cls(
                    group,
                    version,
                    [axes[at] for at in kept],
                    shapes,
                    [_lines(image, at, kept, shape) for at, shape in enumerate(shapes)],
                    [_of(each["coordinateTransformations"], kept) for each in every],
                    _of(image.get("coordinateTransformations", []), kept),
                )
        raise ValueError(
            f"{group} is OME-Zarr {version}, and labels are written into 0.4 and 0.5: "
            "choose a file of its own"
        )

    @property
    def zarr_format(self) -> Any:
        return _FORMATS[self.version]

    def _told(self, said: Entry) -> Entry:
        """Return attributes of a group that say something in the image's version."""
        return said if self.zarr_format == 2 else {"ome": {"version": "0.5", **said}}

    def write(self, place: Path, labels: Sliceable, legend: Legend) -> None:
        """Write labels as a group of levels, each of pixels nearest in the first."""
        group = zarr.open_group(place, mode="w", zarr_format=self.zarr_format)
        names = [str(axis["name"]) for axis in self.axes]
        full = write_level(group, "0", labels, names)
        for number, lines in enumerate(self.lines[1:], 1):
            pairs = zip(self.lines[0], lines, strict=True)
            level = Placed(full, [_nearest(*pair) for pair in pairs])
            write_level(group, str(number), level, names)
        multiscale: Entry = {
            "name": place.name,
            "axes": self.axes,
            "datasets": [
                {"path": str(number), "coordinateTransformations": transforms}
                for number, transforms in enumerate(self.transforms)
            ],
        }
        if self.common:
            multiscale["coordinateTransformations"] = self.common
        about: Entry = {"source": {"image": _SOURCE}, **label_properties(legend)}
        if self.zarr_format == 2:
            multiscale["version"] = about["version"] = self.version
        said = {"multiscales": [multiscale], "image-label": about}
        group.attrs.update(self._told(said))


def _arrays(group: zarr.Group, image: Mapping[str, Any]) -> list[zarr.Array[Any]]:
    nodes = [group[str(each["path"])] for each in image["datasets"]]
    arrays = [node for node in nodes if isinstance(node, zarr.Array)]
    if len(arrays) < len(nodes):
        raise ValueError("a level is not an array")
    return arrays


def _of(transforms: Sequence[Entry], kept: Sequence[int]) -> list[Entry]:
    """Return transforms along some of the axes."""
    return [
        {
            key: [value[at] for at in kept] if isinstance(value, list) else value
            for key, value in each.items()
        }
        for each in transforms
    ]


def _lines(
    image: Mapping[str, Any], level: int, kept: Sequence[int], shape: Sequence[int]
) -> list[Line]:
    scale, offset = transform_of(image, level, len(image["axes"]))
    places = zip(shape, scale[kept], offset[kept], strict=True)
    return [Line(length, float(step), float(first)) for length, step, first in places]


def _nearest(fine: Line, coarse: Line) -> NDArray[np.int64]:
    """Return in which pixel of the first level the middle of each coarse one lies."""
    (low, high), (first, last) = fine.ends, coarse.ends
    step = coarse.step
    if abs(low - first) > step or abs(high - last) > step:
        # What the image says of its levels is not so; it covers the same with each.
        step, first = (high - low) / coarse.length, low
        coarse = Line(coarse.length, step, first + step / 2)
    middles = coarse.first + coarse.step * np.arange(coarse.length)
    place = np.floor((middles - low) / fine.step + 1e-6)
    found: NDArray[np.int64] = place.clip(0, fine.length - 1).astype(np.int64)
    return found


def _list(group: Path, name: str, version: str) -> None:
    """Add labels to what an image says that it has."""
    old = _FORMATS[version] == 2
    file = group / (".zattrs" if old else "zarr.json")
    with explained(file, "metadata of a zarr"):
        content = json.loads(file.read_text("utf-8")) if file.exists() else {}
        said = content if old else content.setdefault("attributes", {})
        if not old:
            said = said.setdefault("ome", {"version": version})
        names = said.setdefault("labels", [])
        if name in names:
            return
        names.append(name)
    with replacing(file) as part:
        part.write_text(json.dumps(content, indent=2), "utf-8")
