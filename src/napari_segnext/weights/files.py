"""From a name or a file to a model that is ready, and from a model to a file."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from napari_segnext.models import SegmentationModel, build_model
from napari_segnext.models.follower import Follower
from napari_segnext.weights.cache import DEVICE_VARIABLE, path_of
from napari_segnext.weights.catalogue import FOLLOWER
from napari_segnext.weights.checkpoint import read_checkpoint
from napari_segnext.weights.errors import WeightsError, in_short
from napari_segnext.weights.obtain import download, file_of

_NO_METADATA: Mapping[str, str] = MappingProxyType({})


def load_model(
    name_or_path: str | Path, device: str = "auto", text: str | Path | None = None
) -> SegmentationModel:
    """Load a model, fetching its file first if it is not on this machine.

    Parameters
    ----------
    name_or_path
        A name of the catalogue (``"tiny"`` needs no network), or the path of our
        ``.safetensors``, of a published ``.pth``, or of a SAM, HQ-SAM or SAM 2 made
        for the library transformers: its ``model.safetensors``, or the folder of it.
    device
        ``"auto"`` takes cuda, else mps, else cpu; otherwise a name that torch knows.
    text
        For a model that understands phrases, the folder of the CLIP that it was
        trained with; without it the model takes all other prompts.

    Returns
    -------
    in evaluation mode, float32 whatever the file's precision

    Raises
    ------
    TypeError
        If it is neither a name nor a path.
    ValueError
        If name or device are unknown, or the CLIP is not for the model; its kind
        `WeightsError` if the file cannot be used.
    OSError
        If there is no such file; its kind `DownloadError` if it cannot be fetched.
    """
    if not isinstance(name_or_path, str | os.PathLike):
        raise TypeError(
            "a model is loaded by a name, such as 'tiny', or from a file, not by "
            f"{name_or_path!r}"
        )
    place = choose_device(device)
    path = file_of(name_or_path) or download(str(name_or_path))
    checkpoint = read_checkpoint(path)
    model = build_model(checkpoint.config).float()
    try:
        model.load_state_dict(checkpoint.tensors)
    except RuntimeError as error:
        raise WeightsError(
            f"{path} does not fit its model: {in_short(error)}"
        ) from error
    if text is not None:
        model.use_clip_in(Path(text).expanduser())
    return model.eval().to(place)


@cache
def load_follower(device: str = "auto") -> Follower:
    """Load the bundled model that follows objects from plane to plane.

    Parameters and errors are those of `load_model`. It is loaded once.
    """
    model = load_model(path_of(FOLLOWER), device)
    assert isinstance(model, Follower)
    return model


def choose_device(device: str = "auto") -> torch.device:
    """Turn a device's name into a device of this machine.

    Parameters
    ----------
    device
        A name that torch knows. ``"auto"`` is what the environment variable
        ``NAPARI_SEGNEXT_DEVICE`` names, else cuda, else mps, else cpu.

    Raises
    ------
    ValueError
        If there is no such device here.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if device == "auto":
        device = os.environ.get(DEVICE_VARIABLE) or device
    if device == "auto":
        found = (name for name, is_there in available.items() if is_there)
        return torch.device(next(found, "cpu"))
    try:
        place = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"unknown device {device!r}; use auto, cpu, cuda, cuda:1, ... or mps"
        ) from error
    if place.type in available and not available[place.type]:
        raise ValueError(f"device {device!r} is not on this machine; use auto or cpu")
    return place


def save_model(
    model: SegmentationModel,
    path: Path,
    metadata: Mapping[str, str] = _NO_METADATA,
    half: bool = False,
) -> None:
    """Write a model as ``.safetensors``, in one step.

    Parameters
    ----------
    path
        Replaced if it exists, and only when the new file is whole.
    metadata
        What else the header shall say; ``"config"`` is the model's own.
    half
        Store floating-point tensors in half precision: half the size.

    Raises
    ------
    ValueError
        If `metadata` has a ``"config"``, or a value does not fit half precision.
    OSError
        If the file cannot be written; what was there before is untouched.
    """
    if "config" in metadata:
        raise ValueError("metadata must not hold 'config': the model's own goes there")
    header = {**metadata, "config": model.config.to_json()}
    tensors = {
        name: (_halved(name, t) if half and t.is_floating_point() else t)
        .detach()
        .cpu()
        .contiguous()
        for name, t in model.state_dict().items()
    }
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        # safetensors makes files that nobody else can read; this one is as usual.
        part.touch()
        mode = part.stat().st_mode
        save_file(tensors, part, header)
        part.chmod(mode)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except SafetensorError as error:
        raise OSError(errno.EIO, f"cannot write the model: {error}", path) from error
    finally:
        part.unlink(missing_ok=True)


def _halved(name: str, tensor: Tensor) -> Tensor:
    halved = tensor.half()
    if not torch.isfinite(halved).all():
        raise ValueError(f"{name} has values too large for half precision; save whole")
    return halved


def convert(source: Path, destination: Path, half: bool = False) -> None:
    """Turn a published ``.pth`` (or one of our files) into our ``.safetensors``.

    Parameters
    ----------
    source
        Read as `load_model` reads it.
    destination
        Must not exist yet.
    half
        Store in half precision.

    Raises
    ------
    FileExistsError
        If `destination` exists.
    ValueError, OSError
        As `load_model` and `save_model` do.
    """
    if destination.suffix != ".safetensors":
        raise ValueError(f"{destination} must end in .safetensors")
    if destination.exists():
        raise FileExistsError(f"{destination} exists; choose another name or delete it")
    model = load_model(source, device="cpu")
    save_model(model, destination, {"converted_from": source.name}, half)
