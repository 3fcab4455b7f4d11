"""The models known by name: what they are, where they come from, on what terms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_MIT = "MIT (code), declared by the authors; the weights carry no licence of their own"
_MAE = (
    "Training started from MAE weights: facebookresearch/mae publishes them as "
    "CC BY-NC 4.0, a mirror says Apache-2.0. Ask before commercial use."
)
_HQ = " HQSeg-44K, used for fine-tuning, has parts of non-commercial or mixed terms."

_TOLD = " --dataset phrases --data DATA --text CLIP_FOLDER"


def _train(name: str, needs: str) -> str:
    return f"napari-segnext train --model {name} --out DIR{needs}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the catalogue.

    Attributes
    ----------
    name
        What `load_model` takes.
    file
        Name of the file, in the cache or among the bundled ones.
    size
        Bytes; approximate where the publisher gives no exact number.
    licence, caveat
        Terms of use, and what is unclear about them.
    url
        Where the file is fetched from; None for a file inside the package.
    reference
        Name for `napari_segnext.models.reference.reference_config`, which gives
        the keys and shapes that the file must have; None for one of our own files,
        which says itself what it holds.
    sha256
        As published; None where nothing is.
    training
        The command that makes its file, where nobody has published one; else empty.
    in_transformers
        Whether it runs in the library transformers, which need not be installed.
    """

    name: str
    description: str
    file: str
    size: int
    licence: str
    caveat: str = ""
    url: str | None = None
    reference: str | None = None
    sha256: str | None = None
    training: str = ""
    in_transformers: bool = False

    @property
    def unpublished(self) -> str:
        """Why there is no file to fetch, and how to make one; empty if there is."""
        if not self.training:
            return ""
        return (
            "nobody has published trained weights of it; make them with "
            f"`{self.training}`"
        )

    @property
    def bundled(self) -> bool:
        """Whether the file comes with the package."""
        return self.url is None and not self.unpublished


def _drive(identifier: str) -> str:
    return f"https://drive.google.com/file/d/{identifier}/view"


def _sam(name: str, description: str, repository: str, megabytes: float) -> Entry:
    """Describe a model of SAM's family, in the file made for transformers."""
    return Entry(
        name,
        description,
        f"{name}.safetensors",
        size=round(megabytes * 1e6),
        licence="Apache-2.0",
        url=f"https://huggingface.co/{repository}/resolve/main/model.safetensors",
        reference=name,
        in_transformers=True,
    )


