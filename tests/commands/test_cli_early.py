"""What is wrong with a command is told before PyTorch is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

CODE = (
    "import sys; sys.modules['torch'] = None; "
    "from napari_segnext.commands.cli import main; main()"
)

NNINTERACTIVE = "propagate image.npy --prompts p.json --out l.tif --nninteractive"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("embed image.npy --store s --model nope", "neither a file nor a known model"),
        ("embed image.npy --store s --model ois-tiny", "trained weights"),
        ("evaluate --model tiny --dataset pairs --data no", "does not exist"),
        ("finetune --data no --out o", "there is no folder no"),
        ("finetune --data . --out o --model nope", "neither a file nor a known model"),
        ("train --data no --out o", "there is no folder no"),
        (f"{NNINTERACTIVE} http://127.0.0.1:9", "start it, or correct the address"),
        (f"{NNINTERACTIVE} ftp://box", "no address of a server"),
    ],
)
def test_mistakes_are_told_without_torch(words: str, said: str, tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", np.zeros((20, 30), np.uint8))
    done = subprocess.run(
        [sys.executable, "-c", CODE, *words.split()],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
