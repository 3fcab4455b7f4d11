"""Importing what models run in, and saying what to do where that fails."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType, TracebackType

_OWN = __name__.split(".", 1)[0]
# Their versions must fit each other.
_TOGETHER = {"torch": "torch torchvision", "torchvision": "torch torchvision"}
_LONGEST = 160


class MissingLibrary(ValueError):
    """A model runs in a library that is not installed; the message says which."""


def import_library(name: str) -> ModuleType:
    """Import a module.

    Raises
    ------
    ImportError
        If it, or what it imports, cannot be imported: the message names the package
        that fails and says how to mend it.
    """
    try:
        return import_module(name)
    # One that does not fit another raises whatever the misfit leads to.
    except Exception as error:
        package = _package_of(error) or name.split(".", 1)[0]
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ImportError(
            f"the package {package} cannot be imported ({said[:_LONGEST]}): it is "
            "missing or does not fit the others; install it anew, with: pip install "
            f"--upgrade --force-reinstall {_TOGETHER.get(package, package)}",
            name=package,
        ) from error


def _package_of(error: BaseException) -> str | None:
    """Return the package that an import failed in; None if it is not known."""
    while error.__cause__ is not None:
        error = error.__cause__
    name = error.name if isinstance(error, ImportError) else None
    package = (name or _last_imported(error.__traceback__) or "").split(".", 1)[0]
    return package if package != _OWN else None


def _last_imported(at: TracebackType | None) -> str | None:
    """Return the module that was being executed when an error was raised."""
    found = None
    while at is not None:
        if at.tb_frame.f_code.co_name == "<module>":
            found = at.tb_frame.f_globals.get("__name__")
        at = at.tb_next
    return found
