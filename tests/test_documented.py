"""What README, the page on Python and the notebooks show runs as it stands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def blocks(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)


def run(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("block", blocks("README.md"), ids=["volume", "image"])
def test_blocks_of_the_readme_run_each_for_itself(block: str, tmp_path: Path) -> None:
    run(block, tmp_path)


def test_the_page_on_python_runs_from_top_to_bottom(tmp_path: Path) -> None:
    told = "print(scan.data.shape, scan.axis_labels, labels.shape, labels.max())"
    out = run("\n".join([*blocks("docs/python.md"), told]), tmp_path)
    assert out.endswith("(24, 96, 128) ('z', 'y', 'x') (12, 200, 240) 1\n")
    names = {path.name for path in tmp_path.iterdir()}
    assert names >= {"ventricle.nii.gz", "labels.tif"}


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("docs/notebooks/*.ipynb")), ids=lambda p: p.stem
)
def test_notebooks_run_and_hold_no_outputs(path: Path, tmp_path: Path) -> None:
    if path.stem == "finetune":
        pytest.importorskip("accelerate", reason="needs the extra `train`")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    run("\n".join("".join(cell["source"]) for cell in code), tmp_path)
