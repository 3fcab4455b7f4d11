from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("accelerate", reason="training needs the extra `train`")

from napari_segnext import load_model
from napari_segnext.models import build_model
from napari_segnext.training.recipes import RECIPES, bundled_mixture
from napari_segnext.training.train import options_of, train
from napari_segnext.training.ways import follower_mixture


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_names_parameters_that_exist(name: str) -> None:
    recipe = RECIPES[name]
    if name.startswith("sam-"):
        pytest.importorskip("transformers", reason="needs the extra `sam`")
    with torch.device("meta"):
        model = build_model(recipe.config)
    names = [n for n, _ in model.named_parameters()]
    for prefix in recipe.frozen:
        assert any(n.startswith(prefix) for n in names)
    assert options_of(name).size <= recipe.config.size


def test_small_fits_twenty_megabytes_in_half_precision() -> None:
    model = build_model(RECIPES["small"].config)
    assert 2 * sum(p.numel() for p in model.parameters()) < 20e6


def test_options_that_are_given_replace_the_recipes() -> None:
    options = options_of("vitb-sa2", steps=7, rate=None, seed=3)
    assert (options.steps, options.seed, options.rate) == (7, 3, 5e-5)
    assert options.dice == 0
    with pytest.raises(ValueError, match="no recipe for 'large'"):
        options_of("large")


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="fib25_medulla_neurons"):
        bundled_mixture(tmp_path)
    with pytest.raises(FileNotFoundError, match="synthseg_label_maps"):
        follower_mixture(tmp_path)


@pytest.mark.parametrize("layout", ["pairs", "HQSeg44K"])
def test_a_plain_vit_trains_on_a_data_set(tmp_path: Path, layout: str) -> None:
    folders = {
        "pairs": ("image", "annotation"),
        "HQSeg44K": ("DIS5K/DIS-TR/im", "DIS5K/DIS-TR/gt"),
    }[layout]
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(2):
        mask = np.zeros((60, 80), np.uint8)
        mask[10:40, 20:60] = 255
        image = np.dstack([mask // 2 + rng.integers(0, 60, mask.shape)] * 3)
        jpg, png = (tmp_path / folder for folder in folders)
        Image.fromarray(image.astype(np.uint8)).save(jpg / f"{number}.jpg")
        Image.fromarray(mask).save(png / f"{number}.png")
    options = options_of("small", steps=2, images=1, workers=0, seed=1)
    out = tmp_path / "out"
    arch = {"embed_dim": 24, "depth": 2, "num_heads": 2, "fusion_depth": 1}
    path = train("small", out, tmp_path, options, layout=layout, arch=arch)
    assert load_model(path).config.arch["embed_dim"] == 24


def test_a_data_set_needs_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give the folder of pairs"):
        train("small", tmp_path, None, options_of("small"), layout="pairs")
