"""Take `tiny` apart: what its encoder and each of its parts are worth.

Every variant begins with the weights of `tiny`, as far as it has the same tensors, and
is trained for the same steps on the same data with the same seed; its mean IoU after
some clicks is shown beside that of `tiny`, trained on likewise. What replaces an
encoder starts at random, or with ImageNet's weights. An interrupted run goes on where
it was. Needs the extra ``train``.

    python -m benchmarks.parts --data DATA --validation SET --out DIR --steps 300

============  ==================================================================
own           `tiny`
stride 16     prompts are seen at the coarsest scale alone, as in SegNext
no previous   the mask before is not fed back
no attention  no self-attention
no detail     no correction at full resolution
radius 1      smaller disks
radius 6      larger disks
imagenet      an EfficientNet-Lite0 with ImageNet's weights
lite0         the same, starting at random
mobilevit     MobileViT-XXS, convolutions and attention, starting at random
vit           a plain ViT of six blocks and 16 x 16 patches, starting at random
============  ==================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import timm
import torch
import typer
from benchmarks.ois import compare
from rich.console import Console
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from napari_segnext import load_model
from napari_segnext.models import ModelConfig, SegmentationModel
from napari_segnext.models.base import Features
from napari_segnext.models.tiny import Detail, PromptPyramid, Tiny
from napari_segnext.training.clicks import Trainer
from napari_segnext.training.recipes import RECIPES, bundled_mixture
from napari_segnext.training.starts import load_imagenet_encoder
from napari_segnext.training.train import options_of

# A second look at first clicks would only hide what the parts are worth.
CONFIG = replace(RECIPES["tiny"].config, looks=1)
_WIDTHS = (16, 32, 64, 128)


class CoarsePrompts(PromptPyramid):
    """Prompts that are seen at the coarsest stride alone."""

    def forward(self, dense: Tensor) -> list[Tensor]:
        """Return zeros for the finer strides."""
        *finer, coarsest = super().forward(dense)
        return [*(0 * each for each in finer), coarsest]


class BlindDetail(Detail):
    """A correction at full resolution that does not see the prompts."""

    def forward(self, image: Tensor, dense: Tensor, fused: Tensor) -> Tensor:
        """Return what to add to the logits."""
        return super().forward(image, 0 * dense, fused)


class NoDetail(Detail):
    """No correction at full resolution."""

    def forward(self, image: Tensor, dense: Tensor, fused: Tensor) -> Tensor:
        """Return zeros: (B, 1, S, S)."""
        return torch.zeros_like(dense[:, :1])


class Forgetful(Tiny):
    """`tiny` that does not see what it answered before."""

    def mask_logits(self, features: Features, dense: Tensor) -> Tensor:
        """Fuse without the channel of the previous mask."""
        return super().mask_logits(
            features, dense * dense.new_tensor([0, 1, 1])[:, None, None]
        )


class PlainViT(nn.Module):
    """A plain ViT whose tokens each give their patch at strides 2, 4, 8 and 16."""

    def __init__(self, width: int = 192, depth: int = 6) -> None:
        super().__init__()
        self.vit = VisionTransformer(
            img_size=256,
            patch_size=16,
            embed_dim=width,
            depth=depth,
            num_heads=width // 64,
            num_classes=0,
            global_pool="",
            class_token=False,
            dynamic_img_size=True,
        )
        self.scales = nn.ModuleList(
            nn.ConvTranspose2d(width, w, s, s)
            for w, s in zip(_WIDTHS, (8, 4, 2, 1), strict=True)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return four maps, finest first."""
        count, _, height, width = images.shape
        tokens = self.vit.forward_features(images).transpose(1, 2)
        tokens = tokens.reshape(count, -1, height // 16, width // 16)
        return [scale(tokens) for scale in self.scales]


class OtherEncoder(Tiny):
    """`tiny` behind an encoder that starts at random.

    Parameters
    ----------
    encoder
        Gives maps at strides 2, 4, 8 and 16.
    channels
        Of those maps.
    """

    def __init__(
        self, config: ModelConfig, encoder: nn.Module, channels: Sequence[int]
    ) -> None:
        super().__init__(config)
        # An attribute called `encoder` counts as pretrained: its rate is another, its
        # statistics stay.
        del self.encoder
        self.eyes = encoder
        self.lateral = nn.ModuleList(
            nn.Conv2d(i, o, 1) for i, o in zip(channels, _WIDTHS, strict=True)
        )
        self.to(memory_format=torch.channels_last)

    def image_features(
        self, images: Tensor, check: Callable[[], None] = lambda: None
    ) -> Features:
        """Return what `Tiny.image_features` does."""
        check()
        images = images.contiguous(memory_format=torch.channels_last)
        maps = zip(self.lateral, self.eyes(images), strict=True)
        features = {
            f"stride{2 << i}": lateral(m) for i, (lateral, m) in enumerate(maps)
        }
        return {"stride1": images, **features}


def _coarse() -> Tiny:
    model = Tiny(CONFIG)
    model.prompts = CoarsePrompts(_WIDTHS)
    model.detail = BlindDetail(_WIDTHS[0], 8)
    return model


def _no_detail() -> Tiny:
    model = Tiny(CONFIG)
    model.detail = NoDetail(_WIDTHS[0], 8)
    return model


def _styled(**style: Any) -> ModelConfig:
    return replace(CONFIG, style=replace(CONFIG.style, **style))


def _lite0() -> Tiny:
    encoder = Tiny(CONFIG).encoder
    return OtherEncoder(CONFIG, encoder, encoder.feature_info.channels())  # type: ignore[operator, union-attr]


def _mobilevit() -> Tiny:
    encoder = timm.create_model(
        "mobilevit_xxs", features_only=True, out_indices=(0, 1, 2, 3)
    )
    return OtherEncoder(CONFIG, encoder, encoder.feature_info.channels())  # type: ignore[operator, union-attr]


VARIANTS: dict[str, Callable[[], Tiny]] = {
    "own": lambda: Tiny(CONFIG),
    "stride 16": _coarse,
    # Where nothing is fed back, boxes and polygons are drawn as positive prompts.
    "no previous": lambda: Forgetful(_styled(region="positive")),
    "no attention": lambda: Tiny(CONFIG, fusion_depth=0),
    "no detail": _no_detail,
    "radius 1": lambda: Tiny(_styled(radius=1)),
    "radius 6": lambda: Tiny(_styled(radius=6)),
    "imagenet": lambda: Tiny(CONFIG),
    "lite0": _lite0,
    "mobilevit": _mobilevit,
    "vit": lambda: OtherEncoder(CONFIG, PlainViT(), _WIDTHS),
}


def untrained(variant: str, seed: int) -> Tiny:
    """Build a variant, with all that it shares with `tiny`."""
    torch.manual_seed(seed)
    model = VARIANTS[variant]()
    own, trained = model.state_dict(), load_model("tiny", device="cpu").state_dict()
    shared = {k: v for k, v in trained.items() if k in own and v.shape == own[k].shape}
    model.load_state_dict(shared, strict=False)
    if variant == "imagenet":
        load_imagenet_encoder(model)
    return model


def main(
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and results.")],
    validation: Annotated[list[Path], typer.Option(help="Sets of pairs; repeat.")],
    data: Annotated[Path | None, typer.Option(help="Folder of .npz files.")] = None,
    variant: Annotated[list[str] | None, typer.Option(help="Default: all.")] = None,
    steps: Annotated[int, typer.Option(help="Per variant.")] = 300,
    limit: Annotated[int, typer.Option(help="Objects per set.")] = 100,
    seed: int = 0,
    workers: int = 1,
) -> None:
    options = options_of("tiny", steps=steps, seed=seed, workers=workers)

    def ready(name: str) -> tuple[SegmentationModel, dict[str, Any]]:
        folder = out / name.replace(" ", "_")
        sources = bundled_mixture(data)
        trainer = Trainer(untrained(name, seed), sources, folder, options)
        model = trainer.run(Console().print).eval()
        return model, {"parameters": sum(p.numel() for p in model.parameters())}

    compare(variant or VARIANTS, ready, validation, limit, out / "parts.json")


if __name__ == "__main__":
    typer.run(main)
