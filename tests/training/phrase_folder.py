"""A folder of generated pairs, as a user would lay it out, and a CLIP for its words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from napari_segnext.training.generated.named import PHRASES, NamedPair, named_pair
from napari_segnext.training.generated.random_clip import write_random_clip
from napari_segnext.training.phrases import write_phrases


def write_pairs(folder: Path, count: int, side: int = 64) -> list[NamedPair]:
    for kind in ("image", "annotation"):
        (folder / kind).mkdir(parents=True)
    pairs = [named_pair(np.random.default_rng(n), side) for n in range(count)]
    rows = []
    for number, pair in enumerate(pairs):
        Image.fromarray(pair.image).save(folder / "image" / f"p{number}.png")
        labels = Image.fromarray(pair.labels.astype(np.uint8))
        labels.save(folder / "annotation" / f"p{number}.png")
        rows += [(f"p{number}", n, phrase) for n, phrase in enumerate(pair.phrases, 1)]
    write_phrases(folder, rows)
    return pairs


def write_clip(folder: Path, seed: int = 0) -> Path:
    words = {word for phrase in PHRASES for word in phrase.split()}
    return write_random_clip(folder, words, seed)
