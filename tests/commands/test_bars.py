"""How far long work is: a bar with the time left."""

from __future__ import annotations

import os
import subprocess
import sys

from napari_segnext.commands.bars import reported

CODE = (
    "import sys; sys.argv = ['napari-segnext']; "
    "from napari_segnext.commands.cli import main; main()"
)


def test_a_training_has_a_bar_once_it_reports(capsys) -> None:
    shown: list[float] = []
    with reported(300, lambda row: shown.append(row["step"])) as report:
        assert capsys.readouterr().err == ""
        report({"step": 120.0, "loss": 0.5})
        report({"step": 300.0, "loss": 0.4})
    assert shown == [120.0, 300.0]
    assert "training" in (last := capsys.readouterr().err) and "300/300" in last


def test_the_shell_completes_commands_and_options() -> None:
    words = {"COMP_WORDS": "napari-segnext propagate --pro", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, **words, "_NAPARI_SEGNEXT_COMPLETE": "complete_bash"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["--prompts"]
