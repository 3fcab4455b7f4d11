"""Phrases: a frozen CLIP text encoder, and the way of its tokens into a model."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="phrases need the extra `text`")

from tests.training.phrase_folder import write_clip
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig

from napari_segnext import Predictor
from napari_segnext.geometry.frame import Frame
from napari_segnext.models import ModelConfig, PromptBatch, Tiling, build_model
from napari_segnext.models.research.text.clip import ClipText, read_clip
from napari_segnext.models.research.text.prompted import TextPrompted
from napari_segnext.predicting.live import give_clip
from napari_segnext.prompts import Prompts, PromptStyle
from napari_segnext.weights import load_model, save_model

TINY = {
    "base": "tiny",
    "base_arch": {"widths": [8, 8, 8, 16]},
    "levels": [("stride8", 8), ("stride16", 16)],
    "channels": 16,
}
VIT = {
    "base": "segnext",
    "base_arch": {
        "embed_dim": 24,
        "depth": 2,
        "num_heads": 2,
        "global_every": 2,
        "neck_channels": [8, 8, 16, 16],
        "head_channels": 8,
    },
    "levels": [("image", 24)],
    "channels": 16,
}
IMAGE = np.random.default_rng(0).random((64, 64, 3), np.float32)
PHRASES = ("bright ring", "dark disk", "a spotted cross, bright")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def clip(folder: Path) -> ClipText:
    return read_clip(folder)


def untrained(clip: ClipText, arch: dict[str, Any] = TINY) -> TextPrompted:
    """Build a model for a CLIP, before phrases have any effect."""
    torch.manual_seed(0)
    whole = {**arch, "text_width": clip.width, "clip": clip.digest}
    config = ModelConfig("text", 64, style=PromptStyle(2), arch=whole)
    model = build_model(config)
    assert isinstance(model, TextPrompted)
    return model.eval()


def listening(clip: ClipText, arch: dict[str, Any] = TINY) -> TextPrompted:
    """Build a model that phrases have an effect on."""
    model = untrained(clip, arch)
    for layer in model.path.leave:
        torch.nn.init.normal_(layer.weight, std=0.5)
    model.use_clip(clip)
    return model


def given(*prompts: Prompts) -> PromptBatch:
    frame, style = Frame(0, 0, 64, 64, 64), PromptStyle(2)
    batch = [each.to_model(frame, style) for each in prompts]
    return PromptBatch.of(batch, torch.device("cpu"))


@torch.inference_mode()
def logits(model: TextPrompted, *prompts: Prompts) -> torch.Tensor:
    pixels = torch.from_numpy(IMAGE).permute(2, 0, 1)[None]
    features = model.image_features(pixels.expand(len(prompts), -1, -1, -1))
    return model.prompted_logits(features, given(*prompts))


# The text encoder


def test_a_phrase_is_embedded_once(clip):
    calls = []
    hook = clip._encoder.register_forward_hook(lambda *call: calls.append(call))
    phrase = "a ring never heard of"
    first, again = clip(phrase), clip(phrase)
    hook.remove()
    assert first is again
    assert len(calls) == 1
    assert first.shape[1] == clip.width
    # A training can use what was computed while a mask was made.
    with torch.inference_mode():
        assert not clip("another ring never heard of").is_inference()


def test_the_text_half_of_a_whole_clip_is_read(folder, clip, tmp_path):
    text = CLIPTextConfig.from_pretrained(folder).to_dict()
    vision = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "image_size": 8,
        "patch_size": 8,
    }
    whole = CLIPModel(CLIPConfig(text_config=text, vision_config=vision))
    known = clip._encoder.state_dict().items()
    text_half = {name.removeprefix("text_model."): tensor for name, tensor in known}
    whole.text_model.load_state_dict(text_half)
    whole.save_pretrained(tmp_path)
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(folder / name, tmp_path)
    assert read_clip(tmp_path).digest == clip.digest


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda f: shutil.rmtree(f), FileNotFoundError, "no folder"),
        (lambda f: (f / "vocab.json").unlink(), FileNotFoundError, r"merges\.txt"),
        (
            lambda f: (f / "model.safetensors").unlink(),
            FileNotFoundError,
            r"model\.safetensors",
        ),
        (
            lambda f: (f / "model.safetensors").write_bytes(b"nonsense" * 9),
            ValueError,
            "can be read",
        ),
        (lambda f: (f / "config.json").write_text("{"), ValueError, "can be read"),
    ],
)
def test_what_is_no_clip_is_refused(folder, tmp_path, change, error, message):
    copy = tmp_path / "clip"
    shutil.copytree(folder, copy)
    change(copy)
    with pytest.raises(error, match=message):
        read_clip(copy)


def test_weights_that_lack_something_are_refused(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    copy = tmp_path / "clip"
    shutil.copytree(folder, copy)
    tensors = load_file(copy / "model.safetensors")
    tensors.pop(next(name for name in tensors if "token_embedding" in name))
    save_file(tensors, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="token_embedding"):
        read_clip(copy)


def test_a_phrase_that_clip_would_cut_is_refused(clip):
    with pytest.raises(ValueError, match=r"CLIP takes 32: say it in fewer words"):
        clip("ring " * 40)


# The model


@pytest.mark.parametrize("arch", [TINY, VIT], ids=["tiny", "segnext"])
def test_phrases_change_the_mask_each_in_its_way(clip, arch):
    model = listening(clip, arch)
    click = Prompts().click(30, 30)
    found = [logits(model, click), *(logits(model, click.text(p)) for p in PHRASES)]
    for n, one in enumerate(found):
        for other in found[:n]:
            assert (one - other).abs().max() > 1e-3


@pytest.mark.parametrize("arch", [TINY, VIT], ids=["tiny", "segnext"])
def test_each_image_of_a_batch_hears_its_own_phrase_alone(clip, arch):
    model = listening(clip, arch)
    prompts = [
        Prompts().text(PHRASES[2]).click(10, 20),
        Prompts().click(30, 30),
        Prompts().text(PHRASES[0]),
    ]
    together = logits(model, *prompts)
    for n, each in enumerate(prompts):
        torch.testing.assert_close(together[n : n + 1], logits(model, each))


def test_without_a_phrase_it_is_the_base_model(clip):
    model = listening(clip)
    prompts = Prompts().click(30, 30).box((5, 5), (20, 20))
    with torch.inference_mode():
        pixels = torch.from_numpy(IMAGE).permute(2, 0, 1)[None]
        features = model.base.image_features(pixels)
        wanted = model.base.prompted_logits(features, given(prompts))
    assert torch.equal(logits(model, prompts), wanted)


def test_a_new_model_hears_a_phrase_only_as_a_first_guess(clip):
    model = untrained(clip)
    model.use_clip(clip)
    mask = np.zeros((64, 64), bool)
    mask[10:40, 10:40] = True
    known, unknown = Prompts().mask(mask), Prompts().click(30, 30)
    assert torch.equal(logits(model, known.text(PHRASES[0])), logits(model, known))
    said = logits(model, unknown.text(PHRASES[0]))
    assert not torch.equal(said, logits(model, unknown))


def test_agreement_is_learned_where_there_is_a_phrase(clip):
    model = listening(clip)
    batch = given(Prompts().click(30, 30), Prompts().text(PHRASES[0]))
    pixels = torch.from_numpy(IMAGE).permute(2, 0, 1)[None].expand(2, -1, -1, -1)
    learned, (auxiliary,) = model.learned_logits(model.image_features(pixels), batch)
    assert auxiliary.inside is not None
    assert not auxiliary.inside[0].any()
    assert auxiliary.inside[1].all()
    assert auxiliary.logits.shape == learned.shape == (2, 1, 64, 64)
    auxiliary.logits[1].sum().backward()
    assert model.path.keys.weight.grad is not None


def test_the_file_of_a_model_holds_no_clip_and_needs_it_again(clip, folder, tmp_path):
    model, path = listening(clip), tmp_path / "model.safetensors"
    assert not any("clip" in name for name in model.state_dict())
    save_model(model, path)
    prompts = Prompts().text(PHRASES[0])
    wanted = logits(model, prompts)
    with_text = load_model(path, "cpu", text=folder)
    assert with_text.understands_text
    assert torch.equal(logits(with_text, prompts), wanted)
    without = load_model(path, "cpu")
    assert not without.understands_text
    predictor = Predictor(without)
    predictor.set_image(IMAGE)
    assert predictor.predict(Prompts().click(30, 30)).mask.shape == (64, 64)
    with pytest.raises(ValueError, match="Phrases need CLIP: give the folder"):
        predictor.predict(prompts)


def test_another_clip_than_that_of_the_training_is_refused(clip, tmp_path):
    other = read_clip(write_clip(tmp_path, seed=1))
    assert other.width == clip.width
    with pytest.raises(ValueError, match="trained with another CLIP"):
        untrained(clip).use_clip(other)


def test_a_model_without_text_says_so(folder):
    tiny = load_model("tiny", "cpu")
    assert not tiny.understands_text
    predictor = Predictor(tiny)
    predictor.set_image(IMAGE)
    with pytest.raises(ValueError, match="takes no phrases: choose one that does"):
        predictor.predict(Prompts().click(30, 30).text("a ring"))
    with pytest.raises(ValueError, match="a CLIP was given, but"):
        load_model("tiny", "cpu", text=folder)
    assert give_clip(tiny, folder) == tiny.no_text


def test_a_panel_hears_what_is_wrong_with_a_clip(clip, folder, tmp_path):
    model = untrained(clip)
    assert give_clip(model, None).startswith("Phrases need CLIP:")
    assert give_clip(model, tmp_path).startswith("That CLIP cannot be used:")
    assert give_clip(model, folder) == ""
    assert model.understands_text


# Where it looks


def test_a_phrase_alone_is_looked_for_in_the_whole_image(clip):
    model = listening(clip)
    tiled = replace(model.config, resize="pad", window="percentile")
    model.config = replace(tiled, tiling=Tiling())
    predictor = Predictor(model)
    predictor.set_image(np.tile((255 * IMAGE[..., 0]).astype(np.uint8), (4, 4)))
    assert predictor.pyramid.levels > 1
    said = Prompts().text(PHRASES[0])
    assert predictor.tile_for(said, None).level == 0
    assert predictor.tile_for(said.click(9, 9, positive=False), None).level == 0
    assert predictor.tile_for(said.click(9, 9), None).level > 0
    assert predictor.predict(said).probability.shape == (256, 256)
