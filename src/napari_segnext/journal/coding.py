"""Changes of a session as lines of text, and back."""

from __future__ import annotations

import base64
import json
import operator
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.files.categories import Category
from napari_segnext.files.prompts_file import MOST_ID, prompt_from_json, prompt_to_json
from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.space import Space
from napari_segnext.journal.paths import check_name
from napari_segnext.journal.runs import Runs
from napari_segnext.labels.diffs import Diff
from napari_segnext.labels.sparse import Sparse
from napari_segnext.prompts import Prompts
from napari_segnext.session import Record, SegmentedObject
from napari_segnext.session.doubt import Doubt
from napari_segnext.session.packed import PackedImage
from napari_segnext.session.probability import Probability
from napari_segnext.session.proposed import Proposed
from napari_segnext.session.state import Delta, Info, Key, Result, prompts_of
from napari_segnext.session.work import Work

Entry = dict[str, Any]

# More packed bytes, or voxels, than this are no part of a change that anybody made.
_MOST_BYTES = 1 << 30
_MOST_VOXELS = 1 << 28
# Runs that are packed together, so that packing them takes little memory.
_MOST_RUNS = 1 << 22
# What reading a line that was not written here may raise.
UNREADABLE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    MemoryError,
    zlib.error,
)


def to_line(entry: Mapping[str, Any]) -> bytes:
    """Return a line that tells whether it is whole: checksum, space, JSON."""
    text = json.dumps(
        entry, separators=(",", ":"), allow_nan=False, default=_plain
    ).encode("ascii")
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _plain(value: Any) -> Any:
    """Return a number of numpy's as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} cannot be written")


def from_line(line: bytes) -> Entry:
    """Return what a line holds.

    Raises
    ------
    ValueError
        If it is not whole.
    """
    checksum, _, text = line.partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text[:-1]):
        raise ValueError("the line is damaged")
    entry = json.loads(text)
    if not isinstance(entry, dict):
        raise ValueError("the line is no entry")
    return entry


def encode(record: Record, known: Mapping[int, SegmentedObject]) -> Entry:
    """Return a change as what JSON can hold.

    Parameters
    ----------
    known
        The objects before the change. Prompts that they have already are not
        written again.
    """
    delta, entry = record.delta, Entry(what=record.name, time=round(record.time, 1))
    if delta.current is not None:
        entry["current"] = delta.current
    if delta.semantic is not None:
        entry["semantic"] = delta.semantic
    entry |= {} if delta.taught is None else {"taught": delta.taught}
    if delta.objects:
        entry["objects"] = {int(n): _info(info) for n, info in delta.objects.items()}
    prompts = {k: _prompts(v, prompts_of(known, k)) for k, v in delta.prompts.items()}
    for name, values in (
        ("prompts", prompts),
        ("edits", {k: _runs(v.runs) for k, v in delta.edits.items()}),
        ("results", {k: _result(v) for k, v in delta.results.items()}),
        ("doubts", {k: _doubt(v) for k, v in delta.doubts.items()}),
    ):
        if values:
            entry[name] = [[*_key(key), value] for key, value in values.items()]
    if delta.work:
        entry["work"] = [
            [number, round(work.seconds, 1), work.clicks]
            for number, work in delta.work.items()
        ]
    if delta.proposals:
        entry["proposals"] = [[n, _proposed(p)] for n, p in delta.proposals.items()]
    if delta.complete:
        entry["complete"] = [[*_key(at), whole] for at, whole in delta.complete.items()]
    if len(record.diff):
        parts = [_runs(runs) for runs in _parted(record.diff.after)]
        entry["labels"] = parts[0] if len(parts) == 1 else parts
    return entry


def decode(
    entry: Mapping[str, Any], known: Mapping[int, SegmentedObject], space: Space
) -> Record:
    """Return the change that `encode` was given; its labels' old values are 0.

    Parameters
    ----------
    space
        Of the labels. What does not lie in them is refused.

    Raises
    ------
    UNREADABLE
        If the entry is not one.
    """
    delta = Delta(entry.get("current"))
    if delta.current is not None:
        _check_id(delta.current)
    if "semantic" in entry:
        delta.semantic = _check_flag(entry["semantic"])
    delta.taught = check_name(entry["taught"]) if "taught" in entry else None
    for text, info in entry.get("objects", {}).items():
        delta.objects[_check_id(int(text))] = None if info is None else _to_info(info)
    for key, (kept, items) in _keyed(entry, "prompts", space):
        shape = space.plane_shape(key[1])
        added = tuple(prompt_from_json(item, shape) for item in items)
        prompts = Prompts(prompts_of(known, key).items[:kept] + added)
        prompts.check_inside(shape)
        delta.prompts[key] = prompts
    for key, text in _keyed(entry, "edits", space):
        runs = _to_runs(text, space)
        delta.edits[key] = Sparse(replace(runs, value=runs.value.astype(bool)))
    for key, values in _keyed(entry, "results", space):
        result = None if values is None else _to_result(values, key[1], space)
        delta.results[key] = result
    for key, values in _keyed(entry, "doubts", space):
        delta.doubts[key] = None if values is None else _to_doubt(values)
    for number, seconds, clicks in entry.get("work", ()):
        delta.work[_check_id(number)] = Work(float(seconds), operator.index(clicks))
    for number, values in entry.get("proposals", ()):
        proposed = None if values is None else _to_proposed(values, space)
        delta.proposals[_check_id(number)] = proposed
    for place, whole in _keyed(entry, "complete", space):
        delta.complete[place] = _check_flag(whole)
    diff = Diff()
    if "labels" in entry:
        labels = entry["labels"]
        texts = labels if isinstance(labels, list) else [labels]
        runs = Runs.joined(_to_runs(text, space) for text in texts)
        diff = Diff(replace(runs, value=np.zeros_like(runs.value)), runs)
    return Record(str(entry["what"]), delta, diff)


def _check_id(number: Any) -> int:
    if type(number) is not int or not 0 <= number <= MOST_ID:
        raise ValueError(f"{number!r} is no id of an object")
    return number


def _check_flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _key(key: Key) -> list[Any]:
    number, plane = key
    return [operator.index(number), _place(plane)]


def _place(plane: Plane) -> list[int]:
    return [plane.axis, plane.index, *plane.fixed]


def _to_plane(place: Sequence[int], space: Space) -> Plane:
    axis, index, *fixed = place
    plane = Plane(axis, index, tuple(fixed))
    space.check(plane)
    return plane


def _keyed(
    entry: Mapping[str, Any], name: str, space: Space
) -> Iterable[tuple[Key, Any]]:
    for number, place, value in entry.get(name, ()):
        yield (_check_id(number), _to_plane(place, space)), value


def _info(info: Info | None) -> Entry | None:
    if info is None:
        return None
    entry = Entry(name=info.name, finished=info.finished, colour=info.colour)
    if info.category is not None:
        entry["class"] = _category(info.category)
    if info.value is not None:
        entry["value"] = info.value
    return entry


def _category(category: Category) -> list[Any]:
    inside = [category.inside] if category.inside else []
    return [category.value, category.name, *inside]


def _to_info(values: Mapping[str, Any]) -> Info:
    colour = values["colour"]
    colour = None if colour is None else tuple(map(float, colour))
    category = Category(*values["class"]) if "class" in values else None
    value = _check_id(values["value"]) if "value" in values else None
    return Info(str(values["name"]), bool(values["finished"]), colour, category, value)


def _prompts(prompts: Prompts, before: Prompts) -> list[Any]:
    pairs = zip(prompts, before, strict=False)
    kept = next(
        (at for at, (new, old) in enumerate(pairs) if new != old),
        min(len(prompts), len(before)),
    )
    return [kept, [prompt_to_json(prompt) for prompt in prompts.items[kept:]]]


def _result(result: Result | None) -> Entry | None:
    if result is None:
        return None
    probability, section = result.probability, result.section
    entry = Entry(
        answered=[prompt_to_json(prompt) for prompt in result.prompts],
        shape=probability.shape,
        offset=probability.offset,
        size=probability.levels.shape,
        levels=_pack(probability.levels),
        section=_region(section),
        base=_runs(result.base.runs),
    )
    if result.confidence is not None:
        entry["confidence"] = result.confidence
    if result.checked:
        entry["checked"] = True
    return entry


def _to_result(values: Mapping[str, Any], plane: Plane, space: Space) -> Result:
    shape = space.plane_shape(plane)
    if tuple(values["shape"]) != shape:
        raise ValueError(f"a probability map of {plane} is not of {values['shape']}")
    offset, size = _part(values["offset"], values["size"], shape)
    levels = _unpack(values["levels"], np.uint8, size[0] * size[1]).reshape(size)
    confidence = values.get("confidence")
    if type(confidence) not in (int, float, type(None)):
        raise ValueError(f"{confidence!r} is no confidence")
    return Result.of(
        Prompts(tuple(prompt_from_json(item, shape) for item in values["answered"])),
        Probability(shape, offset, PackedImage.of(levels)),
        _to_region(values["section"], shape),
        Sparse(_to_runs(values["base"], space)),
        confidence,
        _check_flag(values.get("checked", False)),
    )


def _region(region: Region) -> list[Any]:
    return [region.offset, region.pixels.shape, _pack(np.packbits(region.pixels))]


def _to_region(values: Any, shape: tuple[int, int]) -> Region:
    place, extent, text = values
    corner, sides = _part(place, extent, shape)
    area = sides[0] * sides[1]
    pixels = np.unpackbits(_unpack(text, np.uint8, -(-area // 8)), count=area)
    return Region(corner, pixels.reshape(sides).astype(bool))


def _proposed(proposed: Proposed | None) -> Entry | None:
    if proposed is None:
        return None
    entry = Entry(
        plane=_place(proposed.plane),
        region=_region(proposed.region),
        click=[round(at, 1) for at in proposed.click],
        score=round(proposed.score, 4),
    )
    if proposed.category is not None:
        entry["class"] = _category(proposed.category)
    if proposed.rejected:
        entry["rejected"] = True
    return entry


def _to_proposed(values: Mapping[str, Any], space: Space) -> Proposed:
    plane = _to_plane(values["plane"], space)
    shape = space.plane_shape(plane)
    y, x = map(float, values["click"])
    Prompts().click(y, x).check_inside(shape)
    return Proposed.of(
        plane,
        _to_region(values["region"], shape),
        (y, x),
        float(values["score"]),
        Category(*values["class"]) if "class" in values else None,
        _check_flag(values.get("rejected", False)),
    )


def _doubt(doubt: Doubt | None) -> list[Any] | None:
    if doubt is None:
        return None
    return [round(doubt.degree, 4), doubt.parts, doubt.like, doubt.checked]


def _to_doubt(values: Any) -> Doubt:
    degree, parts, like, checked = values
    if type(degree) not in (int, float) or type(parts) is not int:
        raise ValueError(f"{values!r} is no doubt")
    return Doubt(degree, parts, _check_id(like), _check_flag(checked))


def _part(
    offset: Any, size: Any, shape: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return first pixel and size of a part of a plane that lies in it."""
    top, left = map(operator.index, offset)
    height, width = map(operator.index, size)
    if min(top, left, height, width) < 0:
        raise ValueError("a part of a plane lies outside")
    if height and width and (top + height > shape[0] or left + width > shape[1]):
        raise ValueError("a part of a plane lies outside")
    return (top, left), (height, width)


