"""Teaching a plain ViT the features of a trained model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("cv2", reason="training needs the extra `train`")

from tests.training.pictures import squares

from napari_segnext.models import ModelConfig, build_model
from napari_segnext.models.segnext import SegNext
from napari_segnext.training.distil import Distiller, distil, on_grid
from napari_segnext.training.loop import Options
from napari_segnext.training.train import options_of
from napari_segnext.weights import load_model

SMALL = ModelConfig(
    "segnext",
    64,
    resize="pad",
    arch={
        "patch_size": 8,
        "embed_dim": 16,
        "depth": 1,
        "num_heads": 2,
        "neck_channels": [8, 8, 8, 8],
        "head_channels": 8,
    },
)
OPTIONS = Options(
    steps=40, size=64, images=2, objects=1, rate=3e-3, warmup=5, workers=0
)


def test_finer_maps_are_folded_and_coarser_ones_enlarged() -> None:
    fine = torch.arange(16.0).view(1, 1, 4, 4)
    equal = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    coarse = torch.tensor([[[[7.0]]]])
    pixels = torch.zeros(1, 3, 8, 8)
    features = {"stride1": pixels, "stride2": fine, "stride4": equal, "stride8": coarse}
    together = on_grid(features, 2)
    assert together.shape == (1, 4 + 1 + 1, 2, 2)
    # The four pixels under a token become its channels.
    torch.testing.assert_close(
        together[0, :4, 0, 1], torch.tensor([2.0, 3.0, 6.0, 7.0])
    )
    torch.testing.assert_close(together[:, 4:5], equal)
    torch.testing.assert_close(together[:, 5:], coarse.expand(1, 1, 2, 2))


def test_the_encoder_learns_and_teacher_and_decoder_stay(tmp_path: Path) -> None:
    torch.manual_seed(0)
    student, teacher = build_model(SMALL), build_model(ModelConfig("tiny", 64))
    assert isinstance(student, SegNext)
    before = {k: v.clone() for k, v in student.state_dict().items()}
    taught = {k: v.clone() for k, v in teacher.state_dict().items()}
    rows: list[dict[str, float]] = []
    trainer = Distiller(
        student, teacher, {"squares": (squares, 1.0)}, tmp_path, OPTIONS
    )
    trainer.run(lambda row: rows.append(dict(row)))
    assert rows[-1]["explained"] > rows[0]["explained"] + 0.1
    for name, value in teacher.state_dict().items():
        torch.testing.assert_close(value, taught[name], msg=name)
    for name, value in student.state_dict().items():
        if not name.startswith("backbone."):
            torch.testing.assert_close(value, before[name], msg=name)


def test_what_is_written_is_a_start_and_an_interruption_costs_nothing(
    tmp_path: Path,
) -> None:
    options = options_of("small", steps=1, images=1, objects=1, workers=0)
    path = distil("small", "tiny", tmp_path, None, options)
    first = load_model(str(path), "cpu").state_dict()
    again = load_model(str(distil("small", "tiny", tmp_path, None, options)), "cpu")
    for name, value in again.state_dict().items():
        torch.testing.assert_close(value, first[name], msg=name)


def test_a_model_without_a_plain_vit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no plain ViT"):
        distil("ois-tiny", "tiny", tmp_path, None, options_of("ois-tiny"))
