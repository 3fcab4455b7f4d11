"""The optimiser that needs no compiler is PyTorch's."""

import subprocess
import sys

import torch

from napari_segnext.training.adam import Adam


def test_it_goes_where_pytorchs_goes() -> None:
    start = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    ours, theirs = (start.clone().requires_grad_() for _ in range(2))
    own, other = Adam([ours]), torch.optim.Adam([theirs], lr=0.0)
    for step, rate in enumerate((0.1, 0.05, 0.2, 0.01)):
        other.param_groups[0]["lr"] = rate
        for tensor, clear in ((ours, own.clear), (theirs, other.zero_grad)):
            clear()
            ((tensor - step) ** 4).sum().backward()
        own.step(rate)
        other.step()
        torch.testing.assert_close(ours, theirs)
    assert not torch.equal(ours, start)


def test_what_has_no_gradient_stays() -> None:
    lonely = torch.ones(3, requires_grad=True)
    Adam([lonely]).step(0.1)
    assert torch.equal(lonely, torch.ones(3))


def test_it_leaves_the_compiler_alone() -> None:
    code = (
        "import sys, torch\n"
        "from napari_segnext.training.adam import Adam\n"
        "p = torch.ones(3, requires_grad=True); p.sum().backward()\n"
        "Adam([p]).step(0.1)\n"
        "import napari_segnext.training.teaching\n"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