def _runs(runs: Runs) -> str:
    # Distances are small numbers, which compress.
    steps = np.diff(runs.start, prepend=0)
    return _pack(np.stack([steps, runs.length, runs.value]).astype("<i8"))


def _parted(runs: Runs) -> Iterator[Runs]:
    """Yield runs in parts that may be read again: adopted labels are many."""
    part = np.cumsum(runs.length) // (_MOST_VOXELS // 2)
    part += np.arange(len(runs)) // _MOST_RUNS
    first = np.flatnonzero(np.diff(part, prepend=-1)).tolist()
    for start, stop in pairwise([*first, len(runs)]):
        yield runs.select(slice(start, stop))


def _to_runs(text: str, space: Space) -> Runs:
    most = 3 * 8 * min(space.size, _MOST_VOXELS)
    values = _unpack(text, np.dtype("<i8"), most)
    steps, length, value = values.reshape(3, -1).astype(np.int64)
    start = np.cumsum(steps)
    # Sorted, apart and inside: then no more voxels come of it than there are.
    ends = np.minimum(length, space.size) + start
    apart = np.all(start[1:] >= ends[:-1]) and np.all((length > 0) & (start >= 0))
    if not apart or (len(ends) and (ends[-1] > space.size or value.min() < 0)):
        raise ValueError("runs of voxels lie outside, or over each other")
    if int(length.sum()) > _MOST_VOXELS:
        raise ValueError("a change of more voxels than anybody makes")
    return Runs(start, length, value)


def _pack(array: NDArray[Any]) -> str:
    return base64.b64encode(zlib.compress(array.tobytes(), 1)).decode("ascii")


def _unpack(text: str, dtype: Any, most: int) -> NDArray[Any]:
    """Return an array of at most so many bytes; no more than that is unpacked."""
    unpacking = zlib.decompressobj()
    limit = min(most, _MOST_BYTES)
    content = unpacking.decompress(base64.b64decode(text), limit + 1)
    if len(content) > limit:
        raise ValueError(f"more than {limit} bytes are packed")
    if not unpacking.eof:
        raise ValueError("packed bytes are missing")
    return np.frombuffer(content, dtype)
