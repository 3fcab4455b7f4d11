"""A next click of SegNext ViT-B with the engine ``approximate``, by the object's size.

The previous mask is a disk, the second click is beside it, the weights are random and
draw nothing: where a mask grows by more than a token, a second decode follows, which is
not timed here. In turns with the exact decode and with a plain textbook version of the
same weights, because machines are shared: what counts are the ratios. Times are CPU
seconds with one thread, wall seconds with more. How often the masks of trained weights
are the exact ones, `napari-segnext models verify NAME --engine approximate` tells.

    python -m benchmarks.approximate --json RESULT.json
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from benchmarks.latency import RANDOM, image_of, model_named, seconds
from benchmarks.ois import show, write
from tests.models.plain_segnext import PlainSegNext

from napari_segnext.geometry.frame import Frame
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.models.fast import ApproximateDecoder, ExactDecoder
from napari_segnext.models.segnext import SegNext
from napari_segnext.prompts import Prompts

AREAS = (0.01, 0.03, 0.1, 0.2, 0.3)
# How soft the outline of the previous mask is, in pixels.
SOFT = 6


def disk(size: int, area: float) -> FloatArray:
    """(size, size) probabilities: a disk in the middle, of a share of the image."""
    away = np.abs(np.arange(size) - size / 2)
    outside = np.hypot(away[:, None], away) - size * np.sqrt(area / np.pi)
    found: FloatArray = 1 / (1 + np.exp(outside.clip(-60, 60) / SOFT))
    return found.astype(np.float32)


def dense_map(model: SegNext, area: float) -> torch.Tensor:
    """(3, S, S): a click in the disk, one beside it, and the disk."""
    size = model.config.size
    beside = round(size * (0.5 + np.sqrt(area / np.pi))) + 3 * SOFT
    prompts = Prompts().click(size // 2, size // 2)
    prompts = prompts.click(size // 2, beside, positive=False)
    frame = Frame(0, 0, size, size, size)
    given = prompts.to_model(frame, model.config.style, disk(size, area))
    return torch.from_numpy(given.dense)


@torch.inference_mode()
def rows_of(name: str, areas: list[float], repeats: int) -> list[dict[str, Any]]:
    """Measure a row for each size of object."""
    model = model_named(RANDOM + name, "cpu")
    assert isinstance(model, SegNext)
    bias = model.head.seg_conv.bias
    assert bias is not None
    bias.fill_(-1e3)
    image = model.encode(image_of(model.config.size)).tensors["image"]
    plain = PlainSegNext(model.state_dict(), model.config.size, model.config.arch)
    exact, approximate = ExactDecoder(model), ApproximateDecoder(model)
    rows = []
    for area in areas:
        dense = dense_map(model, area)
        steps = (
            partial(plain.low_logits, image[None], dense[None]),
            partial(exact, image, dense),
            partial(approximate, image, dense),
        )
        for step in steps[1:]:
            # What is remembered of an image is there at a next click.
            step()
        turns = [[seconds(step, "cpu") for step in steps] for _ in range(repeats)]
        found = np.array(turns)
        ratios = found[:, 0] / found[:, 2]
        rows.append(
            {
                "area": area,
                "threads": torch.get_num_threads(),
                "cells_in_full": float(approximate.near(dense).float().mean()),
                "textbook_s": float(np.median(found[:, 0])),
                "exact_s": float(np.median(found[:, 1])),
                "approximate_s": float(np.median(found[:, 2])),
                "ratio": float(np.median(ratios)),
                "least_ratio": float(ratios.min()),
                "largest_ratio": float(ratios.max()),
                "ratio_to_exact": float(np.median(found[:, 1] / found[:, 2])),
            }
        )
    return rows


def main(
    model: Annotated[str, typer.Argument(help="Published; random weights.")] = (
        "vitb-sa2"
    ),
    area: Annotated[list[float] | None, typer.Option(help="Of the image.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Turns.")] = 3,
    threads: Annotated[int, typer.Option(min=1, help="Of the CPU.")] = 1,
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
) -> None:
    torch.set_num_threads(threads)
    rows = rows_of(model, list(area or AREAS), repeats)
    show(rows)
    if json is not None:
        write(rows, json)


if __name__ == "__main__":
    typer.run(main)
