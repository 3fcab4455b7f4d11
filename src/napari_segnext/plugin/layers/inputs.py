"""The layers that a model sees: which they are, and what is read of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
from napari.layers import Image

from napari_segnext.images.intensity import Window
from napari_segnext.images.layout import file_identity
from napari_segnext.images.volume import Volume
from napari_segnext.plugin.layers.own_layers import image_space

# A model has three.
MOST = 3
# Layers whose corners lie apart by less, in voxels, lie alike.
_ALIKE = 0.5
_changed: WeakSet[Image] = WeakSet()


@dataclass(frozen=True, slots=True)
class File:
    """What file a layer was read from, and which of its channels it is."""

    path: Path
    channel: int | None = None

    @property
    def identity(self) -> str:
        """Name the content; looks at the disk, and raises OSError."""
        name = file_identity(self.path)
        return name if self.channel is None else f"{name} {self.channel}"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a model reads, taken from layers so that another thread can use it.

    Attributes
    ----------
    data
        An array, the levels of a pyramid, or one of these per modality.
    spatial, channel
        The axes of an array that are segmented, and that of colours.
    limits
        (low, high) per modality that the model is shown, or None: its own choice.
    files
        Where each modality was read from, if that is known.
    layers
        What it was taken from; for the GUI thread alone.
    """

    data: Any
    spatial: tuple[int, ...]
    channel: int | None
    limits: tuple[tuple[float, float], ...] | None
    files: tuple[File | None, ...]
    layers: tuple[Image, ...]

    @classmethod
    def of(cls, layers: Sequence[Image], contrast_limits: bool = False) -> Inputs:
        """Take up to three layers as the model's inputs, in order.

        Parameters
        ----------
        contrast_limits
            Whether the model is shown what lies between the layers' contrast limits.

        Raises
        ------
        ValueError
            If the layers do not fit together; the message says what to do.
        """
        first = layers[0]
        if len(layers) > MOST:
            raise ValueError(f"a model has {MOST} inputs, not {len(layers)}")
        for other in layers[1:]:
            check_fit(first, other)
        data = [list(each.data) if each.multiscale else each.data for each in layers]
        space = image_space(first)
        return cls(
            data if len(data) > 1 else data[0],
            space.spatial_axes,
            space.ndim if first.rgb else None,
            tuple(map(_limits, layers)) if contrast_limits else None,
            tuple(None if each in _changed else file_of(each) for each in layers),
            tuple(layers),
        )

    def volume(self) -> tuple[Volume, Window | None]:
        """Open what a model reads; return its window too, if that is given."""
        volume = Volume(
            self.data,
            spatial=self.spatial,
            channel=self.channel,
            identity=self.identity,
        )
        if self.limits is None:
            return volume, None
        low, high = zip(*self.limits, strict=True)
        return volume, Window(low, high)

    @property
    def identity(self) -> list[str] | None:
        """Name the content of all modalities, or None; looks at the disk."""
        try:
            names = [file.identity for file in self.files if file is not None]
        except OSError:
            return None
        return names if len(names) == len(self.files) else None


def note_change(layer: Image) -> None:
    """Note that a layer's data are not those of its file any more, for good."""
    _changed.add(layer)


def note_file(layer: Image) -> None:
    """Note that a layer's data are those of its file, which is another one by now."""
    _changed.discard(layer)


def check_fit(first: Image, other: Image) -> None:
    """Check that a layer can be an input beside another one.

    Raises
    ------
    ValueError
        Saying why not, and what to do.
    """
    if first.rgb or other.rgb:
        raise ValueError(
            f"{(first if first.rgb else other).name} is in colour, which takes all "
            "three inputs: choose it alone, or split its channels into layers"
        )
    one, two = image_space(first).shape, image_space(other).shape
    if one != two:
        raise ValueError(
            f"{other.name} is {sides(two)}, {first.name} is {sides(one)}: inputs "
            "must have the same shape; resample one onto the grid of the other"
        )
    last = np.array([np.zeros(len(one)), np.array(one) - 1])
    there = [first.world_to_data(other.data_to_world(corner)) for corner in last]
    if np.abs(np.array(there) - last).max() > _ALIKE:
        raise ValueError(
            f"{other.name} lies elsewhere in the viewer than {first.name}: align "
            "them (right-click a layer to copy and paste its spatial metadata), or "
            "register one to the other"
        )


def sort_out(image: Image, layers: Iterable[Any]) -> tuple[list[Image], list[str]]:
    """Return which layers can be inputs beside an image, and why others cannot."""
    found, reasons = [], []
    for layer in layers:
        if isinstance(layer, Image) and layer is not image:
            try:
                check_fit(image, layer)
            except ValueError as error:
                reasons.append(str(error))
            else:
                found.append(layer)
    return found, reasons


def default_others(image: Image, layers: Iterable[Any]) -> list[Image]:
    """Return what is shown to the model beside an image unless the user chooses.

    The first three channels of one file belong together; other layers may be
    anything, so that nothing is added to them.
    """
    family = _family(image)
    if family is None:
        return []
    channels = [image, *sort_out(image, layers)[0]]
    channels = sorted(
        (layer for layer in channels if _family(layer) == family),
        key=lambda layer: int(layer.metadata["channel"]),
    )
    return [layer for layer in channels[:MOST] if layer is not image][: MOST - 1]


def file_of(layer: Image) -> File | None:
    """Return where a layer was read from, if that is known."""
    path = layer.source.path
    if path is None:
        return None
    channel = layer.metadata.get("channel")
    return File(Path(path), channel if isinstance(channel, int) else None)


def _family(layer: Image) -> Any:
    """Name what a layer is a channel of, or None."""
    if "channel" not in layer.metadata:
        return None
    return layer.metadata.get("split from") or layer.source.path


def _limits(layer: Image) -> tuple[float, float]:
    low, high = layer.contrast_limits
    return float(low), float(high)


def sides(shape: tuple[int, ...]) -> str:
    """Write a shape as a user reads it."""
    return " x ".join(map(str, shape))
