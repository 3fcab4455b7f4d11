"""Prove that phrases work: which of two objects is segmented when one is named.

Writes generated images of two objects with their names as a folder of phrases, trains
`text-tiny` on it with a frozen CLIP text encoder of random weights (no trained
checkpoint is needed to tell sixteen phrases apart), and asks for both objects of images
that it has not seen: by phrase, by phrase and a negative click in one go (on the other
object; on the ground, where it tells nothing), by phrase and then a negative click on
what is wrong, and by a click alone. An answer is right if its IoU with the object that
was named is above 0.5 and above that with the other one. An interrupted training goes
on where it was.

    OMP_NUM_THREADS=1 python -m benchmarks.text_prompts --out DIR
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from rich.console import Console
from rich.table import Table

from napari_segnext import Prediction, Predictor, Prompts, load_model
from napari_segnext.geometry.frame import BoolArray
from napari_segnext.models import build_model
from napari_segnext.models.research.text.clip import read_clip
from napari_segnext.models.research.text.prompted import TextPrompted
from napari_segnext.training.clicks import Trainer
from napari_segnext.training.generated.named import PHRASES, NamedPair, named_pair
from napari_segnext.training.generated.random_clip import write_random_clip
from napari_segnext.training.named import named_objects
from napari_segnext.training.phrases import write_phrases
from napari_segnext.training.recipes import RECIPES, data_set
from napari_segnext.training.simulate import depth
from napari_segnext.training.train import options_of
from napari_segnext.weights import save_model

SIDE = 96
_TRAINING, _UNSEEN = 1, 2


@dataclass(frozen=True, slots=True)
class Question:
    """One object of an unseen image, and the other one."""

    pair: NamedPair
    phrase: str
    named: BoolArray
    other: BoolArray

    @property
    def alike(self) -> bool:
        """Whether the objects have their look or their shape in common."""
        first, second = (set(p.split()) for p in self.pair.phrases)
        return bool(first & second)


Asking = Callable[[Predictor, Question], BoolArray]


def write_folder(folder: Path, count: int) -> None:
    """Write generated images, their labels and phrases, unless they are there."""
    if (folder / "phrases.csv").is_file():
        return
    rows = []
    for kind in ("image", "annotation"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pair = named_pair(np.random.default_rng([_TRAINING, number]), SIDE)
        name = f"pair{number:05d}"
        Image.fromarray(pair.image).save(folder / "image" / f"{name}.png")
        labels = pair.labels.astype(np.uint8)
        Image.fromarray(labels).save(folder / "annotation" / f"{name}.png")
        rows += [(name, label, p) for label, p in enumerate(pair.phrases, 1)]
    write_phrases(folder, rows)


def trained(
    out: Path, folder: Path, clip_folder: Path, steps: int, seed: int, workers: int
) -> Path:
    """Train, or go on; return the model file."""
    recipe, clip = RECIPES["text-tiny"], read_clip(clip_folder)
    arch = {**recipe.config.arch, "text_width": clip.width, "clip": clip.digest}
    config = replace(recipe.config, size=SIDE, arch=arch)
    options = options_of(
        "text-tiny", steps=steps, seed=seed, workers=workers, size=SIDE, images=6,
        objects=2, corrections=1, rate=1.5e-3,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = build_model(config)
    assert isinstance(model, TextPrompted)
    assert recipe.start is not None
    recipe.start(model)
    model.use_clip(clip)
    for name, parameter in model.named_parameters():
        parameter.requires_grad &= not name.startswith(recipe.frozen)
    crop = named_objects(config.resize, whole=1.0)
    sources = data_set("phrases", folder, config)
    trainer = Trainer(model, sources, out, options, crop)
    network = trainer.run(Console().print)
    path = out / "model.safetensors"
    save_model(network, path)
    return path


def _deepest(mask: BoolArray) -> tuple[float, float]:
    distance = depth(mask)
    y, x = np.unravel_index(distance.argmax(), distance.shape)
    return float(y), float(x)


def by_phrase(predictor: Predictor, asked: Question) -> BoolArray:
    """Give the phrase alone."""
    return predictor.predict(Prompts().text(asked.phrase)).mask


def refusing(predictor: Predictor, asked: Question) -> BoolArray:
    """Give the phrase and a negative click on the other object, at once."""
    prompts = Prompts().text(asked.phrase).click(*_deepest(asked.other), positive=False)
    return predictor.predict(prompts).mask


def doubting(predictor: Predictor, asked: Question) -> BoolArray:
    """Give the phrase and a negative click that tells nothing: far from both."""
    ground = ~(asked.named | asked.other)
    prompts = Prompts().text(asked.phrase).click(*_deepest(ground), positive=False)
    return predictor.predict(prompts).mask


def corrected(predictor: Predictor, asked: Question) -> BoolArray:
    """Give the phrase, then a negative click on what is wrong, if anything is."""
    prompts = Prompts().text(asked.phrase)
    first: Prediction = predictor.predict(prompts)
    wrong = first.mask & ~asked.named
    if not wrong.any():
        return first.mask
    return predictor.predict(
        prompts.click(*_deepest(wrong), positive=False), first
    ).mask


def by_click(predictor: Predictor, asked: Question) -> BoolArray:
    """Give a click without a phrase."""
    return predictor.predict(Prompts().click(*_deepest(asked.named))).mask


ASKED: dict[str, Asking] = {
    "phrase": by_phrase,
    "phrase, negative click on the other": refusing,
    "phrase, negative click on the ground": doubting,
    "phrase, then negative click on the error": corrected,
    "click, no phrase": by_click,
}


def questions(images: int) -> list[Question]:
    """Return both objects of images that no training has seen."""
    asked = []
    for number in range(images):
        pair = named_pair(np.random.default_rng([_UNSEEN, number]), SIDE)
        first, second = pair.labels == 1, pair.labels == 2
        asked.append(Question(pair, pair.phrases[0], first, second))
        asked.append(Question(pair, pair.phrases[1], second, first))
    return asked


def _iou(one: BoolArray, other: BoolArray) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))


def judge(predictor: Predictor, asked: list[Question]) -> list[dict[str, object]]:
    """Return a row for each way of asking: how often the answer was right."""
    right: dict[str, list[bool]] = {way: [] for way in ASKED}
    overlap: dict[str, list[float]] = {way: [] for way in ASKED}
    for question in asked:
        predictor.set_image(question.pair.image)
        for way, ask in ASKED.items():
            mask = ask(predictor, question)
            good, bad = _iou(mask, question.named), _iou(mask, question.other)
            right[way].append(good > 0.5 and good > bad)
            overlap[way].append(good)
    alike = np.array([question.alike for question in asked])
    rows: list[dict[str, object]] = []
    for way in ASKED:
        hits = np.array(right[way])
        both = hits.reshape(-1, 2).all(1)
        rows.append(
            {
                "prompts": way,
                "objects": len(hits),
                "right": float(hits.mean()),
                "both of an image": float(both.mean()),
                "one word in common": float(hits[alike].mean()),
                "none in common": float(hits[~alike].mean()),
                "mean IoU": float(np.mean(overlap[way])),
            }
        )
    return rows


def main(
    out: Annotated[Path, typer.Option(help="Folder for data, checkpoint, results.")],
    steps: Annotated[int, typer.Option(help="Of training.")] = 1300,
    images: Annotated[int, typer.Option(help="To train with.")] = 2500,
    unseen: Annotated[int, typer.Option(help="Images to ask about.")] = 200,
    seed: int = 0,
    workers: Annotated[int, typer.Option(help="Loader processes.")] = 0,
) -> None:
    torch.set_num_threads(1)
    words = {word for phrase in PHRASES for word in phrase.split()}
    clip = write_random_clip(out / "clip", words, seed)
    write_folder(out / "data", images)
    path = trained(out, out / "data", clip, steps, seed, workers)
    predictor = Predictor(load_model(path, device="cpu", text=clip))
    rows = judge(predictor, questions(unseen))
    result = {
        "phrases": PHRASES, "steps": steps, "images": images, "unseen": unseen,
        "rows": rows,
    }  # fmt: skip
    (out / "text_prompts.json").write_text(json.dumps(result, indent=2) + "\n")
    table = Table(*rows[0], box=None)
    for row in rows:
        table.add_row(
            *(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values())
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
