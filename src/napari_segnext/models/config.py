"""A model's configuration: all that a file must say beside its tensors."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from napari_segnext.models.limits import (
    LARGEST_SIZE,
    check_arch,
    check_choice,
    check_number,
    check_triple,
    check_whole,
)
from napari_segnext.prompts.dense import PromptStyle, RegionDrawing

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Characters of a configuration, and of what is told of a bad one.
_LONGEST_TEXT, _LONGEST_TOLD = 100_000, 300


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a slice is cut into a pyramid of tiles for a model.

    Attributes
    ----------
    overlap
        Share of a tile that it has in common with its neighbour.
    finest
        The finest level is the first whose scale (model pixels per image pixel)
        is at least this.
    first
        A first click, which says nothing of the object's size, is decoded at the
        level whose scale is nearest to this.
    margin
        A tile fits when prompts and previous mask, grown by this factor, lie in it.
    """

    overlap: float = 0.5
    finest: float = 0.75
    first: float = 0.75
    margin: float = 1.4

    def __post_init__(self) -> None:
        """Raise `ValueError` for numbers that no pyramid can be made of."""
        check_number("tiling.overlap", self.overlap, 0, 0.8)
        check_number("tiling.finest", self.finest, 1e-4, 8)
        check_number("tiling.first", self.first, 1e-4, 8)
        check_number("tiling.margin", self.margin, 1, 10)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Everything about a model that is not a tensor.

    Attributes
    ----------
    architecture
        Name in the registry of `napari_segnext.models`.
    size
        Side S of the square input, in model pixels.
    resize
        ``"square"`` or ``"pad"``; see `napari_segnext.geometry.frame.Frame`.
    window
        ``"uint8"``: uint8 is taken as it is (0..255) and only other types go
        through robust percentiles. ``"percentile"``: all types do.
    mean, std
        Normalisation of the windowed 0..1 input, per channel.
    antialias
        Whether an image is shrunk with a filter. Tiles always are.
    fill
        What padding holds, per channel, of the windowed 0..1 input.
    style
        How prompts are drawn.
    tiling
        None for one tile, the whole image.
    looks
        How often a first click is decoded, each time with the answer before as previous
        mask: the cascade of CFR-ICL (Sun et al., AAAI 2024), where it is worth most.
    arch
        The architecture's own numbers, passed to its builder.
    """

    architecture: str
    size: int
    resize: Literal["square", "pad"] = "square"
    window: Literal["uint8", "percentile"] = "uint8"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    antialias: bool = False
    fill: tuple[float, float, float] = (0.0, 0.0, 0.0)
    style: PromptStyle = field(default_factory=PromptStyle)
    tiling: Tiling | None = None
    looks: int = 1
    arch: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise `ValueError` for what no model can have."""
        if not isinstance(self.architecture, str):
            raise ValueError("architecture is a name")
        check_whole("size", self.size, 1, LARGEST_SIZE)
        check_choice("resize", self.resize, ("square", "pad"))
        check_choice("window", self.window, ("uint8", "percentile"))
        check_triple("mean", self.mean, -100, 100)
        check_triple("std", self.std, 1e-4, 100)
        check_triple("fill", self.fill, 0, 1)
        check_choice("antialias", self.antialias, (True, False))
        check_number("style.radius", self.style.radius, 0, 128)
        check_choice("style.region", self.style.region, get_args(RegionDrawing))
        check_whole("looks", self.looks, 1, 8)
        if not isinstance(self.arch, dict):
            raise ValueError("arch is a table of names and values")
        check_arch(self.arch)

    def to_json(self) -> str:
        """Return the configuration as a JSON text."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelConfig:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            If the text is not such a configuration.
        """
        try:
            if len(text) > _LONGEST_TEXT:
                raise ValueError(f"{len(text)} characters long")
            values = json.loads(text)
            values["mean"] = tuple(map(float, values["mean"]))
            values["std"] = tuple(map(float, values["std"]))
            # Files of the first version do without.
            if "fill" in values:
                values["fill"] = tuple(map(float, values["fill"]))
            values["style"] = PromptStyle(**values["style"])
            if values["tiling"] is not None:
                values["tiling"] = Tiling(**values["tiling"])
            return cls(**values)
        except RecursionError as error:
            raise ValueError("not a model configuration: nested too deeply") from error
        except (TypeError, KeyError, ValueError, OverflowError) as error:
            said = " ".join(str(error).split())[:_LONGEST_TOLD]
            raise ValueError(f"not a model configuration: {said}") from error
