from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from napari_segnext import load_model
from napari_segnext.models.fingerprint import model_fingerprint
from napari_segnext.models.follower import Seen
from napari_segnext.weights import load_follower


def scene(*columns: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw bright disks on grey: (1, 3, 256, 256) and the mask of the first."""
    y, x = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    disks = [((y - 128) ** 2 + (x - c) ** 2 < 30**2)[None, None] for c in columns]
    generator = torch.Generator().manual_seed(0)
    image = 0.3 + 0.05 * torch.rand(1, 1, 256, 256, generator=generator)
    for disk in disks:
        image = torch.where(disk, image + 0.4, image)
    none = torch.zeros(1, 1, 256, 256, dtype=torch.bool)
    return image.repeat(1, 3, 1, 1), (disks[0] if disks else none).float()


def follow(before: tuple[int, ...], now: tuple[int, ...]):
    model = load_follower("cpu")
    (old, mask), (new, goal) = scene(*before), scene(*now)
    with torch.inference_mode():
        features = [model.image_features(model.normalised(i)) for i in (old, new)]
        return model.follow(features[1], mask, [Seen(features[0], mask)]), goal > 0.5


def test_an_object_is_found_where_it_has_moved_and_not_another_one() -> None:
    found, goal = follow((100, 200), (112, 200))
    mask = found.logits > 0
    assert (mask & goal).sum() / (mask | goal).sum() > 0.8
    assert found.present.sigmoid() > 0.8


def test_what_is_gone_is_less_surely_there() -> None:
    stays, _ = follow((100,), (104,))
    gone, _ = follow((100,), ())
    confidence = [(f.present.sigmoid() * f.overlap.sigmoid()) for f in (stays, gone)]
    assert confidence[0] > 0.45 > confidence[1]


def test_it_follows_where_pytorch_knows_no_autocast(monkeypatch) -> None:
    # As PyTorch 2.4 on Apple's GPUs, where even switching it off is an error.
    class Unknown:
        def __init__(self, device: str, **_: bool) -> None:
            raise RuntimeError(f"unsupported autocast device_type {device}")

    monkeypatch.setattr(torch, "autocast", Unknown)
    with pytest.raises(RuntimeError, match="unsupported autocast"):
        follow((100, 200), (112, 200))
    monkeypatch.setattr(torch.amp, "is_autocast_available", lambda device: False)
    found, goal = follow((100, 200), (112, 200))
    assert ((found.logits > 0) & goal).sum() / goal.sum() > 0.8


def test_it_has_the_encoder_of_tiny_whose_embeddings_it_takes() -> None:
    tiny, follower = load_model("tiny", device="cpu"), load_follower("cpu")
    assert follower.embeds_as == model_fingerprint(tiny)
    own = follower.state_dict()
    for name, tensor in tiny.state_dict().items():
        if name.startswith(("encoder.", "lateral.")):
            torch.testing.assert_close(tensor, own[name], rtol=0, atol=0)


def test_it_answers_no_prompts() -> None:
    model = load_follower("cpu")
    with pytest.raises(ValueError, match="answers no prompts: choose another"):
        model.mask_logits({}, torch.zeros(1, 3, 256, 256))


def test_loading_it_leaves_the_compiler_alone() -> None:
    # The compiler brings triton, which ends a process in which Mesa has drawn.
    code = (
        "import sys; from napari_segnext.weights import load_follower; "
        "load_follower('cpu'); sys.exit('torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
