"""The library transformers, which the models of SAM's family run in, if it is there."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from napari_segnext.models.library import MissingLibrary, import_library

_INSTALL = "install it with: pip install 'napari-segnext[sam]'"


def require_transformers() -> None:
    """Check that the library is installed, without importing it.

    Raises
    ------
    MissingLibrary
        If it is not.
    """
    if find_spec("transformers") is None:
        raise MissingLibrary(
            f"SAM, HQ-SAM and SAM 2 need the library transformers; {_INSTALL}"
        )


def from_transformers(name: str) -> Any:
    """Return a class of the library, which is imported with the first one.

    Raises
    ------
    MissingLibrary
        If the library is not installed, or too old to have it.
    """
    require_transformers()
    library = import_library("transformers")
    try:
        found = getattr(library, name, None)
    # It imports what a class needs when it is asked for, and tells it in many lines.
    except (ImportError, RuntimeError) as error:
        said = (str(error).strip().splitlines() or [""])[0]
        raise MissingLibrary(
            f"{name} of the library transformers cannot be imported ({said[:160]}): "
            "it does not fit torch and torchvision; install all three anew, with: "
            "pip install --upgrade --force-reinstall transformers torch torchvision"
        ) from error
    if found is None:
        raise MissingLibrary(
            f"the library transformers on this machine is too old for {name}; "
            f"{_INSTALL}"
        )
    return found
