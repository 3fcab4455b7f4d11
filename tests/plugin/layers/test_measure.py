"""Volumes as a user reads them."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_segnext.files.categories import Category
from napari_segnext.geometry.space import Space
from napari_segnext.plugin.layers.measure import Measure
from napari_segnext.plugin.panel.objects import parse_category


@pytest.mark.parametrize(
    ("shape", "options", "voxel", "unit"),
    [
        ((2, 3, 4), {"scale": (3, 1, 2), "units": "mm"}, 6, "mm³"),
        ((2, 3, 4), {"scale": (40, 4, 4), "units": "nm"}, 6.4e-7, "µm³"),
        ((2, 3, 4), {"scale": (1, 2, 2), "units": "um"}, 4, "µm³"),
        ((2, 3, 4), {"scale": (3, 1, 2)}, 1, "voxels"),
        ((3, 4), {"scale": (0.5, 0.5), "units": "cm"}, 25, "mm²"),
        ((3, 4), {}, 1, "pixels"),
        (
            (2, 2, 3, 4),
            {"scale": (9, 3, 1, 2), "units": ("s", "mm", "mm", "mm")},
            6,
            "mm³",
        ),
        (
            (2, 3, 4),
            {"affine": np.diag([2, -1, 1, 1.0]), "units": "mm"},
            2,
            "mm³",
        ),
    ],
)
def test_voxel_has_the_size_of_the_layer(shape, options, voxel, unit):
    measure = Measure.of(Image(np.zeros(shape), **options), Space(shape))
    assert measure.voxel == pytest.approx(voxel)
    assert measure.unit == unit


@pytest.mark.parametrize(
    ("voxels", "text"),
    [
        (0, "0"),
        (1, "0.512"),
        (100, "51.2"),
        (4000, "2,048"),
        (4_000_000, "2.05e6"),
    ],
)
def test_amounts_are_short(voxels, text):
    assert Measure(0.512, "mm³").text(voxels) == text


CELL, DIRT = Category(1, "cell"), Category(4, "dirt")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("4 dirt", DIRT),
        ("dirt", DIRT),
        ("4", DIRT),
        (" membrane ", Category(5, "membrane")),
        ("7 membrane", Category(7, "membrane")),
        ("2nd layer", Category(5, "2nd layer")),
        ("9", None),
        ("", None),
    ],
)
def test_typed_class_is_understood(text, meant):
    assert parse_category(text, [CELL, DIRT]) == meant
