"""Names of units as files write them, and as napari wants them."""

from __future__ import annotations

UNKNOWN = "pixel"

_MILLIMETRES = {
    "m": 1e3,
    "cm": 10.0,
    "mm": 1.0,
    "um": 1e-3,
    "nm": 1e-6,
    "angstrom": 1e-7,
    "inch": 25.4,
}
_TIMES = ("s", "ms", "us")
_NAMES = {
    "m": ("meter", "metre"),
    "cm": ("centimeter", "centimetre"),
    "mm": ("millimeter", "millimetre"),
    "um": ("micrometer", "micrometre", "micron", "µm", "μm", r"\u00b5m"),
    "nm": ("nanometer", "nanometre"),
    "angstrom": ("å", "ångström", "a"),
    "inch": ("in", "inches"),
    "s": ("second", "sec"),
    "ms": ("millisecond", "msec"),
    "us": ("microsecond", "usec"),
}
_KNOWN = {name: unit for unit, names in _NAMES.items() for name in (unit, *names)}


def unit_name(text: str | None) -> str:
    """Return the short name of a unit; ``"pixel"`` for none or an unknown one.

    Examples
    --------
    >>> unit_name("microns"), unit_name("Millimeter"), unit_name("")
    ('um', 'mm', 'pixel')
    """
    name = (text or "").strip().lower()
    return _KNOWN.get(name) or _KNOWN.get(name.removesuffix("s"), UNKNOWN)


def millimetres(unit: str) -> float:
    """Return how many millimetres a unit is; 1 for one that is not a length."""
    return _MILLIMETRES.get(unit, 1.0)


def is_length(unit: str) -> bool:
    """Tell whether a unit is one of length."""
    return unit in _MILLIMETRES


def is_time(unit: str) -> bool:
    """Tell whether a unit is one of time."""
    return unit in _TIMES
