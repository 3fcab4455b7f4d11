"""Folders of phrases, and what a training with phrases does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2", reason="training needs the extra `train`")
pytest.importorskip("accelerate", reason="training needs the extra `train`")
pytest.importorskip("transformers", reason="phrases need the extra `text`")

import torch
from PIL import Image
from tests.training.phrase_folder import write_clip, write_pairs

from napari_segnext import Predictor, Prompts, load_model
from napari_segnext.models.research.text.clip import read_clip
from napari_segnext.training.augment import change_brightness
from napari_segnext.training.data import LabelledImage, Mixture
from napari_segnext.training.named import first_named_prompts, named_objects, openings
from napari_segnext.training.phrases import NamedImages, read_phrases, write_phrases
from napari_segnext.training.train import options_of, train


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One image with three labels."""
    labels = np.zeros((40, 50), np.uint8)
    for number in (1, 2, 3):
        labels[5:20, 15 * number - 12 : 15 * number] = number
    for kind, pixels in (("image", 50 * labels + 9), ("annotation", labels)):
        (tmp_path / kind).mkdir()
        Image.fromarray(pixels).save(tmp_path / kind / "a.png")
    return tmp_path


def picture(folder: Path) -> LabelledImage:
    named = read_phrases(folder)
    return NamedImages(named, "percentile")(np.random.default_rng(0))


# The folder


