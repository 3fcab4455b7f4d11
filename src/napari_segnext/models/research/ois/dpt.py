"""DPT, the decoder of Depth Anything V2, split where prompts can enter.

Ranftl et al., "Vision Transformers for Dense Prediction", ICCV 2021, as in Yang et al.,
"Depth Anything V2", NeurIPS 2024. Module names are those of the published files.
Four maps of features become maps at strides 3.5, 7, 14 and 28, which are merged from
the coarsest to the finest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from napari_segnext.models.research.ois.dinov2 import PATCH

# Channels of the last convolution but one, as published.
_LAST = 32


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.conv1(F.relu(x)))
        return cast("Tensor", x + self.conv2(inner))


class _Raise(nn.Module):
    """Bring a map to the height and width of the next finer one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.resConfUnit2 = _Residual(width)
        self.out_conv = nn.Conv2d(width, width, 1)

    def up(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        # As published the 1 x 1 convolution comes last; both are linear, and this
        # way round it sees a quarter of the pixels.
        x = self.out_conv(self.resConfUnit2(x))
        return F.interpolate(x, tuple(shape), mode="bilinear", align_corners=True)


class _Merge(_Raise):
    """The same, after a finer map was added to a coarser one."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.resConfUnit1 = _Residual(width)


class _Scratch(nn.Module):
    def __init__(self, inputs: Sequence[int], width: int) -> None:
        super().__init__()
        self.layer1_rn, self.layer2_rn, self.layer3_rn, self.layer4_rn = (
            nn.Conv2d(channels, width, 3, padding=1, bias=False) for channels in inputs
        )
        self.refinenet1 = _Merge(width)
        self.refinenet2 = _Merge(width)
        self.refinenet3 = _Merge(width)
        self.refinenet4 = _Raise(width)
        self.output_conv1 = nn.Conv2d(width, width // 2, 3, padding=1)
        self.output_conv2 = nn.Sequential(
            nn.Conv2d(width // 2, _LAST, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(_LAST, 1, 1),
        )


class DPT(nn.Module):
    """From four maps of a ViT to one of full size.

    Parameters
    ----------
    in_channels
        Channels of the ViT.
    channels
        Of the maps at strides 3.5, 7, 14 and 28 before they are merged.
    width
        Of those maps while they are merged.

    Raises
    ------
    ValueError
        If there are not four numbers of channels.
    """

    def __init__(self, in_channels: int, channels: Sequence[int], width: int) -> None:
        super().__init__()
        if len(channels) != 4:
            raise ValueError(f"channels are four numbers, not {channels}")
        self.projects = nn.ModuleList(nn.Conv2d(in_channels, c, 1) for c in channels)
        quarter, half, _, double = channels
        self.resize_layers = nn.ModuleList(
            [
                nn.ConvTranspose2d(quarter, quarter, 4, 4),
                nn.ConvTranspose2d(half, half, 2, 2),
                nn.Identity(),
                nn.Conv2d(double, double, 3, 2, 1),
            ]
        )
        self.scratch = _Scratch(channels, width)

    def prepare(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Do all that comes before stride 14, and at finer strides beside it.

        Parameters
        ----------
        maps
            Four (B, in_channels, G, G).

        Returns
        -------
        four maps (B, width, ...), to be passed to `draw`
            At strides 3.5 and 7 what is to be added there; the features at stride
            14; and what comes to them from stride 28.
        """
        s = self.scratch
        levels = []
        layers = (s.layer1_rn, s.layer2_rn, s.layer3_rn, s.layer4_rn)
        for i, layer in enumerate(layers):
            levels.append(layer(self.resize_layers[i](self.projects[i](maps[i]))))
        return [
            s.refinenet1.resConfUnit1(levels[0]),
            s.refinenet2.resConfUnit1(levels[1]),
            levels[2],
            s.refinenet4.up(levels[3], levels[2].shape[2:]),
        ]

    def draw(self, maps: Sequence[Tensor]) -> Tensor:
        """Merge what `prepare` returned: (B, 1, 14 G, 14 G), without activation."""
        s = self.scratch
        first, second, third, x = maps
        x = s.refinenet3.up(x + s.refinenet3.resConfUnit1(third), second.shape[2:])
        x = s.refinenet2.up(x + second, first.shape[2:])
        height, width = first.shape[2:]
        x = s.output_conv1(s.refinenet1.up(x + first, (2 * height, 2 * width)))
        whole = [PATCH * side for side in third.shape[2:]]
        x = F.interpolate(x, whole, mode="bilinear", align_corners=True)
        return cast("Tensor", s.output_conv2(x))
