from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("cv2", reason="training needs the extra `train`")

from accelerate import Accelerator

from napari_segnext.evaluation.images import read_pixels
from napari_segnext.models import ModelConfig, SegmentationModel, build_model
from napari_segnext.prompts import PromptStyle
from napari_segnext.training.clicks import Trainer
from napari_segnext.training.data import LabelledImage
from napari_segnext.training.loop import Options

CONFIG = ModelConfig(
    "tiny", 64, resize="pad", style=PromptStyle(2), arch={"widths": [8, 8, 8, 16]}
)
OPTIONS = Options(
    steps=4,
    size=64,
    images=2,
    objects=2,
    corrections=1,
    warmup=1,
    averaging=0.5,
    workers=0,
    # With seed 0 it depends on rounding where a correction falls.
    seed=1,
)


def squares(rng: np.random.Generator) -> LabelledImage:
    """Draw bright squares on a dark, noisy ground."""
    labels = np.zeros((96, 96), np.int32)
    for number in (1, 2):
        y, x = rng.integers(0, 60, 2)
        labels[y : y + 30, x : x + 30] = number
    image = 60 * labels + rng.integers(0, 30, labels.shape)
    return LabelledImage.of(image.astype(np.uint8), [labels])


SOURCES = {"squares": (squares, 1.0)}


def model() -> SegmentationModel:
    torch.manual_seed(0)
    return build_model(CONFIG)


def ignore(row: object) -> None:
    pass


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sum in one order: Adam makes whole steps of gradients that are mere rounding."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(
    tmp_path: Path,
) -> None:
    whole = Trainer(model(), SOURCES, tmp_path / "whole", OPTIONS).run(ignore)
    trainer = Trainer(model(), SOURCES, tmp_path / "parts", OPTIONS)
    batches = trainer._batches()
    for _ in range(2):
        trainer._train(next(batches))
    trainer.save()
    resumed = Trainer(model(), SOURCES, tmp_path / "parts", OPTIONS)
    assert resumed.step == 2
    parts = resumed.run(ignore)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], value, msg=name)


def test_a_checkpoint_is_read_wherever_a_process_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Trainer(model(), SOURCES, tmp_path, OPTIONS).save()
    # What each of several processes on a CPU is told; no tensor can be put there.
    monkeypatch.setattr(Accelerator, "device", torch.device("cpu", 0))
    assert Trainer(model(), SOURCES, tmp_path, OPTIONS).step == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(1000),
        b"PK\3\4" + bytes(5000),
        b"cut",
        {"step": 3},
        {"model": {}, "average": {}, "optimizer": {}, "schedule": {}, "step": 1},
        [1, 2],
    ],
    ids=["empty", "zeros", "half a zip", "cut", "lacking", "of another", "a list"],
)
def test_a_checkpoint_that_cannot_be_gone_on_with_says_what_to_do(
    content: object, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.pt"
    if isinstance(content, bytes):
        Trainer(model(), SOURCES, tmp_path, OPTIONS).save()
        path.write_bytes(path.read_bytes()[:5000] if content == b"cut" else content)
    else:
        torch.save(content, path)
    with pytest.raises(
        ValueError, match=r"checkpoint\.pt is damaged.*delete it"
    ) as told:
        Trainer(model(), SOURCES, tmp_path, OPTIONS)
    assert "\n" not in str(told.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match=r"checkpoint\.pt is a pipe"):
        Trainer(model(), SOURCES, tmp_path, OPTIONS)
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(OSError, match="is a pipe"):
        read_pixels(tmp_path / "a.png")


def test_training_learns_and_logs(tmp_path: Path) -> None:
    options = Options(
        steps=60,
        size=64,
        images=3,
        objects=2,
        corrections=1,
        rate=8e-3,
        warmup=5,
        workers=0,
    )
    rows: list[dict[str, float]] = []
    Trainer(model(), SOURCES, tmp_path, options).run(lambda row: rows.append(dict(row)))
    assert [row["step"] for row in rows] == [20, 40, 60]
    assert rows[-1]["dice"] < 0.9 * rows[0]["dice"]
    assert rows[-1]["iou"] > rows[0]["iou"] + 0.1
    with (tmp_path / "metrics.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [20, 40, 60]


def test_the_rate_warms_up_and_falls(tmp_path: Path) -> None:
    options = Options(steps=100, warmup=10, decay=0.4, workers=0)
    trainer = Trainer(model(), SOURCES, tmp_path, options)
    rates = [trainer._factor(step) for step in range(101)]
    assert rates[0] < 0.2
    assert rates[30] == rates[59] == 1
    assert rates[80] == pytest.approx(0.505, abs=0.01)
    assert rates[100] == pytest.approx(0.01)


def test_the_average_of_a_short_training_is_not_its_beginning(tmp_path: Path) -> None:
    trainer = Trainer(model(), SOURCES, tmp_path, replace(OPTIONS, averaging=0.999))
    bias = trainer.model.get_parameter("head.bias")
    for step in range(31):
        bias.data.fill_(step)
        trainer.average.update_parameters(trainer.model)
    followed = trainer.average.module.get_parameter("head.bias")
    # It looks back over a tenth of so few steps.
    assert 25 < followed.item() < 30


def test_a_frozen_encoder_part_stays_as_it_is(tmp_path: Path) -> None:
    network = model()
    for name, parameter in network.named_parameters():
        parameter.requires_grad = not name.startswith("encoder.conv_stem")
    before = network.state_dict()["encoder.conv_stem.weight"].clone()
    trained = Trainer(network, SOURCES, tmp_path, OPTIONS).run(ignore)
    after = trained.state_dict()
    torch.testing.assert_close(after["encoder.conv_stem.weight"], before)
