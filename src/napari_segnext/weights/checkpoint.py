"""Read files of weights, ours and published ones, without trusting them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from napari_segnext.models import ModelConfig, architecture_of, build_model
from napari_segnext.models.library import MissingLibrary
from napari_segnext.models.limits import few_parameters
from napari_segnext.models.reference import config_from_reference
from napari_segnext.weights.errors import WeightsError, in_short

Shapes = dict[str, tuple[int, ...]]

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a file of weights holds: tensors that fit a configuration."""

    config: ModelConfig
    tensors: Mapping[str, Tensor]


def expected_shapes(config: ModelConfig) -> Shapes:
    """Return the name and shape of every tensor of a model, without making it.

    Raises
    ------
    ValueError
        If there is no model with such a configuration; its kind `MissingLibrary` if
        that runs in a library which is not installed.
    ImportError
        If a package that it needs cannot be imported.
    """
    # Here, so that a package that does not work is not told as the file's fault.
    architecture_of(config)
    try:
        with torch.device("meta"), few_parameters():
            model = build_model(config)
    except MissingLibrary:
        raise
    # The numbers come from a file: any of them can break any line of a builder.
    except Exception as error:
        said = in_short(error)
        raise ValueError(f"no model can be built from it: {said}") from error
    return {name: tuple(t.shape) for name, t in model.state_dict().items()}


def read_checkpoint(path: Path) -> Checkpoint:
    """Read and check a file; its content tells the kind, not its name.

    Parameters
    ----------
    path
        Our ``.safetensors``, a ``.pth`` as SegNext's authors publish them, or a
        ``.safetensors`` of SAM, HQ-SAM or SAM 2 made for the library transformers.
        Nothing that a file names is imported or run.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    WeightsError
        If it is not such a file, is damaged, or its tensors are not those of the
        model that it describes.
    MissingLibrary, ImportError
        If the model runs in a library that is not installed, or does not work.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(b"PK"):
        checkpoint = _read_published(path)
    elif head[8:9] == b"{":
        checkpoint = _read_safetensors(path)
    else:
        raise WeightsError(f"{path} {_what_else(head)}")
    _check_kinds(path, checkpoint.tensors)
    found = _shapes_of(checkpoint.tensors)
    check_shapes(path, found, expected_shapes_of(path, checkpoint.config))
    _check_values(path, checkpoint.tensors)
    return checkpoint


def expected_shapes_of(path: Path, config: ModelConfig) -> Shapes:
    """Return `expected_shapes`, blaming the file if there are none."""
    try:
        return expected_shapes(config)
    except MissingLibrary:
        raise
    except ValueError as error:
        raise WeightsError(
            f"{path} describes a model unknown to this version of napari-segnext "
            f"({error}); update the package, or use another file"
        ) from error


def check_shapes(path: Path, found: Shapes, wanted: Shapes) -> None:
    """Raise `WeightsError` unless tensors have the names and shapes wanted."""
    faults = {
        "missing": [name for name in wanted if name not in found],
        "unknown": [name for name in found if name not in wanted],
        "of another shape": [
            f"{name} {found[name]} instead of {wanted[name]}"
            for name in wanted
            if name in found and found[name] != wanted[name]
        ],
    }
    listed = [
        f"{len(names)} {fault} ({names[0]}{', ...' if names[1:] else ''})"
        for fault, names in faults.items()
        if names
    ]
    if listed:
        raise WeightsError(
            f"{path} does not fit its model: of {len(wanted)} tensors, "
            f"{'; '.join(listed)}. It belongs to another model or version"
        )


def _shapes_of(tensors: Mapping[str, Tensor]) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _check_kinds(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Raise `WeightsError` unless all are plain, and hold no more than the file does.

    A few bytes can be seen as a tensor of any size.
    """
    announced = 0
    for name, tensor in tensors.items():
        plain = tensor.layout == torch.strided and tensor.device.type == "cpu"
        if not plain or tensor.dtype not in _DTYPES:
            raise WeightsError(
                f"{path}: {in_short(name)} is stored as {tensor.dtype}, "
                f"{tensor.layout}, which no model here uses. Use another file"
            )
        announced += tensor.numel() * tensor.element_size()
    size = path.stat().st_size
    if announced > size:
        raise WeightsError(
            f"{path} announces {announced} bytes of tensors and is {size} bytes long: "
            "it is damaged or made to mislead. Use another file"
        )


