"""EfficientNet-Lite0 up to stride 16: the encoder of `tiny`.

Tan and Le, "EfficientNet", ICML 2019; Lite0 has no squeeze-and-excitation, and ReLU6.
Tensors have the names and values that they have in timm's network. That is not used
because all of timm is imported with any part of it, and with that torchvision and
PyTorch's compiler: it took longer than all else that a first mask waits for.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import pad

# Blocks, kernel size, stride of the first, expansion and width of each stage.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
)
_STEM = 32
# The stages that end at strides 2, 4, 8 and 16, and their channels.
_LAST = (0, 1, 2, 4)
CHANNELS = tuple(_STAGES[stage][-1] for stage in _LAST)


class Convolution(nn.Conv2d):
    """Padded as in TensorFlow: at stride 2 one pixel more at the end than before."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        super().__init__(
            inputs, outputs, kernel, stride, before, groups=groups, bias=False
        )
        self._more = after - before
        fan_out = kernel**2 * outputs // groups
        # Not normal, which on the device "meta" would bring PyTorch's compiler along.
        bound = (6 / fan_out) ** 0.5
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, h, w), sides even, to (B, outputs, h/stride, w/stride)."""
        return super().forward(pad(x, (0, self._more, 0, self._more)))


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-3)


class Separable(nn.Module):
    """The first block: depthwise, then to another width."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = Convolution(inputs, inputs, kernel, stride, groups=inputs)
        self.bn1 = _norm(inputs)
        self.conv_pw = Convolution(inputs, outputs)
        self.bn2 = _norm(outputs)
        self.activation = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, outputs, h / stride, w / stride)."""
        x = self.activation(self.bn1(self.conv_dw(x)))
        return self.bn2(self.conv_pw(x))  # type: ignore[no-any-return]


class InvertedResidual(nn.Module):
    """Expand, convolve depthwise, reduce; around it a shortcut if the shape allows."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        inner = inputs * expansion
        self.conv_pw = Convolution(inputs, inner)
        self.bn1 = _norm(inner)
        self.conv_dw = Convolution(inner, inner, kernel, stride, groups=inner)
        self.bn2 = _norm(inner)
        self.conv_pwl = Convolution(inner, outputs)
        self.bn3 = _norm(outputs)
        self.activation = nn.ReLU6(inplace=True)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, outputs, h / stride, w / stride)."""
        y = self.activation(self.bn1(self.conv_pw(x)))
        y = self.activation(self.bn2(self.conv_dw(y)))
        y = self.bn3(self.conv_pwl(y))
        return x + y if self.shortcut else y  # type: ignore[no-any-return]


class EfficientNetLite0(nn.Module):
    """(B, 3, S, S) images -> features at strides 2, 4, 8 and 16, `CHANNELS` wide."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = Convolution(3, _STEM, 3, 2)
        self.bn1 = _norm(_STEM)
        self.activation = nn.ReLU6(inplace=True)
        self.blocks = nn.Sequential()
        width = _STEM
        for count, kernel, stride, expansion, outputs in _STAGES:
            stage = nn.Sequential()
            for number in range(count):
                step = stride if number == 0 else 1
                stage.append(
                    Separable(width, outputs, kernel, step)
                    if expansion == 1
                    else InvertedResidual(width, outputs, kernel, step, expansion)
                )
                width = outputs
            self.blocks.append(stage)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the features, finest first."""
        x = self.activation(self.bn1(self.conv_stem(images)))
        features = []
        for number, stage in enumerate(self.blocks):
            x = stage(x)
            if number in _LAST:
                features.append(x)
        return features
