"""The models known by name: what they are, where they come from, on what terms."""

from __future__ import annotations

from dataclasses import dataclass

_MIT = "MIT (code), declared by the authors; the weights carry no licence of their own"
_MAE = (
    "Training started from MAE weights: facebookresearch/mae publishes them as "
    "CC BY-NC 4.0, a mirror says Apache-2.0. Ask before commercial use."
)
_HQ = " HQSeg-44K, used for fine-tuning, has parts of non-commercial or mixed terms."


def _train(name: str, needs: str) -> str:
    return (
        "nobody has published trained weights of it; make them with "
        f"`napari-segnext train --model {name} --out DIR{needs}`"
    )


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
    unpublished
        Why there is no file to fetch, and how to make one; empty if there is.
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
    unpublished: str = ""

    @property
    def bundled(self) -> bool:
        """Whether the file comes with the package."""
        return self.url is None and not self.unpublished


def _drive(identifier: str) -> str:
    return f"https://drive.google.com/file/d/{identifier}/view"


_ENTRIES = (
    Entry(
        "tiny",
        "Small convolutional encoder, for a laptop without a GPU",
        "tiny.safetensors",
        size=5_590_808,
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
        unpublished=_train("ois-tiny", " --data DATA"),
    ),
    Entry(
        "ois-small",
        "OIS on Depth Anything V2 Small, 1022 pixels; no trained weights published",
        "ois-small.safetensors",
        size=113_700_000,
        licence="Apache-2.0 (Depth Anything V2 Small)",
        unpublished=_train("ois-small", " --start depth_anything_v2_vits.pth"),
    ),
    Entry(
        "ois-base",
        "OIS on Depth Anything V2 Base, as in its paper; no trained weights published",
        "ois-base.safetensors",
        size=435_400_000,
        licence="CC BY-NC 4.0 (Depth Anything V2 Base): not for commercial use",
        unpublished=_train("ois-base", " --start depth_anything_v2_vitb.pth"),
    ),
    Entry(
        "tiny-ref",
        "tiny with the refiner of SAM-REF behind it; no trained weights yet",
        "tiny-ref.safetensors",
        size=5_730_000,
        licence="BSD-3-Clause (code)",
        unpublished=_train("tiny-ref", " --data DATA"),
    ),
    Entry(
        "vitb-sa2-ref",
        "vitb-sa2 with the refiner of SAM-REF behind it; no trained weights published",
        "vitb-sa2-ref.safetensors",
        size=457_700_000,
        licence=_MIT,
        caveat=_MAE,
        unpublished=_train("vitb-sa2-ref", " --dataset COCOLVIS --data DATA"),
    ),
)

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}