def _check_values(path: Path, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise WeightsError(
                f"{path} is damaged or its training failed: {name} holds NaN or "
                "infinity. Use another file"
            )


def _what_else(head: bytes) -> str:
    if not head:
        return "is empty; fetch it again"
    if head.lstrip()[:1] == b"<":
        return (
            "is a web page, not weights: the server sent a message instead of the "
            "file. Open the address in a browser and save the file by hand"
        )
    return (
        "is neither a .safetensors file nor a published .pth checkpoint; if it should "
        "be one, it is damaged: fetch it again"
    )


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            config = _own_config(path, metadata)
            if config is not None:
                shapes = {n: tuple(file.get_slice(n).get_shape()) for n in file.keys()}
                # Before anything is read.
                check_shapes(path, shapes, expected_shapes_of(path, config))
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, RuntimeError) as error:
        raise WeightsError(
            f"{path} is a damaged or incomplete .safetensors file ({error}); "
            "fetch it again"
        ) from error
    return _of_sam(path, tensors) if config is None else Checkpoint(config, tensors)


def _of_sam(path: Path, tensors: Mapping[str, Tensor]) -> Checkpoint:
    # Here, as all that is for research: when there is such a file.
    from napari_segnext.models.research.sam.published import our_names, recognise

    published = recognise(tensors)
    if published is None:
        raise WeightsError(
            f"{path} was not written by napari-segnext: its header has no model "
            "configuration, and it is no SAM, HQ-SAM or SAM 2 of a published size made "
            "for the library transformers. Of SegNext convert the published .pth file"
        )
    return Checkpoint(published, our_names(tensors))


def _own_config(path: Path, metadata: Mapping[str, str]) -> ModelConfig | None:
    if "config" not in metadata:
        return None
    try:
        return ModelConfig.from_json(metadata["config"])
    except ValueError as error:
        raise WeightsError(f"{path}: {error}; use another file") from error


def _read_published(path: Path) -> Checkpoint:
    _check_archive(path)
    try:
        # Opened here, since torch would go by the suffix of a path.
        with path.open("rb") as file:
            content = torch.load(file, map_location="cpu", weights_only=True)
    # A hostile file can make the unpickler raise anything; what it may do is
    # limited by weights_only.
    except Exception as error:
        raise WeightsError(
            f"{path} is not a checkpoint of tensors and plain values "
            f"({type(error).__name__}), and nothing else is read. Use the file that "
            "the authors publish"
        ) from error
    if not isinstance(content, dict) or not {"state_dict", "config"} <= content.keys():
        raise WeightsError(
            f"{path} is not a published SegNext checkpoint: it lacks the entries "
            "'state_dict' and 'config'. Of SAM, HQ-SAM and SAM 2 take the "
            "model.safetensors made for the library transformers"
        )
    tensors = content["state_dict"]
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(t, Tensor) for name, t in tensors.items()
    ):
        raise WeightsError(f"{path}: 'state_dict' holds other things than tensors")
    try:
        return Checkpoint(config_from_reference(content["config"]), tensors)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error


def _check_archive(path: Path) -> None:
    """Refuse what is cut short, altered (torch does not compare CRCs) or packed."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            packed = any(m.compress_type != zipfile.ZIP_STORED for m in members)
            # Members may lie on each other, and would be read again and again.
            if not packed and sum(m.file_size for m in members) > path.stat().st_size:
                raise zipfile.BadZipFile("its members overlap")
            damaged = None if packed else archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
        raise WeightsError(
            f"{path} is cut short or damaged ({error}); fetch it again"
        ) from error
    if packed:
        raise WeightsError(f"{path} is a compressed archive, not a checkpoint")
    if damaged is not None:
        raise WeightsError(f"{path} is damaged (in {damaged}); fetch it again")
