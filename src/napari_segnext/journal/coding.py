"""Changes of a session as lines of text, and back."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.categories import Category
from napari_segnext.io.prompts_file import prompt_from_json, prompt_to_json
from napari_segnext.journal.runs import Runs
from napari_segnext.prompts import Plane, Prompts, Region
from napari_segnext.session import Record, SegmentedObject
from napari_segnext.session.sparse import Diff, Sparse
from napari_segnext.session.state import (
    Delta,
    Info,
    Key,
    Probability,
    Result,
    prompts_of,
)

Entry = dict[str, Any]


def to_line(entry: Mapping[str, Any]) -> bytes:
    """Return a line that tells whether it is whole: checksum, space, JSON."""
    text = json.dumps(entry, separators=(",", ":")).encode("ascii")
    return b"%08x %b\n" % (zlib.crc32(text), text)


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
    delta, entry = record.delta, Entry(what=record.name)
    if delta.current is not None:
        entry["current"] = delta.current
    if delta.objects:
        entry["objects"] = {n: _info(info) for n, info in delta.objects.items()}
    prompts = {k: _prompts(v, prompts_of(known, k)) for k, v in delta.prompts.items()}
    for name, values in (
        ("prompts", prompts),
        ("edits", {k: _sparse(v) for k, v in delta.edits.items()}),
        ("results", {k: _result(v) for k, v in delta.results.items()}),
    ):
        if values:
            entry[name] = [[*_key(key), value] for key, value in values.items()]
    if len(record.diff):
        entry["labels"] = _runs(Runs.of(record.diff.voxels, record.diff.new))
    return entry


def decode(entry: Mapping[str, Any], known: Mapping[int, SegmentedObject]) -> Record:
    """Return the change that `encode` was given; its labels' old values are 0.

    Raises
    ------
    ValueError, KeyError, TypeError
        If the entry is not one.
    """
    delta = Delta(entry.get("current"))
    for number, info in entry.get("objects", {}).items():
        delta.objects[int(number)] = None if info is None else _to_info(info)
    for key, (kept, items) in _keyed(entry, "prompts"):
        added = tuple(prompt_from_json(item) for item in items)
        delta.prompts[key] = Prompts(prompts_of(known, key).items[:kept] + added)
    for key, text in _keyed(entry, "edits"):
        edits = _to_sparse(text)
        delta.edits[key] = Sparse(edits.voxels, edits.values.astype(bool))
    for key, values in _keyed(entry, "results"):
        delta.results[key] = None if values is None else _to_result(values)
    diff = Diff()
    if "labels" in entry:
        voxels, new = _to_runs(entry["labels"]).expand()
        diff = Diff(voxels, np.zeros_like(new), new)
    return Record(str(entry["what"]), delta, diff)


def _key(key: Key) -> list[Any]:
    number, plane = key
    return [number, [plane.axis, plane.index, *plane.fixed]]


def _keyed(entry: Mapping[str, Any], name: str) -> Iterable[tuple[Key, Any]]:
    for number, (axis, index, *fixed), value in entry.get(name, ()):
        yield (number, Plane(axis, index, tuple(fixed))), value


def _info(info: Info | None) -> Entry | None:
    if info is None:
        return None
    entry = Entry(name=info.name, finished=info.finished, colour=info.colour)
    if info.category is not None:
        entry["class"] = [info.category.value, info.category.name]
    return entry


def _to_info(values: Mapping[str, Any]) -> Info:
    colour = values["colour"]
    colour = None if colour is None else tuple(map(float, colour))
    category = Category(*values["class"]) if "class" in values else None
    return Info(values["name"], values["finished"], colour, category)


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
    pixels = np.packbits(section.pixels)
    return Entry(
        answered=[prompt_to_json(prompt) for prompt in result.prompts],
        shape=probability.shape,
        offset=probability.offset,
        size=probability.levels.shape,
        levels=_pack(probability.levels),
        section=[section.offset, section.pixels.shape, _pack(pixels)],
        base=_sparse(result.base),
    )


def _to_result(values: Mapping[str, Any]) -> Result:
    height, width = values["shape"]
    top, left = values["offset"]
    levels = _unpack(values["levels"], np.uint8).reshape(values["size"])
    probability = Probability((height, width), (top, left), levels)
    (top, left), shape, text = values["section"]
    count = int(np.prod(shape))
    pixels = np.unpackbits(_unpack(text, np.uint8), count=count).reshape(shape)
    return Result(
        Prompts(tuple(prompt_from_json(item) for item in values["answered"])),
        probability,
        Region((top, left), pixels.astype(bool)),
        _to_sparse(values["base"]),
    )


def _sparse(sparse: Sparse) -> str:
    return _runs(Runs.of(sparse.voxels, sparse.values))


def _to_sparse(text: str) -> Sparse:
    return Sparse(*_to_runs(text).expand())


def _runs(runs: Runs) -> str:
    # Distances are small numbers, which compress.
    steps = np.diff(runs.start, prepend=0)
    return _pack(np.stack([steps, runs.length, runs.value]).astype("<i8"))


def _to_runs(text: str) -> Runs:
    steps, length, value = _unpack(text, np.dtype("<i8")).reshape(3, -1)
    return Runs(np.cumsum(steps), length.astype(np.int64), value.astype(np.int64))


def _pack(array: NDArray[Any]) -> str:
    return base64.b64encode(zlib.compress(array.tobytes(), 1)).decode("ascii")


def _unpack(text: str, dtype: Any) -> NDArray[Any]:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype)
