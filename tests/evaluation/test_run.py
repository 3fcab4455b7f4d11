"""From names and paths to a JSON file, interrupted and resumed."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from napari_segnext.evaluation import Files, Result, Settings
from napari_segnext.evaluation import run as run_evaluation
from napari_segnext.evaluation.baselines import FloodFill
from napari_segnext.evaluation.progress import ProgressFile
from napari_segnext.evaluation.results import ObjectResult
from napari_segnext.models import ModelConfig, build_model
from napari_segnext.weights import save_model

# What the command's JSON holds besides mIoU and what goes beyond the papers.
NUMBERS = "noc85 noc90 noc95 nof90 nof95 spc_ms spc_reference_ms embed_ms".split()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two images of bright rectangles, three objects."""
    arrays = {}
    rng = np.random.default_rng(0)
    for number, boxes in enumerate([[(4, 20), (30, 44)], [(10, 40)]]):
        mask = np.zeros((48, 64), np.uint8)
        for value, (first, last) in enumerate(boxes, 1):
            mask[first:last, 8:40] = value
        noise = rng.integers(0, 20, mask.shape)
        arrays[f"mask_{number:04d}"] = mask
        arrays[f"image_{number:04d}"] = (200 * (mask > 0) + noise).astype(np.uint8)
    path = tmp_path / "rectangles.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture
def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


def evaluate(
    archive: Path, quiet: Console, json: Path | None = None, **options: Any
) -> Result:
    """Evaluate flood fill, or what the options say; some of them are settings."""
    names = {"max_clicks", "first_prompt", "jitter"} & set(options)
    settings = Settings(**{"max_clicks": 4, **{n: options.pop(n) for n in names}})
    options = {"model": "flood-fill", "console": quiet, **options}
    return run_evaluation(
        dataset="pairs", data=archive, settings=settings, files=Files(json), **options
    )


def test_json_holds_the_numbers_of_the_papers(
    archive: Path, quiet: Console, tmp_path: Path
) -> None:
    path = tmp_path / "out" / "flood.json"
    result = evaluate(archive, quiet, json=path)
    written = json.loads(path.read_text())
    assert written == result.summary()
    assert written["model"] == "flood-fill"
    assert written["dataset"] == "pairs"
    assert (written["objects"], written["max_clicks"]) == (3, 4)
    assert list(written["miou"]) == ["1", "2", "3", "4"]
    assert written["miou"]["1"] > 0.8
    assert written["sat_s"] is None
    assert all(isinstance(written[name], int | float) for name in NUMBERS)
    assert written["noc85"] == result.noc(0.85)[0]
    assert written["nof95"] == result.noc(0.95)[1]
    assert written["spc_reference_ms"] >= written["spc_ms"] > 0
    assert sum(p["objects"] for p in written["by_size"].values()) == 3


def test_limit_and_table(archive: Path, quiet: Console) -> None:
    result = evaluate(archive, quiet, limit=2)
    assert [(o.sample, o.object_id) for o in result.objects] == [
        ("image_0000", 1),
        ("image_0000", 2),
    ]
    shown = quiet.file.getvalue()
    assert "flood-fill" in shown
    assert "mIoU (%) at exactly click k" in shown


class Interrupted(Exception):
    pass


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Make flood fill fail at its 6th prediction; gives the count of them."""
    calls: list[int] = []
    predict = FloodFill.predict

    def failing(self, prompts, previous=None):
        calls.append(1)
        if len(calls) == 6:
            raise Interrupted
        return predict(self, prompts, previous)

    monkeypatch.setattr(FloodFill, "predict", failing)
    yield calls


def test_interrupted_evaluation_goes_on_where_it_was(
    archive: Path, quiet: Console, tmp_path: Path, interrupted: list[int]
) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(Interrupted):
        evaluate(archive, quiet, json=path)
    assert (tmp_path / "a.partial.jsonl").exists()
    assert not path.exists()
    result = evaluate(archive, quiet, json=path)
    assert len(interrupted) == 6 + 2 * 4
    assert [(o.sample, o.object_id) for o in result.objects] == [
        ("image_0000", 1),
        ("image_0000", 2),
        ("image_0001", 1),
    ]
    assert not (tmp_path / "a.partial.jsonl").exists()
    assert len((tmp_path / "a.objects.jsonl").read_text().splitlines()) == 4
    whole = evaluate(archive, quiet)
    assert [o.ious for o in whole.objects] == [o.ious for o in result.objects]


def test_a_line_cut_off_by_a_crash_is_evaluated_again(
    archive: Path, quiet: Console, tmp_path: Path, interrupted: list[int]
) -> None:
    path, partial = tmp_path / "a.json", tmp_path / "a.partial.jsonl"
    with pytest.raises(Interrupted):
        evaluate(archive, quiet, json=path)
    partial.write_text(partial.read_text()[:-9])
    result = evaluate(archive, quiet, json=path)
    assert len(interrupted) == 6 + 3 * 4
    assert len(result.objects) == 3


def test_partial_file_of_other_settings_is_kept_and_refused(
    archive: Path, quiet: Console, tmp_path: Path, interrupted: list[int]
) -> None:
    path, partial = tmp_path / "a.json", tmp_path / "a.partial.jsonl"
    with pytest.raises(Interrupted):
        evaluate(archive, quiet, json=path)
    before = partial.read_text()
    with pytest.raises(ValueError, match="other settings; delete it"):
        evaluate(archive, quiet, json=path, jitter=0.5)
    assert partial.read_text() == before


def test_finished_evaluation_starts_anew(
    archive: Path, quiet: Console, tmp_path: Path
) -> None:
    evaluate(archive, quiet, json=tmp_path / "a.json")
    again = evaluate(archive, quiet, json=tmp_path / "a.json", max_clicks=2)
    assert len(again.miou) == 2


def test_progress_file_keeps_results_exactly(tmp_path: Path) -> None:
    result = ObjectResult("a", 1, 9, (1 / 3, 0.5), ((1, 2, 3),), 1.5, 0.1, 1, 0.25)
    file = ProgressFile(tmp_path / "p.jsonl", {"model": ["m"]})
    file.add(result)
    file.close()
    again = ProgressFile(tmp_path / "p.jsonl", {"model": ["m"]})
    again.close()
    assert again.results == [result]


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    model = build_model(ModelConfig("tiny", 64))
    path = tmp_path / "untrained.safetensors"
    save_model(model, path)
    return path


def test_model_file_is_evaluated_with_one_embedding_an_image(
    archive: Path, quiet: Console, model_file: Path
) -> None:
    options = {"model": str(model_file), "device": "cpu", "sat": True}
    result = evaluate(archive, quiet, **options)
    assert [o.embeddings for o in result.objects] == [1, 0, 1]
    summary = result.summary()
    assert summary["embed_ms"] > 0
    assert summary["sat_s"] > 0
    assert summary["embeddings_per_object"] == pytest.approx(2 / 3)


def test_wrong_names_are_refused_before_anything_runs(
    archive: Path, quiet: Console
) -> None:
    with pytest.raises(ValueError, match="unknown dataset"):
        run_evaluation("flood-fill", "nothing", archive, console=quiet)
    with pytest.raises(ValueError, match="known: click"):
        evaluate(archive, quiet, first_prompt="spiral")
    with pytest.raises(ValueError, match="for models alone"):
        evaluate(archive, quiet, sat=True)
