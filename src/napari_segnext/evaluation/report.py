"""Results for people and for programs: table, JSON, mIoU-over-clicks plot."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from napari_segnext.evaluation.results import Result

# Clicks whose mIoU the table shows.
_SHOWN = (1, 3, 5, 10, 20)
# Columns of a page on which the table fits.
_WIDTH = 120


class Quoted(NamedTuple):
    """A published number that was not measured here."""

    method: str
    zooms_in: bool
    miou10: Mapping[str, float]


# Liu et al., CVPR 2024, table of the out-of-domain evaluation: 10-mIoU in percent.
QUOTED = (
    Quoted("CDNet ResNet-34", True, {"ssTEM": 88.46, "BraTS": 80.24}),
    Quoted("RITM HRNet32", True, {"ssTEM": 94.11, "BraTS": 88.34}),
    Quoted("FocalClick SegF-B0-S2", True, {"ssTEM": 92.62, "BraTS": 86.02}),
    Quoted("FocalClick SegF-B3-S2", True, {"ssTEM": 93.61, "BraTS": 88.62}),
    Quoted("SimpleClick ViT-B", True, {"ssTEM": 93.72, "BraTS": 86.98}),
    Quoted("SAM ViT-B", False, {"ssTEM": 91.58, "BraTS": 87.03}),
    Quoted("SegNext ViT-B SA x1", False, {"ssTEM": 90.86, "BraTS": 86.50}),
    Quoted("SegNext ViT-B SA x2", False, {"ssTEM": 92.87, "BraTS": 87.29}),
)


def write_json(result: Result, path: Path) -> None:
    """Write a result's summary; a file that is there is replaced at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(result.summary(), indent=2) + "\n")
    os.replace(fresh, path)


def table(results: Sequence[Result]) -> Table:
    """Return a table of results on one set.

    Parts by object size follow each result; published numbers for the set follow
    at the end, marked as quoted.
    """
    shown = [k for k in _SHOWN if k <= max(r.settings.max_clicks for r in results)]
    title = f"{results[0].dataset}: mIoU (%) at exactly click k"
    # Padding and rules are left out so that a number is not cut.
    made = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    made.add_column("model", overflow="fold", min_width=20)
    made.add_column("objects", justify="right", no_wrap=True)
    for k in shown:
        made.add_column(str(k), justify="right", no_wrap=True)
    for name in ("NoC85", "NoC90", "NoC95", "NoF95", "ms/click", "ms/embed"):
        made.add_column(name, justify="right", no_wrap=True)
    for result in results:
        made.add_row(*_row(result, shown))
        parts = result.by_size()
        for size, part in parts.items() if len(parts) > 1 else ():
            made.add_row(*_row(part, shown, f"  {size}"), style="dim")
    for method, zooms_in, miou10 in _quoted(results[0].dataset):
        zoom = ", zooms in" if zooms_in else ""
        cells = [f"{miou10:.2f}" if k == 10 else "" for k in shown]
        made.add_row(f"quoted: {method}{zoom}", "", *cells, style="italic")
    return made


def show(results: Sequence[Result], console: Console) -> None:
    """Print a table; where there is no terminal, as wide as it needs to be."""
    if not console.is_terminal:
        console = Console(file=console.file, width=max(console.width, _WIDTH))
    console.print(table(results))
    for result in results:
        if given := result.given():
            console.print(
                f"{result.model}: mIoU {100 * given['miou']:.2f} after the "
                f"{given['prompts']:.1f} prompts that were given, on average; clicks "
                "after those, up to the last column, are simulated"
            )


def _quoted(dataset: str) -> list[tuple[str, bool, float]]:
    return [
        (row.method, row.zooms_in, row.miou10[dataset])
        for row in QUOTED
        if dataset in row.miou10
    ]


def _row(result: Result, shown: Sequence[int], name: str | None = None) -> list[str]:
    summary, miou = result.summary(), result.miou
    return [
        name or _name(result),
        str(summary["objects"]),
        *(f"{100 * miou[k - 1]:.2f}" if k <= len(miou) else "" for k in shown),
        f"{summary['noc85']:.2f}",
        f"{summary['noc90']:.2f}",
        f"{summary['noc95']:.2f}",
        str(summary["nof95"]),
        f"{summary['spc_ms']:.0f}",
        f"{summary['embed_ms']:.0f}" if summary["embed_ms"] else "",
    ]


def _name(result: Result) -> str:
    """Return the model's name with what differs from the papers' protocol."""
    settings, notes = result.settings, []
    if settings.first_prompt != "click":
        notes.append(f"{settings.first_prompt} first")
    if settings.jitter:
        notes.append(f"jitter {settings.jitter:g}")
    if settings.crop is not None:
        notes.append(f"crops x {settings.crop:g}")
    name = Path(result.model).name
    return f"{name} ({', '.join(notes)})" if notes else name


def require_matplotlib() -> Any:
    """Return ``matplotlib.figure``.

    Raises
    ------
    ImportError
        With what to install.
    """
    try:
        import matplotlib.figure
    except ImportError as error:
        raise ImportError(
            "the plot needs matplotlib: pip install 'napari-segnext[eval]'"
        ) from error
    return matplotlib.figure


def plot(results: Sequence[Result], path: Path) -> None:
    """Draw the mean IoU over clicks of results on one set into a PNG.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    """
    figure = require_matplotlib().Figure(figsize=(6, 4), dpi=150, layout="tight")
    axes = figure.add_subplot()
    for result in results:
        clicks = range(1, len(result.miou) + 1)
        axes.plot(clicks, result.miou, marker="o", markersize=3, label=_name(result))
    for method, _, miou10 in _quoted(results[0].dataset):
        axes.plot(10, miou10 / 100, "x", label=f"quoted: {method}")
    axes.set(xlabel="clicks", ylabel="mIoU", title=results[0].dataset, ylim=(0, 1))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png")
