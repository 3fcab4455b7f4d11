"""An optimiser that is there at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_FIRST, _SECOND, _LEAST = 0.9, 0.999, 1e-8


class Adam:
    """Adam (Kingma and Ba, ICLR 2015), as PyTorch has it too.

    The first optimiser of PyTorch's that a program makes imports its compiler, which
    takes ten seconds: a click would wait for that.

    Parameters
    ----------
    parameters
        What is learned.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters = list(parameters)
        self._means = [torch.zeros_like(p) for p in self._parameters]
        self._squares = [torch.zeros_like(p) for p in self._parameters]
        self._steps = 0

    def clear(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Go a step against the gradients, at a learning rate."""
        self._steps += 1
        biases = 1 - _FIRST**self._steps, 1 - _SECOND**self._steps
        for parameter, mean, square in zip(
            self._parameters, self._means, self._squares, strict=True
        ):
            if parameter.grad is None:
                continue
            mean.lerp_(parameter.grad, 1 - _FIRST)
            square.lerp_(parameter.grad.square(), 1 - _SECOND)
            deviation = (square / biases[1]).sqrt_() + _LEAST
            parameter.addcdiv_(mean / biases[0], deviation, value=-rate)
