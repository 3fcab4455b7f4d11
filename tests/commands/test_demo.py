from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.doubles import TILED, IntensityModel

from napari_segnext.commands import demo
from napari_segnext.geometry.plane import Plane
from napari_segnext.prompts import Click


@pytest.mark.parametrize(
    "scene", [demo.real_mri, demo.generated_em, demo.generated_mri]
)
def test_a_scene_shows_an_object_in_one_of_its_planes(scene) -> None:  # type: ignore[no-untyped-def]
    shown = scene()
    assert shown.volume.ndim == 3
    assert 0 <= shown.plane.index < len(shown.volume)
    if shown.truth is None:
        assert "real" in shown.title
    else:
        assert "generated" in shown.title
        assert shown.truth.shape == shown.volume.shape[1:]
        assert shown.truth.sum() > 50


def test_a_scene_is_segmented_click_by_click_and_said_so() -> None:
    volume = np.zeros((4, 60, 60), np.uint8)
    volume[2, 20:40, 20:40] = 200
    truth = volume[2] > 0
    clicks = iter([Click((30.0, 30.0)), Click((5.0, 5.0), positive=False)])
    scene = demo.Scene(
        "Squares", volume, Plane(0, 2), "square", lambda mask: next(clicks, None), truth
    )
    said: list[str] = []
    row = demo.segment_scene(IntensityModel(TILED), scene, said.append)
    assert len(row.prompts) == 2
    assert (row.mask & truth).sum() > 0.8 * truth.sum()
    assert "4 x 60 x 60" in said[0]
    assert said[1].startswith("  click 1 + at (30, 30): embed")
    assert said[2].startswith("  click 2 - at (5, 5)")
    assert "IoU" in said[2]


def test_the_demo_without_a_display_writes_a_picture(tmp_path: Path) -> None:
    out = tmp_path / "demo.png"
    said: list[str] = []
    demo.run_headless("tiny", out, said.append)
    with Image.open(out) as picture:
        assert picture.width > 600
        assert len(np.unique(np.asarray(picture.convert("L")))) > 50
    scores = [float(line.rsplit("IoU ", 1)[1]) for line in said if "IoU" in line]
    assert max(scores) > 0.8
    assert str(out) in said[-1]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({}, False), ({"DISPLAY": ":0"}, True), ({"WAYLAND_DISPLAY": "w"}, True)],
)
def test_a_display_is_found_on_linux(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: bool
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert demo.has_display() is expected
