"""Every benchmark starts, in its smallest size, prints, and writes its numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("cv2", reason="generated pictures need the extra `train`")

ROOT = Path(__file__).parents[1]
# A set of pairs, an image and its truth, and where numbers and checkpoints go.
ONE_STEP = "--validation SET --steps 1 --limit 1 --out OUT"
RUNS = {
    "ablation": (f"{ONE_STEP} --variant sa0", "OUT/ablation.json"),
    "adopt": ("--shape 4,96,96 --objects 20 --json OUT/R", "OUT/R"),
    "approximate": ("vitb-sa2 --area 0.01 --repeats 1 --json OUT/R", "OUT/R"),
    "baselines": (
        "--data SET --out OUT --limit 1 --max-clicks 1 --baseline flood-fill",
        "OUT/baselines.json",
    ),
    "busy": ("--turns 1 --count 1 --loops 1 --json OUT/R", "OUT/R"),
    "commit": (
        "--sizes 20 --repeats 1 --clicks 2 --objects 2 --json OUT/R",
        "OUT/R",
    ),
    "doubt": ("--limit 2 --json OUT/R", "OUT/R"),
    "family": (
        "--small --only tiny --turns 1 --sat-clicks 2 --json OUT/R",
        "OUT/R",
    ),
    "finding": ("--few 3 --steps 8 --json OUT/R", "OUT/R"),
    "gpu": (
        "--device cpu --small --planes 2 --objects 2 --sat-clicks 2 --seconds 0 "
        "--turns 1 --json OUT/R",
        "OUT/R",
    ),
    "gui": ("--sizes 240 --clicks 1 --json OUT/R", "OUT/R"),
    "latency": ("tiny --repeats 1 --json OUT/R", "OUT/R"),
    "needless": ("--data SET --limit 1 --json OUT/R", "OUT/R"),
    "ois": (
        "--variant full --repeats 1 " + ONE_STEP,
        "OUT/ois.json",
    ),
    "order_sources": ("--validation SET --limit 1 --json OUT/R", "OUT/R"),
    "parts": (f"{ONE_STEP} --variant own", "OUT/parts.json"),
    "propagation": ("IMAGE TRUTH --clicks 1 --json OUT/R", "OUT/R"),
    "repair": ("--shape 20,60,100 --json OUT/R", "OUT/R"),
    "sam_ref": (f"{ONE_STEP} --variant full --repeats 1", "OUT/sam_ref.json"),
    "settings": (
        "--data SET --out OUT --limit 2 --max-clicks 1 --set style.radius=5",
        "OUT/SET-click-2-1-style.radius=5.json",
    ),
    "stalls": ("--side 240 --objects 9 --json OUT/R", "OUT/R"),
    "startup": ("--repeats 1 --pauses 0 --json OUT/R", "OUT/R"),
    "steps": ("--volume IMAGE TRUTH --limit 1 --json OUT/R", "OUT/R"),
    "teaching": ("--few 5 --steps 2 --limit 3 --json OUT/R", "OUT/R"),
    "text_prompts": (
        "--out OUT --steps 1 --images 6 --unseen 1",
        "OUT/text_prompts.json",
    ),
    "together": ("--sides 64 --batches 1,2 --turns 1 --json OUT/R", "OUT/R"),
    "trace": ("--json OUT/R", "OUT/R"),
    "volumes": ("--volume mri --folder OUT --json OUT/R", "OUT/R"),
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write a rod through eight slices as a set of pairs, and as a volume."""
    folder = tmp_path_factory.mktemp("rod")
    rng = np.random.default_rng(0)
    truth = np.zeros((8, 64, 64), np.uint8)
    truth[1:7, 20:40, 18:40] = 1
    image = rng.integers(0, 40, truth.shape, np.uint8) + 150 * truth
    pairs = {f"image_{i:04}": image[i] for i in range(1, 7)}
    pairs |= {f"mask_{i:04}": truth[i] for i in range(1, 7)}
    found = {name: folder / f"{name}.nii.gz" for name in ("IMAGE", "TRUTH")}
    found["SET"] = folder / "SET.npz"
    np.savez(found["SET"], **pairs)
    for path, array in zip(found.values(), (image, truth), strict=False):
        nib.save(nib.Nifti1Image(array.T, np.eye(4)), path)
    return found


def test_every_benchmark_has_a_smallest_run() -> None:
    assert {path.stem for path in ROOT.glob("benchmarks/*.py")} == set(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_it_prints_and_writes_numbers(
    name: str, places: dict[str, Path], tmp_path: Path
) -> None:
    arguments, written = RUNS[name]
    named = {**places, "OUT": tmp_path}

    def placed(text: str) -> str:
        start, slash, rest = text.partition("/")
        return f"{named.get(start, start)}{slash}{rest}"

    command = [sys.executable, "-m", f"benchmarks.{name}"]
    done = subprocess.run(
        [*command, *map(placed, arguments.split())],
        cwd=ROOT,
        env={**os.environ, "NAPARI_SEGNEXT_DATA": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip()
    assert json.loads(Path(placed(written)).read_text())
