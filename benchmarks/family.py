"""What each model of the family costs: parameters, embedding, click, segment anything.

SegNext with no, one and two self-attention blocks, OIS and its paper's ablations,
refiners, SAM, HQ-SAM and SAM 2, with random weights of the published shapes, in plain
PyTorch. Machines are shared, so all rows are measured in one run, one after the other
and then again, ``--turns`` times; the best counts. On a CPU times are CPU seconds with
one thread, on a GPU wall seconds. Ratios are to the row ``--against``.

A click is the second one, with the mask of the first. The segment-anything task is one
embedding and 256 single clicks, 16 x 16 over the image; with less than 256
``--sat-clicks`` it is extrapolated from so many, and the table says so.

    python -m benchmarks.family --json RESULT.json
    python -m benchmarks.family --small   # models as light as `tiny`, in a minute
"""

from __future__ import annotations

import json as json_format
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from benchmarks.latency import SAT_CLICKS, image_of, prompts_of, seconds
from benchmarks.ois import VARIANTS
from rich.console import Console
from rich.table import Table

from napari_segnext.geometry.frame import Frame
from napari_segnext.models import ModelConfig, SegmentationModel, build_model
from napari_segnext.models.reference import reference_config
from napari_segnext.prompts import ModelPrompts, Prompts
from napari_segnext.training.recipes import RECIPES

COLUMNS = {"embed_ms": "embed, ms", "click_ms": "click, ms", "sat_s": "SAT, s"}


def ois(name: str, title: str) -> dict[str, ModelConfig]:
    """Return a recipe's OIS and its ablations."""
    config = RECIPES[name].config
    taken_apart = {v: f for v, f in VARIANTS.items() if f and v.startswith("w/o")}
    return {title: config} | {
        f"{title} {variant}": replace(config, arch={**config.arch, "fusion": fusion})
        for variant, fusion in taken_apart.items()
    }


FAMILY = {
    **{f"SegNext SA x{n}": reference_config(f"vitb-sa{n}") for n in range(3)},
    "SegNext SA x2 + refiner": RECIPES["vitb-sa2-ref"].config,
    **ois("ois-base", "OIS"),
    "SAM ViT-B": reference_config("sam-vitb"),
    "SAM ViT-B + refiner": RECIPES["sam-vitb-ref"].config,
    "HQ-SAM ViT-B": reference_config("sam-hq-vitb"),
    "SAM 2 Hiera-T": reference_config("sam2-tiny"),
    "SAM 2 Hiera-B+": reference_config("sam2-base-plus"),
}
SMALL = {
    "tiny": RECIPES["tiny"].config,
    "tiny + refiner": RECIPES["tiny-ref"].config,
    **ois("ois-tiny", "OIS tiny"),
}


def sat_prompts(model: SegmentationModel, count: int) -> list[ModelPrompts]:
    """Return `count` of the 256 single clicks, evenly spaced over the image."""
    size = model.config.size
    side = round(SAT_CLICKS**0.5)
    frame = Frame(0, 0, size, size, size)
    cells = np.linspace(0, SAT_CLICKS - 1, count).round().astype(int)
    centres = (np.stack([cells // side, cells % side], 1) + 0.5) * size / side
    style = model.config.style
    return [Prompts().click(*at).to_model(frame, style) for at in centres]


def least(step: Callable[[], Any], device: str, timed_s: float = 1.0) -> float:
    """Return the least time of a step, run once and again until `timed_s` are over."""
    taken = [seconds(step, device)]
    while sum(taken) < timed_s:
        taken.append(seconds(step, device))
    return min(taken)


@torch.inference_mode()
def measure(config: ModelConfig, device: str, sat_clicks: int) -> dict[str, float]:
    """Time one model once."""
    torch.manual_seed(0)
    model = build_model(config).eval().to(device)
    image, held = image_of(config.size), []

    def embed() -> None:
        held[:] = [model.encode(image)]

    def answer(prompts: ModelPrompts) -> torch.Tensor:
        return model.decode(held[0], prompts).logits

    if device != "cpu":  # kernels are chosen at first
        embed()
    embed_s = least(embed, device)
    probability = answer(prompts_of(model, None)).float().sigmoid().cpu().numpy()
    following = prompts_of(model, probability)
    click_s = least(lambda: answer(following), device)
    # The first one may compute what the others use.
    first, *others = (
        seconds(partial(answer, prompts), device)
        for prompts in sat_prompts(model, sat_clicks)
    )
    rest = (SAT_CLICKS - 1) * float(np.mean(others))
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "embed_ms": 1e3 * embed_s,
        "click_ms": 1e3 * click_s,
        "sat_s": embed_s + first + rest,
    }


def show(rows: Mapping[str, Mapping[str, float]], against: str, title: str) -> None:
    """Print the table, with each time's ratio to one row."""
    table = Table("Model", "parameters, M", *COLUMNS.values(), title=title)
    for name, row in rows.items():
        cells = [
            f"{row[key]:.3g} ({row[key] / rows[against][key]:.2f})" for key in COLUMNS
        ]
        table.add_row(name, f"{row['parameters'] / 1e6:.2f}", *cells)
    Console().print(table)


def main(
    only: Annotated[
        list[str] | None, typer.Option(help="A row; may be repeated. Default: all.")
    ] = None,
    small: Annotated[bool, typer.Option(help="The light models instead.")] = False,
    against: Annotated[
        str | None, typer.Option(help="Row of the ratios. Default: SegNext SA x2.")
    ] = None,
    sat_clicks: Annotated[
        int, typer.Option(min=2, max=SAT_CLICKS, help="Of 256, that are timed.")
    ] = 8,
    turns: Annotated[int, typer.Option(min=1, help="The best of so many.")] = 2,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    json: Annotated[Path | None, typer.Option(help="Where the numbers go.")] = None,
) -> None:
    family = SMALL if small else FAMILY
    names = only or list(family)
    unknown = {*names, against or names[0]} - set(family)
    if unknown:
        raise typer.BadParameter(f"no row {unknown}; there are {', '.join(family)}")
    torch.set_num_threads(1)
    usual = "SegNext SA x2" if "SegNext SA x2" in names else names[0]
    place = "1 thread, CPU time" if device == "cpu" else torch.cuda.get_device_name()
    result: dict[str, Any] = {
        "device": place,
        "turns": turns,
        "sat_clicks_timed": sat_clicks,
        "sat_extrapolated": sat_clicks < SAT_CLICKS,
        "against": against if against in names else usual,
        "rows": {},
    }
    for turn in range(turns):
        for name in names:
            Console(stderr=True).print(f"turn {turn + 1} of {turns}: {name}")
            found = measure(family[name], device, sat_clicks)
            known = result["rows"].get(name, found)
            result["rows"][name] = {key: min(found[key], known[key]) for key in found}
            if json is not None:  # what is there survives an interruption
                json.write_text(json_format.dumps(result, indent=2) + "\n")
    sat = "measured" if sat_clicks == SAT_CLICKS else f"from {sat_clicks} of 256 clicks"
    base = result["against"]
    show(result["rows"], base, f"{place}; SAT {sat}; in brackets the ratio to {base}")


if __name__ == "__main__":
    typer.run(main)
