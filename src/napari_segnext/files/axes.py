"""What the axes of a file are called, and what is said of their steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

SPATIAL = ("z", "y", "x")
TIME = "t"

_SYNONYMS = {
    "z": ("depth", "slice", "slices", "plane", "section"),
    "y": ("height", "row", "rows"),
    "x": ("width", "column", "columns", "col"),
    "t": ("time", "frame", "frames"),
}
_NAMES = {other: name for name, others in _SYNONYMS.items() for other in others}


def names_of(axes: Sequence[tuple[str, str | None]]) -> tuple[str, ...]:
    """Name axes so that space is z, y and x, whatever a file calls it.

    Parameters
    ----------
    axes
        Name and type of each axis that is not channels; the type as in OME-Zarr
        (``"space"``, ``"time"``), None if it is not told. Where neither says which
        are space, it is the last three.

    Returns
    -------
    As many different names

    Examples
    --------
    >>> names_of([("T", None), ("X", "space"), ("Y", "space")])
    ('t', 'x', 'y')
    >>> names_of([("rows", "space"), ("b", "space"), ("c", "space")])
    ('y', 'z', 'x')
    >>> names_of([("", None)] * 4)
    ('t', 'z', 'y', 'x')
    """
    names = [
        TIME if kind == "time" else _NAMES.get(name.lower(), name.lower())
        for name, kind in axes
    ]
    space = [
        kind == "space" or (kind is None and name in SPATIAL)
        for name, (_, kind) in zip(names, axes, strict=True)
    ]
    if not any(space):
        space = [at >= len(axes) - 3 for at in range(len(axes))]
    found: list[str | None] = [None] * len(axes)
    for at, name in enumerate(names):
        if space[at] == (name in SPATIAL) and name and name not in found:
            found[at] = name
    _fill(found, [at for at in range(len(axes)) if space[at]], SPATIAL)
    # Time is the last of the others, the nearest to space.
    _fill(found, [at for at in range(len(axes)) if not space[at]], (TIME,))
    return tuple(name or f"axis {at}" for at, name in enumerate(found))


def positive(step: Any) -> float | None:
    """Return a step between voxels, or None for one that cannot be."""
    try:
        value = float(step)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) and value > 0 else None


def _fill(found: list[str | None], places: Sequence[int], names: Sequence[str]) -> None:
    """Give axes without a name the last of those that are free."""
    free = [name for name in names if name not in found]
    nameless = [at for at in places if found[at] is None]
    count = min(len(free), len(nameless))
    pairs = zip(nameless[-count:], free[-count:], strict=True) if count else ()
    for at, name in pairs:
        found[at] = name
