"""The benchmark of steps from plane to plane: how it links, and that it runs."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

pytest.importorskip("cv2", reason="generated stacks need the extra `train`")

PATH = Path(__file__).parents[1] / "benchmarks" / "steps.py"


@pytest.fixture(scope="module")
def steps():
    spec = importlib.util.spec_from_file_location("benchmark_steps", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look their annotations up there.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_instances_are_linked_where_each_has_one_partner(steps) -> None:
    sections = [np.zeros((40, 40), np.int64) for _ in range(4)]
    for index, section in enumerate(sections):
        section[2:10, 2 + index : 10 + index] = 7 + index
        # Too short, and one that branches in the third section.
        if index < 2:
            section[14:20, 2:10] = 1
        section[25:35, 5:25] = 3
    sections[2][25:35, 14:16] = 0
    sections[2][25:35, 16:25] = 4
    (found,) = steps.linked(sections)
    assert list(found.masks) == [0, 1, 2, 3]
    for index, mask in found.masks.items():
        np.testing.assert_array_equal(mask, sections[index] == 7 + index)


def test_the_smallest_run_measures_every_way(steps, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images, masks = rng.integers(0, 40, (2, 4, 64, 64), np.uint8)
    masks[:] = 0
    for index in range(4):
        masks[index, 20:40, 18 + index : 40 + index] = 1
    images += 150 * masks
    arrays = {f"image_{i:04}": image for i, image in enumerate(images)}
    arrays |= {f"mask_{i:04}": mask for i, mask in enumerate(masks)}
    np.savez(tmp_path / "rod.npz", **arrays)
    app = Typer()
    app.command()(steps.main)
    out = tmp_path / "out.json"
    given = ["--stack", str(tmp_path / "rod.npz"), "--json", str(out)]
    result = CliRunner().invoke(app, given, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    numbers = json.loads(out.read_text())["series"]["rod"]
    assert numbers["objects"] == 1
    assert numbers["planes"] == 3
    assert set(numbers["iou"]) == {*steps.STEPS, "propagated"}
    # One of 22 columns differs on either side.
    assert numbers["iou"]["copied"]["1"] == pytest.approx(21 / 23)
