"""The prompts file: what a session exports and the command line reads.

A JSON text; see the README for its layout. Coordinates are (y, x) in the plane,
in voxels of the array that is shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.files.atomic import replacing
from napari_segnext.files.categories import Category
from napari_segnext.files.checks import check_memory, check_special
from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.prompts import (
    Box,
    Click,
    Mask,
    Phrase,
    Polygon,
    Prompt,
    Prompts,
    Scribble,
)

VERSION = 1
# What labels hold in files; a session numbers its objects itself.
MOST_ID = 2**63 - 1
_MOST_CLASS = 2**31 - 1
# What comes of other JSON than is expected.
_WRONG = (ValueError, ArithmeticError, MemoryError, RecursionError)
# More than in the largest section that can be handled.
_MOST_PIXELS = 2**32


@dataclass(frozen=True, slots=True)
class ObjectPrompts:
    """The prompts of one object, by plane, and its class if it has one."""

    id: int
    name: str = ""
    planes: Mapping[Plane, Prompts] = field(default_factory=dict)
    category: Category | None = None


def write_prompts(
    path: str | Path, objects: Sequence[ObjectPrompts], like: Path | None = None
) -> None:
    """Write a prompts file, which appears when it is complete.

    Parameters
    ----------
    like
        The image: a new file may be read by nobody who may not read that.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    content = {"version": VERSION, "objects": [_object(o) for o in objects]}
    with replacing(Path(path).expanduser(), like) as part:
        part.write_text(json.dumps(content, indent=1), encoding="utf-8")


def read_prompts(path: str | Path) -> list[ObjectPrompts]:
    """Read a prompts file.

    Raises
    ------
    ValueError
        If it is not one; the message names the file and what is wrong.
    OSError
        If it cannot be opened.
    """
    place = Path(path).expanduser()
    if not place.exists():
        raise FileNotFoundError(f"there is no file {path}")
    check_special(place)
    return parse_prompts(place.read_bytes(), str(path))


def parse_prompts(content: bytes, name: str) -> list[ObjectPrompts]:
    """Return what a prompts file holds.

    Parameters
    ----------
    content
        JSON in UTF-8.
    name
        Where it comes from, for messages.

    Raises
    ------
    ValueError
        If it is not one; the message has the name, and what is wrong.
    """
    try:
        # Some editors begin a file with a byte-order mark.
        values = json.loads(content.decode("utf-8-sig"))
        if values["version"] != VERSION:
            raise ValueError(f"version {values['version']} is not known")
        return [_parse_object(each) for each in values["objects"]]
    except KeyError as error:
        raise ValueError(f"{name} is not a prompts file: {error} is missing") from error
    except (TypeError, AttributeError) as error:
        # Python's words for it tell nothing of the file.
        raise ValueError(
            f"{name} is not a prompts file: something in it is of another kind, as a "
            "list or a number where names and values are expected"
        ) from error
    except _WRONG as error:
        raise ValueError(f"{name} is not a prompts file: {error}") from error


def prompt_to_json(prompt: Prompt) -> dict[str, Any]:
    """Return one prompt as it stands in the file."""
    match prompt:
        case Click():
            return _entry("click", prompt, at=list(prompt.at))
        case Box():
            ends = {"from": list(prompt.start), "to": list(prompt.end)}
            return _entry("box", prompt, **ends)
        case Polygon():
            return _entry(
                "polygon", prompt, vertices=[list(v) for v in prompt.vertices]
            )
        case Scribble(painted=Region() as region):
            return _entry("scribble", prompt, rle=region_to_json(region))
        case Scribble():
            path = [list(point) for point in prompt.path]
            return _entry("scribble", prompt, path=path, width=prompt.width)
        case Mask():
            return _entry("mask", prompt, rle=region_to_json(prompt.region))
        case Phrase():
            return _entry("text", prompt, text=prompt.text)


def prompt_from_json(
    values: Mapping[str, Any], within: tuple[int, int] | None = None
) -> Prompt:
    """Return the prompt of an entry.

    Parameters
    ----------
    within
        (H, W) that painted pixels are within, if it is known.

    Raises
    ------
    ValueError, KeyError
        If the entry is not a prompt.
    """
    positive = values.get("positive", True)
    if not isinstance(positive, bool):
        raise ValueError(f"positive is true or false, not {positive!r}")
    match values["type"]:
        case "click":
            y, x = values["at"]
            made = Prompts().click(y, x, positive)
        case "box":
            made = Prompts().box(values["from"], values["to"], positive)
        case "polygon":
            made = Prompts().polygon(values["vertices"], positive)
        case "scribble" if "rle" in values:
            region = region_from_json(values["rle"], within)
            return Scribble(painted=region, positive=positive)
        case "scribble":
            width = values.get("width", 3.0)
            made = Prompts().scribble(values["path"], width, positive)
        case "mask":
            return Mask(region_from_json(values["rle"], within), positive)
        case "text":
            made = Prompts().text(values["text"])
            if not (positive and made):
                raise ValueError("a phrase has words, and is never negative")
        case other:
            raise ValueError(f"{other!r} is not a kind of prompt")
    return made.items[0]