def test_a_phrase_of_several_labels_means_all_of_them(folder):
    rows = [("a", 1, "left one"), ("a.png", 2, "cell"), ("a", 3, "  cell ")]
    write_phrases(folder, rows)
    (named,) = read_phrases(folder)
    assert named.phrases == {"left one": {1}, "cell": {2, 3}}
    drawn = picture(folder)
    assert drawn.phrases == named.phrases
    assert sorted(np.unique(drawn.labels[0])) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na,1\n", "needs the columns file, label, phrase"),
        ("file,label,phrase\n", "names nothing"),
        ("file,label,phrase\na,one,cell\n", r"line 2: a row is a file, a label"),
        ("file,label,phrase\na,0,cell\n", "a label from 1"),
        ("file,label,phrase\na,1,\n", "and a phrase"),
        ("file,label,phrase\na,4,cell\n", "names label 4 of 'a'"),
        ("file,label,phrase\nb,1,cell\n", "names label 1 of 'b'"),
    ],
)
def test_rows_that_do_not_fit_are_refused(folder, text, message):
    (folder / "phrases.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_phrases(folder)


def test_without_a_table_it_says_what_belongs_there(folder):
    with pytest.raises(FileNotFoundError, match=r"phrases\.csv is missing"):
        read_phrases(folder)


# Samples


def test_a_sample_has_the_pixels_that_each_phrase_means(folder):
    write_phrases(folder, [("a", 1, "left one"), ("a", 2, "cell"), ("a", 3, "cell")])
    drawn = picture(folder)
    cut = named_objects("square", whole=1.0)
    sample = cut(drawn, np.random.default_rng(1), 64, 3)
    assert sample is not None
    assert set(sample.phrases) == {"left one", "cell"}
    assert len(sample.masks) == len(sample.phrases) == 3
    for mask, phrase in zip(sample.masks, sample.phrases, strict=True):
        columns = np.flatnonzero(mask.any(0)) * 50 / 64
        left = phrase == "left one"
        assert (columns.min() < 5, columns.max() < 20) == (left, left)


def test_a_sample_around_an_object_shows_it(folder):
    write_phrases(folder, [("a", 2, "cell")])
    cut = named_objects("pad", whole=0.0)
    for seed in range(8):
        sample = cut(picture(folder), np.random.default_rng(seed), 64, 2)
        if sample is not None:
            assert sample.masks.any((1, 2)).all()


def test_what_words_may_tell_is_not_changed(folder):
    write_phrases(folder, [("a", 1, "left one"), ("a", 2, "cell"), ("a", 3, "cell")])
    source = NamedImages(read_phrases(folder), "percentile")
    crop = named_objects("square", whole=1.0)
    samples = Mixture({"phrases": (source, 1.0)}, crop, 64, 2, seed=0)
    for number in range(12):
        sample = samples.sample(number)
        for mask, phrase in zip(sample.masks, sample.phrases, strict=True):
            assert (np.flatnonzero(mask.any(0)).min() < 8) == (phrase == "left one")
    ramp = np.repeat(np.linspace(0.3, 0.7, 64, dtype=np.float32)[:, None], 64, 1)
    for seed in range(8):
        changed = change_brightness(
            np.repeat(ramp[..., None], 3, 2), np.random.default_rng(seed)
        )
        assert changed[-8:].mean() > changed[:8].mean() + 0.1


def test_first_prompts_are_phrases_alone_refusals_and_all_others():
    mask, other = np.zeros((2, 64, 64), bool)
    mask[5:20, 5:20], other[40:60, 40:60] = True, True
    kinds = set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        prompts = first_named_prompts(mask, [mask, other], "a cell", rng)
        clicks = [p for p in prompts if hasattr(p, "at")]
        if prompts.phrase and len(prompts) == 1:
            kinds.add("alone")
        elif not prompts.phrase:
            kinds.add("none")
        elif len(prompts) == 2 and clicks and not clicks[0].positive:
            kinds.add("refusing")
            assert other[tuple(int(c) for c in clicks[0].at)]
        else:
            kinds.add("with prompts")
    assert kinds == {"alone", "none", "refusing", "with prompts"}


def test_objects_without_names_get_no_phrase():
    from napari_segnext.training.data import Sample

    mask = np.zeros((1, 32, 32), bool)
    mask[0, 5:20, 5:20] = True
    sample = Sample(np.zeros((32, 32, 3), np.float32), mask)
    for seed in range(10):
        (opening,) = openings(sample, np.random.default_rng(seed))
        assert opening.phrase is None


# Training


def small(steps: int, **changed: float):
    options = {"size": 64, "images": 2, "objects": 2, "corrections": 0, "warmup": 5}
    options["averaging"] = 0.5
    known = options_of("text-tiny", steps=steps, workers=0, rate=4e-3)
    return replace(known, **{**options, **changed})


def test_training_lowers_the_loss_and_makes_phrases_matter(tmp_path):
    pairs = write_pairs(tmp_path / "data", 8)
    clip = write_clip(tmp_path / "clip")
    before = read_clip(clip).digest
    rows: list[dict[str, float]] = []
    path = train(
        "text-tiny",
        tmp_path / "out",
        tmp_path / "data",
        small(40),
        layout="phrases",
        text=clip,
        report=lambda row: rows.append(dict(row)),
    )
    assert rows[-1]["dice"] < 0.9 * rows[0]["dice"]
    # What was frozen is as it was.
    assert read_clip(clip).digest == before
    model = load_model(path, "cpu", text=clip)
    tiny = load_model("tiny", "cpu").state_dict()
    for name, tensor in model.base.encoder.state_dict().items():
        assert torch.equal(tensor, tiny[f"encoder.{name}"]), name
    predictor = Predictor(model)
    predictor.set_image(pairs[0].image)
    one, other = (
        predictor.predict(Prompts().text(phrase)).probability
        for phrase in pairs[0].phrases
    )
    assert np.abs(one - other).max() > 1e-3


@pytest.mark.parametrize(
    ("model", "layout", "text", "message"),
    [
        ("text-tiny", "phrases", False, "folder of a CLIP as --text"),
        ("text-tiny", "bundled", True, "learn from --dataset phrases"),
        ("tiny", "phrases", False, "models with phrases, and they alone"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    tmp_path, model, layout, text, message
):
    clip = write_clip(tmp_path / "clip") if text else None
    options = options_of(model, steps=1)
    with pytest.raises(ValueError, match=message):
        train(model, tmp_path, tmp_path, options, layout=layout, text=clip)
