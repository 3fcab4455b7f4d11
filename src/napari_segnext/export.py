"""Labels and prompts of a session as files, without a viewer and without a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_segnext import categories
from napari_segnext.categories import Legend, Values
from napari_segnext.io import (
    Geometry,
    check_writable,
    read_image,
    write_labels,
    write_prompts,
)
from napari_segnext.journal import Saved, Subject, read_journal
from napari_segnext.session import ArrayLabels
from napari_segnext.session.exchange import exported, legend


def check_out(out: Path, overwrite: bool) -> None:
    """Check that a file may be written.

    Raises
    ------
    FileExistsError
        If the file exists and is not to be replaced.
    """
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists; choose another name or add --overwrite")


def write(
    out: Path,
    labels: Values,
    geometry: Geometry,
    names: Legend,
    semantic: bool = False,
) -> None:
    """Write labels of objects, or of their classes.

    Raises
    ------
    ValueError, OSError
        As `write_labels`, and `categories.semantic`.
    """
    if semantic:
        labels, names = categories.semantic(labels, names)
    write_labels(out, labels, geometry, names)


def export_session(
    image: Path,
    labels: Path | None,
    prompts: Path | None,
    journal: Path | None = None,
    semantic: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write what the journal of an image holds.

    Parameters
    ----------
    labels, prompts
        The files to write; None for none.
    journal
        Which one; default: the newest of the image.
    semantic
        Whether labels have the values of the objects' classes, not of the objects.

    Returns
    -------
    The journal that was read

    Raises
    ------
    ValueError, OSError
        If there is no journal of the image, it does not fit, or something cannot be
        read or written.
    """
    if labels is None and prompts is None:
        raise ValueError("say what to write: --labels, --prompts or both")
    for out in (labels, prompts):
        if out is not None:
            check_out(out, overwrite)
    if labels is not None:
        check_writable(labels)
    geometry = read_image(image).geometry
    path, saved = (
        _newest(image, geometry.shape)
        if journal is None
        else (
            journal,
            read_journal(journal),
        )
    )
    if saved.shape != geometry.shape:
        raise ValueError(
            f"{path} is about an image of shape {saved.shape}, not {geometry.shape}"
        )
    array = np.zeros(saved.shape, np.int32)
    session = saved.resume(ArrayLabels(array))
    if prompts is not None:
        write_prompts(prompts, exported(session))
    if labels is not None:
        write(labels, array, geometry, legend(session), semantic)
    return path


def _newest(image: Path, shape: tuple[int, ...]) -> tuple[Path, Saved]:
    for path in Subject(image, image.name, shape).journals():
        saved = read_journal(path)
        if saved.shape == shape and not saved.empty:
            return path, saved
    raise FileNotFoundError(
        f"there is no journal of {image}: the plugin writes one when the image was "
        "opened from this very file"
    )
