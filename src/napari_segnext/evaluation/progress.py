"""Finished objects on disk, so that an interrupted evaluation goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_segnext.evaluation.results import ObjectResult


class ProgressFile:
    """A file of JSON lines: what is evaluated, then one finished object a line.

    Parameters
    ----------
    path
        Made if it does not exist; else it is read, and a last line that was cut
        off by an interruption is dropped.
    run
        What is evaluated and how; plain values.

    Raises
    ------
    ValueError
        If the file belongs to another evaluation.
    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self.path = path
        self.results: list[ObjectResult] = []
        lines = _complete_lines(path)
        if lines and json.loads(lines[0]) != dict(run):
            raise ValueError(
                f"{path} holds an unfinished evaluation with other settings; delete "
                "it, or write this one to another --json file"
            )
        self.results = [_parse(line) for line in lines[1:]]
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        fresh.write_text("".join(f"{x}\n" for x in lines or [json.dumps(dict(run))]))
        os.replace(fresh, path)
        self._file = path.open("a")

    def add(self, result: ObjectResult) -> None:
        """Write one finished object."""
        self.results.append(result)
        self._file.write(json.dumps(asdict(result)) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file; it stays for the next attempt."""
        self._file.close()


def _complete_lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    lines = path.read_text().split("\n")[:-1]
    while lines:
        try:
            json.loads(lines[-1])
            break
        except ValueError:
            lines.pop()
    return lines


def _parse(line: str) -> ObjectResult:
    values = json.loads(line)
    values["ious"] = tuple(values["ious"])
    values["clicks"] = tuple(tuple(click) for click in values["clicks"])
    return ObjectResult(**values)
