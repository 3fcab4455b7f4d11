"""The documentation's site, and the README as PyPI and the napari hub show it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from readme_renderer import markdown

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = "napari-segnext/napari-segnext"


def run(*command: str) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", *command]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def readme() -> str:
    """Return the README of the package's metadata, as HTML."""
    shown = run("hatchling", "metadata")
    assert shown.returncode == 0, shown.stderr
    rendered = markdown.render(json.loads(shown.stdout)["readme"]["text"])
    assert rendered, "PyPI cannot render the README"
    return str(rendered)


def test_readme_of_the_package_links_to_nothing_beside_it(readme) -> None:
    links = re.findall(r'(?:href|src)="([^"]+)"', readme)
    assert len(links) > 20
    relative = [link for link in links if not link.startswith(("https://", "#"))]
    assert not relative


def test_files_that_the_readme_of_the_package_links_to_exist(readme) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    places = rf"https://(?:github\.com/{REPOSITORY}/blob|raw\.\w+\.com/{REPOSITORY})"
    paths = re.findall(rf'"{places}/v{re.escape(version)}/([^"#]+)', readme)
    assert paths
    missing = [path for path in paths if not (ROOT / path).is_file()]
    assert not missing


def test_readme_of_the_package_has_no_marks_of_sections(readme) -> None:
    assert "[start:" not in readme and "[end:" not in readme


def test_site_is_built_strictly_and_shows_what_stands_elsewhere(tmp_path) -> None:
    built = run("mkdocs", "build", "--quiet", "--site-dir", str(tmp_path))
    assert built.returncode == 0, built.stderr
    for page, said in {
        "command-line": "--prompts",
        "api": "Predictor.set_image",
        "keys": "Shift+U",
        "install": "torchvision",
        "contributing": "make test",
        "changelog": "Unreleased",
        "notebooks/volume": "segment_volume",
    }.items():
        assert said in (tmp_path / page / "index.html").read_text(), page
