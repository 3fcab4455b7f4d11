"""A start for a plain ViT: learn to see what a trained model sees.

A ViT needs a pre-training. SegNext starts from MAE's, which exists for its published
sizes only; a smaller one is taught the features of a trained convolutional model
instead (FitNets, Romero et al., ICLR 2015), on the images of the training alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, interpolate, pixel_unshuffle

from napari_segnext.models import SegmentationModel, build_model
from napari_segnext.models.segnext import SegNext
from napari_segnext.training.crops import around_object
from napari_segnext.training.data import Sample, Source
from napari_segnext.training.loop import CropLoop, Options
from napari_segnext.training.recipes import RECIPES, bundled_mixture
from napari_segnext.weights import load_model, save_model

# The pixels themselves, among the features of `tiny`.
_PIXELS = "stride1"


def on_grid(features: Mapping[str, Tensor], grid: int) -> Tensor:
    """Bring feature maps to one grid: (B, C, grid, grid).

    Finer maps are folded, so that no detail is lost, and coarser ones enlarged.

    Parameters
    ----------
    features
        Maps (B, C_i, n_i, n_i) whose n_i are multiples or divisors of `grid`; one that
        is called ``stride1`` is left out.
    """
    maps = []
    for name, values in features.items():
        if name == _PIXELS:
            continue
        side = values.shape[-1]
        if side > grid:
            values = pixel_unshuffle(values, side // grid)
        elif side < grid:
            values = interpolate(values, (grid, grid), mode="bilinear")
        maps.append(values)
    return torch.cat(maps, 1)


class Pupil(nn.Module):
    """An image encoder and what guesses the teacher's features from its own."""

    def __init__(self, model: SegNext, channels: int) -> None:
        super().__init__()
        self.backbone = model.backbone
        self.guess = nn.Conv2d(model.config.arch["embed_dim"], channels, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, S, S) images to (B, channels, S / patch, S / patch)."""
        return self.guess(self.backbone(images, lambda: None))  # type: ignore[no-any-return]


class Distiller(CropLoop[Pupil]):
    """Teach the encoder of a SegNext the features of a trained model.

    The loss is the mean squared difference, each channel of the teacher having mean 0
    and variance 1 in the batch.

    Parameters
    ----------
    model
        The encoder of this one learns, in place.
    teacher
        Stays as it is.
    sources, folder, options
        See `CropLoop`; a crop has the size of `model`.
    """

    def __init__(
        self,
        model: SegNext,
        teacher: SegmentationModel,
        sources: Mapping[str, tuple[Source, float]],
        folder: Path,
        options: Options,
    ) -> None:
        teacher = teacher.eval().requires_grad_(False)
        blank = torch.zeros(1, 3, options.size, options.size, device=teacher.device)
        self._grid = model.backbone.grid
        channels = on_grid(teacher.image_features(blank), self._grid).shape[1]
        pupil = Pupil(model, channels)
        super().__init__(pupil, pupil, sources, folder, options, around_object)
        self._teacher = teacher.to(self.accelerator.device)
        self._model = model.to(self.accelerator.device)

    def learn(self, samples: Sequence[Sample]) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch of crops, and the share of variance explained."""
        images = torch.from_numpy(np.stack([s.image for s in samples]))
        images = images.permute(0, 3, 1, 2).to(self.accelerator.device)
        teacher = self._teacher
        with torch.no_grad():
            features = teacher.image_features(teacher.normalised(images))
            seen = on_grid(features, self._grid).float()
            wanted = batch_norm(seen, None, None, training=True)
        guessed = self.network(self._model.normalised(images)).float()
        loss = (guessed - wanted).square().mean()
        return loss, {"explained": 1 - loss.item() / wanted.square().mean().item()}


def distil(
    model: str,
    teacher: str,
    out: Path,
    data: Path | None,
    options: Options,
    report: Callable[[Mapping[str, float]], None] = lambda row: None,
) -> Path:
    """Write a model whose encoder has learned from a teacher, the rest untrained.

    It is what `napari_segnext.training.train.train` may start from.

    Parameters
    ----------
    model
        Name of the recipe of a SegNext.
    teacher
        Name or file of a trained model with a pyramid of features, such as ``tiny``.
    out
        Folder; a training in it is resumed. Gets ``start.safetensors``.
    data
        Folder of the bundled mixture; None takes generated images alone.
    options
        How to train.
    report
        Called now and then with the metrics.

    Raises
    ------
    ValueError
        If the model is no SegNext.
    OSError
        If data are missing.
    """
    torch.manual_seed(options.seed)
    student = build_model(RECIPES[model].config)
    if not isinstance(student, SegNext):
        raise ValueError(f"{model} is no SegNext: it has no plain ViT to teach")
    seeing = load_model(teacher, device="cpu")
    sources = bundled_mixture(data)
    pupil = Distiller(student, seeing, sources, out, options).run(report)
    student.backbone.load_state_dict(pupil.backbone.state_dict())
    path = out / "start.safetensors"
    save_model(student, path, {k: str(v) for k, v in asdict(options).items()})
    return path
