"""How each model is trained: its configuration, its data, its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_segnext import evaluation
from napari_segnext.models import ModelConfig, SegmentationModel, Tiling
from napari_segnext.models.reference import reference_config
from napari_segnext.prompts import PromptStyle
from napari_segnext.training.crops import around_object, padded_image, whole_image
from napari_segnext.training.data import Crop, Source
from napari_segnext.training.named import named_objects
from napari_segnext.training.phrases import PHRASES, NamedImages, read_phrases
from napari_segnext.training.sources import (
    Archive,
    DataSet,
    archives_in,
    generated_em,
    generated_mri,
    repeated,
    superpixels,
)
from napari_segnext.training.starts import (
    load_alike,
    load_base,
    load_base_of_follower,
    load_imagenet_encoder,
    require_depth_anything,
)

# Architectures of models that understand phrases, and of what follows objects.
TEXT, FOLLOWER = "text", "follower"
# Weight in the mixture of the bundled model: of the labels, and of superpixels of the
# same images.
ARCHIVES = {
    "fib25_medulla_neurons": (0.14, 0.05),
    "axondeepseg_sem_rat": (0.06, 0.04),
    "dsb2018_nuclei": (0.09, 0.02),
    "synthseg_synthetic_brains": (0.13, 0.0),
    "figshare_brain_tumour_t1ce": (0.07, 0.02),
    "sunnybrook_cardiac_lv": (0.04, 0.02),
    "sct_spinalcord": (0.02, 0.0),
    "fib25_mitochondria": (0.15, 0.0),
    "open_ms_lesions": (0.05, 0.0),
    "soop_stroke_flair": (0.02, 0.0),
    "brain_tumor_progression_t1ce": (0.05, 0.0),
    "tem_optic_nerve_axons": (0.03, 0.0),
    "tem_optic_nerve_mitochondria": (0.03, 0.0),
}
GENERATED = {"generated_em": 0.22, "generated_mri": 0.14}
# Different slices of each kind that takes long to draw.
GENERATED_COUNT = 500
SUPERPIXEL_COUNT = 200

_TINY = ModelConfig(
    "tiny",
    256,
    resize="pad",
    window="percentile",
    style=PromptStyle(radius=3),
    tiling=Tiling(),
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is trained.

    Attributes
    ----------
    config
        Of the model.
    options
        What differs from the defaults of `napari_segnext.training.loop.Options`.
    crop
        How samples are cut out of images.
    start
        Gives the untrained model its first weights, if it does not start at random.
    frozen
        Beginnings of the names of parameters that stay as they are.
    """

    config: ModelConfig
    options: Mapping[str, Any] = field(default_factory=dict)
    crop: Crop = around_object
    start: Callable[[SegmentationModel], None] | None = None
    frozen: tuple[str, ...] = ()


def _vit_base(name: str) -> Recipe:
    """Follow the published recipe of a ViT-B model.

    Adam at 5e-5, focal loss alone, up to three corrections, 100 epochs of 30,000
    images on four processes; the rate falls linearly over the second half instead of
    twice by ten.
    """
    options = {
        "steps": 250_000,
        "size": 1024,
        "images": 3,
        "objects": 1,
        "corrections": 3,
        "rate": 5e-5,
        "encoder_rate": 5e-5,
        "weight_decay": 0.0,
        "decay": 0.5,
        "dice": 0.0,
        "averaging": 0.999,
    }
    return Recipe(reference_config(name), options, whole_image)


def _refined(
    name: str, base: Recipe, options: Mapping[str, Any], **arch: Any
) -> Recipe:
    """Train a refiner behind a model of the catalogue, which stays as it is."""
    parts = {"base": base.config.architecture, "base_arch": base.config.arch, **arch}
    return replace(
        base,
        config=replace(base.config, architecture="sam-ref", arch=parts),
        options={**base.options, **options},
        start=load_base(name),
        frozen=(),
    )


def _with_text(name: str, base: Recipe, frozen: tuple[str, ...], **arch: Any) -> Recipe:
    """Teach a model of the catalogue to understand phrases; its encoder is frozen."""
    parts = {"base": base.config.architecture, "base_arch": base.config.arch, **arch}
    return replace(
        base,
        config=replace(base.config, architecture=TEXT, arch=parts),
        crop=named_objects(base.config.resize, 0.7 if base.config.tiling else 1.0),
        start=load_base(name),
        frozen=tuple(f"base.{part}" for part in frozen),
    )


def _ois(**arch: Any) -> Recipe:
    """Follow the paper: Adam, focal loss alone, 15 epochs of 44,320 images.

    It does not state the learning rate; the encoder is frozen.
    """
    config = ModelConfig("ois", 1022, arch=arch)
    options = {
        "steps": 110_800,
        "size": 1022,
        "images": 6,
        "objects": 1,
        "corrections": 3,
        "rate": 1e-4,
        "weight_decay": 0.0,
        "dice": 0.0,
        "averaging": 0.999,
    }
    return Recipe(config, options, whole_image, require_depth_anything)