def region_to_json(region: Region) -> dict[str, Any]:
    """Return pixels as an uncompressed COCO run-length code, and their offset.

    Runs go down the columns and start with the pixels that are off.
    """
    runs = _runs(region.pixels.ravel(order="F"))
    size = list(region.pixels.shape)
    return {"offset": list(region.offset), "size": size, "counts": runs}


def region_from_json(
    values: Mapping[str, Any], within: tuple[int, int] | None = None
) -> Region:
    """Return the pixels of a run-length code; without offset it starts at (0, 0).

    Parameters
    ----------
    within
        (H, W) that they are within, if it is known.

    Raises
    ------
    ValueError, MemoryError
        If the runs do not fill the size, or it is too large.
    """
    height, width = (whole_number(n, "a side of a mask") for n in values["size"])
    counts = np.asarray(values["counts"], np.int64)
    most = _MOST_PIXELS if within is None else within[0] * within[1]
    if height * width > most:
        raise ValueError(f"a mask of {height} x {width} pixels is too large")
    if (counts < 0).any() or sum(counts.tolist()) != height * width:
        raise ValueError(
            f"the runs of a mask do not fill its {height} x {width} pixels"
        )
    check_memory(height * width)
    pixels = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    top, left = values.get("offset", (0, 0))
    return Region.of(pixels.reshape((height, width), order="F"), (int(top), int(left)))


def _runs(pixels: NDArray[np.bool_]) -> list[int]:
    ends = np.flatnonzero(np.diff(pixels)) + 1
    runs: list[int] = np.diff([0, *ends, len(pixels)]).tolist()
    return [0, *runs] if len(pixels) and pixels[0] else runs


def _entry(kind: str, prompt: Prompt, **values: Any) -> dict[str, Any]:
    return {"type": kind, "positive": prompt.positive, **values}


def _object(item: ObjectPrompts) -> dict[str, Any]:
    planes = [
        {"axis": plane.axis, "index": plane.index}
        | ({"fixed": list(plane.fixed)} if plane.fixed else {})
        | {"prompts": [prompt_to_json(p) for p in prompts]}
        for plane, prompts in sorted(item.planes.items())
    ]
    entry: dict[str, Any] = {"id": item.id, "name": item.name}
    if item.category is not None:
        entry["class"] = {"value": item.category.value, "name": item.category.name}
        if item.category.inside:
            entry["class"]["inside"] = item.category.inside
    return {**entry, "planes": planes}


def joined(planes: Iterable[tuple[Plane, Prompts]]) -> dict[Plane, Prompts]:
    """Return prompts by plane; those of a plane that comes twice, in order."""
    found: dict[Plane, Prompts] = {}
    for plane, prompts in planes:
        before = found.get(plane, Prompts())
        found[plane] = Prompts((*before.items, *prompts.items))
    return found


def _parse_plane(entry: Mapping[str, Any]) -> tuple[Plane, Prompts]:
    axis = whole_number(entry.get("axis", 0), "axis", most=2)
    index = whole_number(entry.get("index", 0), "index")
    fixed = tuple(whole_number(at, "fixed") for at in entry.get("fixed", ()))
    plane = Plane(axis, index, fixed)
    return plane, Prompts(tuple(prompt_from_json(p) for p in entry["prompts"]))


def _parse_object(values: Mapping[str, Any]) -> ObjectPrompts:
    planes = joined(map(_parse_plane, values["planes"]))
    category = None
    if "class" in values:
        value = whole_number(values["class"]["value"], "a class", 1, _MOST_CLASS)
        outer = whole_number(values["class"].get("inside", 0), "inside", 0, _MOST_CLASS)
        category = Category(value, _text(values["class"]["name"]), outer)
    number = whole_number(values["id"], "id", 1, MOST_ID)
    return ObjectPrompts(number, _text(values.get("name", "")), planes, category)


def whole_number(value: Any, what: str, least: int = 0, most: int | None = None) -> int:
    """Return a number of a JSON text, which may have been written as ``6.0``.

    Raises
    ------
    ValueError
        If it is not whole, or out of bounds.
    """
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits or value != value // 1 or not least <= value <= (most or value):
        end = f" to {most}" if most else " on"
        raise ValueError(f"{what} is a whole number from {least}{end}, not {value!r}")
    return int(value)


def _text(value: Any) -> str:
    text = str(value)
    # Half a pair of surrogates can be escaped in JSON, but not be written.
    text.encode()
    return text