_ENTRIES = (
    Entry(
        "tiny",
        "Small convolutional encoder, for a laptop without a GPU",
        "tiny.safetensors",
        size=5_590_640,
        licence="BSD-3-Clause",
        caveat="trained on data sets that ask for attribution (CC BY): see its card",
    ),
    Entry(
        "vitb-sa1",
        "SegNext, ViT-B at 1024 pixels, one self-attention block, COCO + LVIS",
        "vitb_sa1_cocolvis_epoch_90.pth",
        size=426_900_000,
        licence=_MIT,
        caveat=_MAE,
        url=_drive("1G_m9_sVYVD2MBDf5ulrAUz-iSvi8bQfZ"),
        reference="vitb-sa1",
    ),
    Entry(
        "vitb-sa2",
        "SegNext, ViT-B at 1024 pixels, two self-attention blocks, COCO + LVIS",
        "vitb_sa2_cocolvis_epoch_90.pth",
        size=455_300_000,
        licence=_MIT,
        caveat=_MAE,
        url=_drive("1uHEcvwA2spsLQqDJiYKqv1pf3vgLAG7-"),
        reference="vitb-sa2",
    ),
    Entry(
        "vitb-sa2-hq",
        "vitb-sa2 fine-tuned on HQSeg-44K",
        "vitb_sa2_cocolvis_hq44k_epoch_0.pth",
        size=455_300_000,
        licence=_MIT,
        caveat=_MAE + _HQ,
        url=_drive("1qkXIvxnlY3Z4xLYGWJcoAHBUNyDmvwPS"),
        reference="vitb-sa2-hq",
    ),
    Entry(
        "ois-tiny",
        "OIS with the encoder of tiny: order-aware prompts; no trained weights yet",
        "ois-tiny.safetensors",
        size=5_650_000,
        licence="BSD-3-Clause (code)",
        training=_train("ois-tiny", " --data DATA"),
    ),
    Entry(
        "ois-small",
        "OIS on Depth Anything V2 Small, 1022 pixels; no trained weights published",
        "ois-small.safetensors",
        size=113_700_000,
        licence="Apache-2.0 (Depth Anything V2 Small)",
        training=_train("ois-small", " --start depth_anything_v2_vits.pth"),
    ),
    Entry(
        "ois-base",
        "OIS on Depth Anything V2 Base, as in its paper; no trained weights published",
        "ois-base.safetensors",
        size=435_400_000,
        licence="CC BY-NC 4.0 (Depth Anything V2 Base): not for commercial use",
        training=_train("ois-base", " --start depth_anything_v2_vitb.pth"),
    ),
    Entry(
        "tiny-ref",
        "tiny with the refiner of SAM-REF behind it; no trained weights yet",
        "tiny-ref.safetensors",
        size=5_730_000,
        licence="BSD-3-Clause (code)",
        training=_train("tiny-ref", " --data DATA"),
    ),
    Entry(
        "vitb-sa2-ref",
        "vitb-sa2 with the refiner of SAM-REF behind it; no trained weights published",
        "vitb-sa2-ref.safetensors",
        size=457_700_000,
        licence=_MIT,
        caveat=_MAE,
        training=_train("vitb-sa2-ref", " --dataset COCOLVIS --data DATA"),
    ),
    Entry(
        "text-tiny",
        "tiny that understands phrases too, with a CLIP of yours; no trained weights",
        "text-tiny.safetensors",
        size=6_040_000,
        licence="BSD-3-Clause (code)",
        training=_train("text-tiny", _TOLD),
    ),
    Entry(
        "text-vitb-sa2",
        "vitb-sa2 that understands phrases, with a CLIP of yours; no trained weights",
        "text-vitb-sa2.safetensors",
        size=461_000_000,
        licence=_MIT,
        caveat=_MAE,
        training=_train("text-vitb-sa2", _TOLD),
    ),
    _sam("sam-vitb", "SAM, ViT-B at 1024 pixels", "facebook/sam-vit-base", 375),
    _sam("sam-vitl", "SAM, ViT-L at 1024 pixels", "facebook/sam-vit-large", 1249.5),
    _sam("sam-vith", "SAM, ViT-H at 1024 pixels", "facebook/sam-vit-huge", 2564.5),
    _sam("sam-hq-vitb", "HQ-SAM, ViT-B", "syscv-community/sam-hq-vit-base", 379.3),
    _sam("sam-hq-vitl", "HQ-SAM, ViT-L", "syscv-community/sam-hq-vit-large", 1254.8),
    _sam("sam-hq-vith", "HQ-SAM, ViT-H", "syscv-community/sam-hq-vit-huge", 2570.9),
    _sam("sam2-tiny", "SAM 2.1 for images, Hiera-T", "facebook/sam2.1-hiera-tiny", 156),
    _sam(
        "sam2-small",
        "SAM 2.1 for images, Hiera-S",
        "facebook/sam2.1-hiera-small",
        184.3,
    ),
    _sam(
        "sam2-base-plus",
        "SAM 2.1 for images, Hiera-B+",
        "facebook/sam2.1-hiera-base-plus",
        323.5,
    ),
    _sam(
        "sam2-large", "SAM 2.1 for images, Hiera-L", "facebook/sam2.1-hiera-large", 898
    ),
    Entry(
        "sam-vitb-ref",
        "sam-vitb with the refiner of SAM-REF behind it; no trained weights published",
        "sam-vitb-ref.safetensors",
        size=377_000_000,
        licence="Apache-2.0 (SAM)",
        training=_train("sam-vitb-ref", " --dataset COCOLVIS --data DATA"),
        in_transformers=True,
    ),
)

# Not among the models to choose: it answers no prompts.
FOLLOWER = Entry(
    "follower",
    "Follows objects from plane to plane, on the embeddings of tiny",
    "follower.safetensors",
    size=6_242_816,
    licence="BSD-3-Clause",
    caveat="trained on data sets that ask for attribution (CC BY): see its card",
)

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}


def model_label(model: str) -> str:
    """Return what a model, by name or file, is called on screen.

    Trainings, and the library transformers, call every file ``model.safetensors``: its
    folder tells which one it is.
    """
    path = Path(model)
    return Path(*path.parts[-2:]).as_posix() if path.stem == "model" else path.name