_TINY_RECIPE = Recipe(
    _TINY,
    {
        "size": 192,
        "images": 3,
        "corrections": 7,
        "rate": 1.5e-3,
        "encoder_rate": 3e-4,
        "averaging": 0.998,
        "decay": 0.7,
    },
    start=load_imagenet_encoder,
    # The first stages see edges and blobs, in EM as in photographs, and are the
    # dearest to train.
    frozen=tuple(
        f"encoder.{part}" for part in ("conv_stem", "bn1", "blocks.0.", "blocks.1.")
    ),
)

RECIPES = {
    # It has learned enough before to gain by all of its encoder and many answers.
    "tiny": replace(
        _TINY_RECIPE,
        # Measured for the bundled model alone, see docs/models/tiny.md.
        config=replace(_TINY, looks=2),
        options={
            **_TINY_RECIPE.options,
            "corrections": 15,
            "answers": 5,
            "click": 0.2,
        },
        frozen=(),
    ),
    # What it shares with `tiny`, encoder and decoder, is trained already.
    "ois-tiny": replace(
        _TINY_RECIPE,
        config=replace(_TINY, architecture="ois-tiny"),
        start=load_alike("tiny"),
    ),
    "follower": Recipe(
        replace(_TINY, architecture=FOLLOWER),
        {"size": 192, "images": 3, "rate": 1e-3, "averaging": 0.998, "decay": 0.8},
        start=load_base_of_follower,
        frozen=("encoder.", "lateral."),
    ),
    "ois-small": _ois(),
    "ois-base": _ois(
        embed_dim=768, num_heads=12, channels=[96, 192, 384, 768], width=128
    ),
    "tiny-ref": _refined(
        "tiny", _TINY_RECIPE, {}, levels={"stride4": 32, "stride16": 128}, width=16
    ),
    # The paper takes 80,000 steps; its learning rate is not known.
    "vitb-sa2-ref": _refined(
        "vitb-sa2",
        _vit_base("vitb-sa2"),
        {"steps": 80_000, "rate": 5e-4, "dice": 1.0},
        levels={"image": 768},
    ),
    # The paper's own base, which it fine-tunes first.
    "sam-vitb-ref": _refined(
        "sam-vitb",
        replace(
            _vit_base("vitb-sa2"),
            config=reference_config("sam-vitb"),
            crop=padded_image,
        ),
        {"steps": 80_000, "rate": 5e-4, "dice": 1.0},
        levels={"image": 256},
    ),
    "text-tiny": _with_text(
        "tiny", _TINY_RECIPE, ("encoder.",), levels=[("stride8", 64), ("stride16", 128)]
    ),
    "text-vitb-sa2": _with_text(
        "vitb-sa2",
        _vit_base("vitb-sa2"),
        ("backbone.",),
        levels=[("image", 768)],
        channels=256,
    ),
    # Learns the features of `tiny` first, with `napari-segnext distil`.
    "small": Recipe(
        replace(
            _TINY,
            architecture="segnext",
            size=128,
            arch={
                "patch_size": 8,
                "embed_dim": 192,
                "depth": 6,
                "num_heads": 6,
                "fusion_depth": 2,
                "neck_channels": [32, 64, 128, 256],
                "head_channels": 64,
            },
        ),
        {"size": 128, "objects": 3, "rate": 1e-3, "averaging": 0.995},
    ),
    **{name: _vit_base(name) for name in ("vitb-sa1", "vitb-sa2")},
}


def bundled_mixture(folder: Path | None) -> dict[str, tuple[Source, float]]:
    """Return the sources of the bundled model.

    Parameters
    ----------
    folder
        Holds the ``.npz`` files named in `ARCHIVES`; None trains on
        generated images alone.

    Raises
    ------
    FileNotFoundError
        If one of the files is missing.
    """
    sources = {
        "generated_em": repeated(generated_em, GENERATED_COUNT, seed=1),
        "generated_mri": repeated(generated_mri, GENERATED_COUNT, seed=2),
    }
    weights = dict(GENERATED)
    if folder is not None:
        paths = archives_in(folder, ARCHIVES)
        for name, (labels, pixels) in ARCHIVES.items():
            sources[name], weights[name] = Archive(paths[name]), labels
            if pixels:
                other = f"{name}_superpixels"
                drawn = superpixels(sources[name])
                sources[other] = repeated(drawn, SUPERPIXEL_COUNT, seed=3)
                weights[other] = pixels
    return {name: (source, weights[name]) for name, source in sources.items()}


def data_set(
    layout: str, folder: Path, config: ModelConfig
) -> dict[str, tuple[Source, float]]:
    """Return the training images of a data set as the only source.

    Parameters
    ----------
    layout
        ``"COCOLVIS"``, ``"HQSeg44K"`` or ``"pairs"``; see
        `napari_segnext.evaluation.datasets`. Or ``"phrases"``; see
        `napari_segnext.training.phrases`.

    Raises
    ------
    ValueError
        If the layout has no training images.
    OSError
        If nothing is found.
    """
    if layout == PHRASES:
        return {layout: (NamedImages(read_phrases(folder), config.window), 1.0)}
    samples = evaluation.load_dataset(layout, folder, split="train")
    return {layout: (DataSet(samples, config.window), 1.0)}
