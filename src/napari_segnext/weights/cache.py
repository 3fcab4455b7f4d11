"""Where the files of the catalogue are, and which bytes they are known to hold."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pooch

from napari_segnext.weights.catalogue import CATALOGUE, Entry
from napari_segnext.weights.errors import DownloadError, WeightsError

CACHE_VARIABLE = "NAPARI_SEGNEXT_CACHE"
# What a device named "auto" is.
DEVICE_VARIABLE = "NAPARI_SEGNEXT_DEVICE"
EMBEDDINGS_VARIABLE = "NAPARI_SEGNEXT_EMBEDDINGS"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model of the catalogue, and whether its file is on this machine.

    Attributes
    ----------
    path
        Where the file is, or belongs.
    size
        Bytes: of the file if it is present, else what the catalogue says.
    """

    entry: Entry
    path: Path
    present: bool
    size: int


def cache_folder() -> Path:
    """Return the folder of downloaded files; it need not exist yet.

    The user's cache folder, or what the environment variable
    ``NAPARI_SEGNEXT_CACHE`` names.
    """
    default = Path(pooch.os_cache("napari-segnext"))
    return Path(os.environ.get(CACHE_VARIABLE) or default).expanduser()


def embeddings_folder() -> Path:
    """Return the folder in which embeddings are kept unless another one is named.

    ``embeddings`` in the folder of downloaded files, or what the environment variable
    ``NAPARI_SEGNEXT_EMBEDDINGS`` names. One folder serves all images and models.
    """
    default = cache_folder() / "embeddings"
    return Path(os.environ.get(EMBEDDINGS_VARIABLE) or default).expanduser()


def make_cache_folder() -> None:
    """Make the folder of downloaded files, if it is not there.

    Raises
    ------
    DownloadError
        If it cannot be made or written to.
    """
    folder = cache_folder()
    try:
        pooch.utils.make_local_storage(str(folder), env=CACHE_VARIABLE)
    except OSError as error:
        raise DownloadError(
            f"cannot keep files in {folder} ({error}); name another folder in the "
            f"environment variable {CACHE_VARIABLE}"
        ) from error


def path_of(entry: Entry) -> Path:
    """Return where the file of a model is, or belongs."""
    if entry.bundled:
        folder = resources.files("napari_segnext.weights") / "bundled"
        return Path(str(folder / entry.file))
    return cache_folder() / entry.file


def list_models() -> list[ModelStatus]:
    """Return the models that have a name, in the order of the catalogue."""
    return [_status(entry) for entry in CATALOGUE.values()]


def _status(entry: Entry) -> ModelStatus:
    path = path_of(entry)
    present = path.is_file()
    return ModelStatus(
        entry, path, present, path.stat().st_size if present else entry.size
    )


def entry_named(name: str) -> Entry:
    """Look a model up.

    Raises
    ------
    ValueError
        If the catalogue has no such name.
    """
    if name not in CATALOGUE:
        raise ValueError(
            f"unknown model {name!r}; known: {', '.join(CATALOGUE)}, "
            "or the path of a .safetensors or published .pth file"
        )
    return CATALOGUE[name]


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal digits."""
    return str(pooch.file_hash(str(path), alg="sha256"))


def check_digest(path: Path, published: str | None) -> bool:
    """Compare a file with the sha256 known of it.

    Parameters
    ----------
    path
        An existing file.
    published
        From the catalogue; without it, the one recorded beside the file counts.

    Returns
    -------
    False if none is known

    Raises
    ------
    WeightsError
        If the file is another one.
    """
    known = published or _recorded(path)
    if known is None:
        return False
    found = sha256_of(path)
    if found != known:
        raise WeightsError(
            f"{path} has changed or is damaged (sha256 {found}, expected {known}); "
            f"delete it to have it fetched again"
            + ("" if published else f", or delete {_beside(path)} to accept it as new")
        )
    return True


def record_digest(path: Path) -> str:
    """Write the sha256 of a file beside it, as ``sha256sum`` would, and return it."""
    digest = sha256_of(path)
    part = path.with_name(f"{path.name}.sha256.{os.getpid()}.part")
    part.write_text(f"{digest}  {path.name}\n", encoding="utf-8")
    part.replace(_beside(path))
    return digest


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _recorded(path: Path) -> str | None:
    if not _beside(path).is_file():
        return None
    words = _beside(path).read_text(encoding="utf-8", errors="replace").split()
    return words[0] if words else None
