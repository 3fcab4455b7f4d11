"""Tables and plots: what is measured, and what is quoted and says so."""

from __future__ import annotations

import builtins
import io
from pathlib import Path

import pytest
from rich.console import Console

from napari_segnext.evaluation import ObjectResult, Result, Settings
from napari_segnext.evaluation.report import plot, show, table


def result(dataset: str = "ssTEM", **settings) -> Result:
    objects = [
        ObjectResult(f"{n}", 1, area, (0.5, 0.7, 0.9), (), 30.0, 8.0, n % 2, 0.1)
        for n, area in enumerate([100, 5000, 90000])
    ]
    return Result("tiny", dataset, objects, Settings(3, **settings))


def text(made) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(made)
    return console.file.getvalue()


def test_summary_numbers_are_means_over_what_they_name() -> None:
    summary = result().summary()
    assert summary["miou"] == {"1": 0.5, "2": pytest.approx(0.7), "3": 0.9}
    assert summary["spc_ms"] == pytest.approx(10)
    assert summary["spc_reference_ms"] == pytest.approx(1e3 * 0.3 / 9)
    assert summary["embed_ms"] == 24
    assert (summary["noc85"], summary["nof85"]) == (3, 3)
    assert list(summary["by_size"]) == ["small", "medium", "large"]


def test_table_shows_percent_sizes_and_quoted_rows() -> None:
    shown = text(table([result()]))
    assert "50.00" in shown and "90.00" in shown
    assert all(f"  {size}" in shown for size in ("small", "medium", "large"))
    quoted = [line for line in shown.splitlines() if "94.11" in line]
    assert not quoted, "a number for click 10 in a table that ends at 3"


def test_quoted_numbers_are_marked_and_stand_under_click_10() -> None:
    objects = [ObjectResult("a", 1, 9, (0.5,) * 10, (), 1.0, 0.0, 0, 0.1)]
    shown = text(table([Result("tiny", "BraTS", objects, Settings(10))]))
    (row,) = [line for line in shown.splitlines() if "88.34" in line]
    assert "quoted: RITM" in row
    assert "quoted" not in text(table([result("pairs")]))


def test_what_differs_from_the_papers_is_said_in_the_name() -> None:
    assert "tiny (box first, jitter 0.3, crops x 2)" in text(
        table([result(first_prompt="box", jitter=0.3, crop=2.0)])
    )


def test_plot_is_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot([result(), result(jitter=0.5)], tmp_path / "sub" / "curve.png")
    content = (tmp_path / "sub" / "curve.png").read_bytes()
    assert content.startswith(b"\x89PNG")


def test_plot_without_matplotlib_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *rest, **options):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"napari-segnext\[eval\]"):
        plot([result()], tmp_path / "curve.png")


def test_a_file_gets_the_whole_table() -> None:
    console = Console(file=io.StringIO(), width=40)
    made = Result("a-model-of-24-characters", "BraTS", result().objects, Settings(20))
    show([made], console)
    shown = console.file.getvalue()
    assert "…" not in shown
    assert "a-model-of-24-characters" in shown
