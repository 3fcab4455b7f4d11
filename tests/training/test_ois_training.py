"""OIS in the training loop, and the weights that it starts from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

pytest.importorskip("cv2", reason="training needs the extra `train`")
pytest.importorskip("accelerate", reason="training needs the extra `train`")

from tests.training.pictures import squares

from napari_segnext.commands.cli import app
from napari_segnext.models import ModelConfig, SegmentationModel, build_model
from napari_segnext.models.research.ois.light import LightOIS
from napari_segnext.models.research.ois.ois import OIS
from napari_segnext.prompts import PromptStyle
from napari_segnext.training.clicks import Trainer
from napari_segnext.training.loop import Options
from napari_segnext.training.starts import load_weights
from napari_segnext.training.train import options_of, train
from napari_segnext.weights import load_model, save_model

ARCH = {
    "ois-tiny": {"widths": [8, 8, 8, 16], "fusion": {"channels": 8, "blocks": 1}},
    "ois": {
        "embed_dim": 24,
        "depth": 4,
        "num_heads": 2,
        "layers": [0, 1, 2, 3],
        "channels": [4, 4, 8, 8],
        "width": 8,
        "fusion": {"channels": 16, "heads": 2, "blocks": 1},
    },
}
SIZE = {"ois-tiny": 64, "ois": 56}


def network(name: str, seed: int = 0) -> SegmentationModel:
    torch.manual_seed(seed)
    config = ModelConfig(name, SIZE[name], style=PromptStyle(2), arch=ARCH[name])
    return build_model(config)


def options(name: str, **changed: float) -> Options:
    fixed = {"size": SIZE[name], "images": 3, "objects": 2, "workers": 0}
    return Options(**{**fixed, "corrections": 2, "warmup": 5, **changed})


def depth_anything(path: Path, seed: int = 1) -> OIS:
    """Write a Depth Anything of random weights as its authors do."""
    model = network("ois", seed)
    assert isinstance(model, OIS)
    tensors = {
        **{f"pretrained.{k}": t for k, t in model.encoder.state_dict().items()},
        **{f"depth_head.{k}": t for k, t in model.depth_head.state_dict().items()},
        "pretrained.mask_token": torch.zeros(1, 24),
    }
    unit = "depth_head.scratch.refinenet{}.resConfUnit1.conv1.bias"
    tensors[unit.format(4)] = tensors[unit.format(3)]
    torch.save(tensors, path)
    return model


def test_a_light_ois_learns_from_clicks(tmp_path: Path) -> None:
    rows: list[dict[str, float]] = []
    trainer = Trainer(
        network("ois-tiny"),
        {"squares": (squares, 1.0)},
        tmp_path,
        options("ois-tiny", steps=120, rate=8e-3),
    )
    trainer.run(lambda row: rows.append(dict(row)))
    assert rows[-1]["dice"] < 0.9 * rows[0]["dice"]
    assert rows[-1]["iou"] > rows[0]["iou"] + 0.1


def test_training_leaves_encoder_and_depth_as_they_are(tmp_path: Path) -> None:
    model = network("ois")
    before = {k: t.clone() for k, t in model.state_dict().items()}
    sources = {"squares": (squares, 1.0)}
    Trainer(model, sources, tmp_path, options("ois", steps=2)).run(lambda row: None)
    frozen = ("encoder.", "depth_head.", "fusion.positions.")
    for name, tensor in model.state_dict().items():
        if name.startswith(frozen):
            assert torch.equal(tensor, before[name]), name
    assert not torch.equal(model.fusion.enter.weight, before["fusion.enter.weight"])


def test_ois_starts_from_the_authors_file(tmp_path: Path) -> None:
    source = depth_anything(tmp_path / "depth_anything_v2_vits.pth")
    model = network("ois")
    load_weights(model, tmp_path / "depth_anything_v2_vits.pth")
    for part in ("encoder", "depth_head"):
        wanted = getattr(source, part).state_dict()
        for name, tensor in getattr(model, part).state_dict().items():
            assert torch.equal(tensor, wanted[name]), name
    for name, tensor in model.mask_head.state_dict().items():
        assert torch.equal(tensor, model.depth_head.state_dict()[name]), name


def test_ois_also_starts_from_a_trained_ois(tmp_path: Path) -> None:
    source, model = network("ois", seed=1), network("ois")
    save_model(source, tmp_path / "ois.safetensors")
    load_weights(model, tmp_path / "ois.safetensors")
    for name, tensor in source.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor), name
    loaded = load_model(tmp_path / "ois.safetensors", device="cpu")
    assert isinstance(loaded, OIS)
    assert not any(p.requires_grad for p in loaded.encoder.parameters())


def test_without_a_depth_anything_the_recipe_says_which_to_take(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"vitb\.pth \(CC BY-NC 4\.0"):
        train("ois-base", tmp_path, None, options_of("ois-base"), arch=ARCH["ois"])


def train_command(folder: Path, *words: str) -> Result:
    """Train for a step on the command line, with what `folder` holds."""
    fixed = ["--dataset", "pairs", "--data", folder, "--out", folder / "out"]
    short = ["--steps", 1, "--images", 1, "--workers", 0]
    return CliRunner().invoke(app, ["train", *words, *map(str, [*fixed, *short])])


def test_the_source_of_order_is_chosen_on_the_command_line(tmp_path: Path) -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[10:40, 20:60] = 255
    for folder in ("image", "annotation"):
        (tmp_path / folder).mkdir()
        Image.fromarray(mask).save(tmp_path / folder / "a.png")
    done = train_command(tmp_path, "--model", "ois-tiny", "--order", "intensity")
    assert done.exit_code == 0, done.output
    model = load_model(tmp_path / "out" / "model.safetensors", device="cpu")
    assert isinstance(model, LightOIS)
    assert model.order == "intensity"
    # The weights alone would fit: going on without the option would change the model.
    done = train_command(tmp_path, "--model", "ois-tiny")
    assert isinstance(done.exception, ValueError)
    assert "training of another model" in str(done.exception)


@pytest.mark.parametrize(
    ("model", "message"),
    [("tiny", "--order is for ois-tiny"), ("ois-tiny", "intensity or geodesic")],
)
def test_order_that_a_model_cannot_have_is_refused(
    tmp_path: Path, model: str, message: str
) -> None:
    done = train_command(tmp_path, "--model", model, "--order", "depth")
    assert isinstance(done.exception, ValueError)
    assert message in str(done.exception)
