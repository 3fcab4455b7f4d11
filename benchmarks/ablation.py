"""Take SegNext apart: what dense fusion, disks and self-attention are worth.

Trains variants of `small` on the same data with the same seed and number of steps,
evaluates each with simulated clicks, prints a table and writes JSON. All start with the
same encoder, neck and head; what mixes prompts and image starts anew in each. An
interrupted run goes on where it was. Needs the extra ``train``.

    napari-segnext distil --model small --data DATA --out START
    python -m benchmarks.ablation --start START/start.safetensors --data DATA \
        --validation SET --out DIR --steps 3000

With ``--frozen`` the encoder stays as it is, which is the faster way to compare the
variants once `small` is trained:

    python -m benchmarks.ablation --start SMALL/model.safetensors --frozen ...

The variants:

==========  ================================================================
sparse      no dense map: clicks are tokens (position and sign) that join the
            image's tokens in the two self-attention blocks; what came before
            is not fed back
pixels      SA x2 with single pixels in place of disks
sa0         dense map added, no self-attention
sa1         weak dense fusion, one block
sa2         full dense fusion, two blocks
==========  ================================================================
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from benchmarks.ois import compare
from rich.console import Console
from torch import Tensor, nn
from torch.nn.functional import interpolate

from napari_segnext import load_model
from napari_segnext.models import ModelConfig, PromptBatch, SegmentationModel
from napari_segnext.models.base import Features
from napari_segnext.models.segnext import SegNext
from napari_segnext.training.clicks import Trainer
from napari_segnext.training.loop import Options
from napari_segnext.training.recipes import RECIPES, bundled_mixture
from napari_segnext.training.train import options_of

VARIANTS = ("sparse", "pixels", "sa0", "sa1", "sa2")
# What differs between the variants, by the beginnings of its tensors' names.
_MIXING = ("visual_prompts_encoder.", "fusion_blocks.")


class SparseSegNext(SegNext):
    """SegNext whose clicks are tokens instead of a dense map."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config, **config.arch)
        width = config.arch["embed_dim"]
        self.place = nn.Sequential(
            nn.Linear(2, width), nn.GELU(), nn.Linear(width, width)
        )
        # No click, a positive one, a negative one: -1 indexes the last.
        self.sign = nn.Embedding(3, width)

    def prompted_logits(self, features: Features, prompts: PromptBatch) -> Tensor:
        """Let the clicks join the self-attention: (B, 1, S, S) logits."""
        image = features["image"]
        places = self.place(2 * prompts.points / self.config.size - 1)
        clicks = places + self.sign(prompts.signs.long() % 3)
        tokens = torch.cat([image.flatten(2).transpose(1, 2), clicks], 1)
        for block in self.fusion_blocks:
            tokens = block(tokens)
        fused = tokens[:, : image[0, 0].numel()].transpose(1, 2).reshape(image.shape)
        low = self.low_resolution_logits(fused)
        size = prompts.dense.shape[2:]
        return interpolate(low, size, mode="bilinear", align_corners=True)


def build(variant: str) -> SegNext:
    """Return a variant with untrained weights."""
    config = RECIPES["small"].config
    if variant == "sparse":
        return SparseSegNext(config)
    depth = {"sa0": 0, "sa1": 1}.get(variant, 2)
    radius = 0 if variant == "pixels" else config.style.radius
    arch = {**config.arch, "fusion_depth": depth}
    style = replace(config.style, radius=radius)
    return SegNext(replace(config, style=style, arch=arch), **arch)


def begin(model: SegmentationModel, start: Path) -> None:
    """Start with all of a trained or distilled `small` but what mixes in prompts."""
    trained = load_model(start, device="cpu").state_dict()
    common = {k: v for k, v in trained.items() if not k.startswith(_MIXING)}
    model.load_state_dict(common, strict=False)


def train(
    variant: str,
    start: Path | None,
    data: Path | None,
    out: Path,
    options: Options,
    frozen: bool,
) -> SegmentationModel:
    """Train a variant, or read it back."""
    torch.manual_seed(options.seed)
    model = build(variant)
    if start is not None:
        begin(model, start)
    model.backbone.requires_grad_(not frozen)
    trainer = Trainer(model, bundled_mixture(data), out / variant, options)
    return trainer.run(Console().print).eval()


def main(
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and results.")],
    validation: Annotated[list[Path], typer.Option(help="Sets of pairs; repeat.")],
    data: Annotated[Path | None, typer.Option(help="Folder of .npz files.")] = None,
    start: Annotated[
        Path | None, typer.Option(help="A `small` that all start with.")
    ] = None,
    frozen: Annotated[bool, typer.Option(help="Keep the encoder as it is.")] = False,
    variant: Annotated[list[str] | None, typer.Option(help="Default: all.")] = None,
    steps: Annotated[int, typer.Option(help="Per variant.")] = 3000,
    limit: Annotated[int, typer.Option(help="Objects per set.")] = 100,
    seed: int = 0,
    workers: int = 1,
) -> None:
    options = options_of("small", steps=steps, seed=seed, workers=workers)

    def ready(name: str) -> tuple[SegmentationModel, dict[str, Any]]:
        model = train(name, start, data, out, options, frozen)
        return model, {"parameters": sum(p.numel() for p in model.parameters())}

    compare(variant or VARIANTS, ready, validation, limit, out / "ablation.json")


if __name__ == "__main__":
    typer.run(main)
