"""The prompts file: everything comes back, anything else is refused by name."""

from __future__ import annotations

import json
import re
from string import Template

import numpy as np
import pytest

from napari_segnext.files import ObjectPrompts, read_prompts, write_prompts
from napari_segnext.files.categories import Category
from napari_segnext.files.prompts_file import region_from_json, region_to_json
from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.prompts import Prompts


def every_kind() -> Prompts:
    mask = np.zeros((20, 30), bool)
    mask[3:9, 4:8] = True
    mask[5, 5] = False
    return (
        Prompts()
        .click(1, 2)
        .click(3.5, 4.25, positive=False)
        .box((0, 0), (9, 9))
        .polygon([(1, 1), (1, 8), (8, 8)], positive=False)
        .scribble([(2, 2), (4, 6)], width=5)
        .scribble(mask, positive=False)
        .mask(mask)
        .text("a nucleus")
    )


def test_all_prompts_come_back_as_they_were(tmp_path):
    objects = [
        ObjectPrompts(
            1,
            "tumour",
            {Plane(0, 74): every_kind(), Plane(2, 9): Prompts().click(1, 1)},
        ),
        ObjectPrompts(
            7, "", {Plane(1, 3, (2,)): every_kind()}, Category(4, "enhancing")
        ),
    ]
    write_prompts(tmp_path / "prompts.json", objects)
    assert read_prompts(tmp_path / "prompts.json") == objects


def test_the_documented_layout_is_read(tmp_path):
    plane = {
        "axis": 0,
        "index": 74,
        "prompts": [
            {"type": "click", "positive": True, "at": [1, 2]},
            {"type": "box", "positive": True, "from": [1, 2], "to": [3, 4]},
            {"type": "polygon", "positive": True, "vertices": [[1, 2], [3, 4], [5, 1]]},
            {"type": "scribble", "positive": False, "path": [[1, 2]], "width": 3},
            {
                "type": "mask",
                "positive": True,
                "rle": {"size": [2, 3], "counts": [1, 2, 3]},
            },
        ],
    }
    objects = [{"id": 1, "name": "tumour", "planes": [plane]}]
    file = tmp_path / "p.json"
    file.write_text(json.dumps({"version": 1, "objects": objects}))
    (found,) = read_prompts(file)
    prompts = found.planes[Plane(0, 74)]
    assert [type(p).__name__ for p in prompts] == [
        "Click",
        "Box",
        "Polygon",
        "Scribble",
        "Mask",
    ]
    # Runs go down the columns: one off, two on, three off.
    expected = np.array([[0, 1, 0], [1, 0, 0]], bool)
    np.testing.assert_array_equal(prompts.items[4].region.paste((2, 3)), expected)


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (5, 7)])
@pytest.mark.parametrize("fill", ["none", "all", "some"])
def test_run_lengths_come_back(shape, fill):
    pixels = np.zeros(shape, bool)
    if fill == "all":
        pixels[:] = True
    if fill == "some":
        pixels[::2, ::3] = True
    region = Region.of(pixels, (3, 4))
    text = json.dumps(region_to_json(region))
    again = region_from_json(json.loads(text))
    np.testing.assert_array_equal(again.paste((20, 20)), region.paste((20, 20)))


def entry(**prompt: object) -> str:
    plane = {"axis": 0, "index": 0, "prompts": [prompt]}
    return json.dumps({"version": 1, "objects": [{"id": 1, "planes": [plane]}]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("[]", "not a prompts file"),
        ('{"version": 1, "objects": [', "not a prompts file"),
        ('{"version": 2, "objects": []}', "version 2"),
        ('{"objects": []}', "'version' is missing"),
        (entry(type="star"), "'star' is not a kind"),
        (entry(type="click"), "'at' is missing"),
        (entry(type="click", at=[1]), "not a prompts file"),
        (entry(type="click", at=["a", 2]), "not a prompts file"),
        (entry(type="click", at=[1, 2], positive="no"), "true or false"),
        (entry(type="polygon", vertices=[[1, 2]]), "at least 3"),
        (entry(type="text", text=" "), "a phrase has words"),
        (entry(type="text", text="a", positive=False), "never negative"),
        (entry(type="text", text=7), "not a prompts file"),
        (entry(type="text"), "'text' is missing"),
        (entry(type="mask", rle={"size": [2, 2], "counts": [1]}), "do not fill"),
    ],
)
def test_anything_else_is_refused_naming_the_file(tmp_path, text, message):
    file = tmp_path / "p.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_prompts(file)
    assert str(file) in str(caught.value)


def test_prompts_of_a_plane_that_is_named_twice_are_joined(tmp_path):
    def plane(index: int, *at: float) -> dict:
        return {"index": index, "prompts": [{"type": "click", "at": at}]}

    path = tmp_path / "p.json"
    planes = [plane(3, 1, 1), plane(4, 2, 2), plane(3, 9, 9)]
    content = {"version": 1, "objects": [{"id": 1, "planes": planes}]}
    path.write_text(json.dumps(content))
    (item,) = read_prompts(path)
    assert item.planes == {
        Plane(0, 3): Prompts().click(1, 1).click(9, 9),
        Plane(0, 4): Prompts().click(2, 2),
    }


_ENTRY = Template(
    '{"version": 1, "objects": [{"id": $id, "name": $name, $more "planes": [{"axis": '
    '$axis, "index": $index, "fixed": $fixed, "prompts": [$prompt]}]}]}'
)


def _entry(at: str = "10", **values: str) -> str:
    """Return a file of one click, but for the parts given as JSON text."""
    prompt = f'{{"type": "click", "at": [{at}, 10]}}'
    parts = {"id": "1", "axis": "0", "index": "2", "fixed": "[]", "name": '"a"'}
    return _ENTRY.substitute({**parts, "more": "", "prompt": prompt, **values})


def _rle(size: str, counts: str) -> str:
    return f'{{"type": "mask", "rle": {{"size": {size}, "counts": {counts}}}}}'


@pytest.mark.parametrize(
    ("values", "message"),
    [
        *[
            ({key: value}, rf"{key} is a whole number")
            for key in ("id", "axis", "index")
            for value in ("6.5", "-1", "Infinity", "NaN", "true", '"1"', "null", "[]")
        ],
        ({"id": str(2**63)}, "from 1 to 9223372036854775807, not 9223372036854775808"),
        ({"id": "0"}, "from 1"),
        ({"axis": "3"}, "from 0 to 2"),
        ({"fixed": "[1.5]"}, "fixed is a whole number"),
        ({"fixed": "5"}, "of another kind"),
        (
            {"more": '"class": {"value": 1e30, "name": "x"},'},
            "a class is a whole number",
        ),
        ({"more": '"class": [],'}, "of another kind"),
        ({"name": '"\\ud800"'}, "can't encode"),
        ({"at": "1" + "0" * 400}, "too large"),
        ({"at": "1" + "0" * 5000}, "limit"),
        ({"at": "NaN"}, "finite"),
        (
            {"prompt": _rle("[1000000000, 1000000000]", "[1000000000000000000]")},
            "large",
        ),
        ({"prompt": _rle("[1e300, 1e300]", "[5]")}, "large"),
        (
            {"prompt": _rle("[2, 3]", "[9223372036854775807, 9223372036854775807, 8]")},
            "fill",
        ),
        ({"prompt": _rle("[-2, -3]", "[6]")}, "a side of a mask"),
        ({"prompt": _rle("[2, 3]", "[1e300]")}, "out of bounds|convert|fill"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path, values, message):
    path = tmp_path / "p.json"
    path.write_text(_entry(**values))
    with pytest.raises(ValueError, match=message) as caught:
        read_prompts(path)
    assert str(caught.value).startswith(f"{path} is not a prompts file: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["[" * 200_000, '{"a":' * 200_000])
def test_json_that_is_nested_without_end_is_refused(tmp_path, content):
    path = tmp_path / "p.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="not a prompts file"):
        read_prompts(path)


def test_a_byte_order_mark_and_whole_floats_are_read(tmp_path):
    path = tmp_path / "p.json"
    path.write_text(_entry(index="6.0", id="3.0"), encoding="utf-8-sig")
    (item,) = read_prompts(path)
    assert item == ObjectPrompts(3, "a", {Plane(0, 6): Prompts().click(10, 10)})


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '"x"',
        '{"version": 1, "objects": [1]}',
        '{"version": 1, "objects": [{"id": 1, "planes": 3}]}',
        '{"version": 1, "objects": [{"id": 1, "planes": [], "class": 3}]}',
    ],
)
def test_json_of_another_kind_is_told_without_words_of_python(tmp_path, text):
    path = tmp_path / "p.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="of another kind") as caught:
        read_prompts(path)
    assert str(path) in str(caught.value)
    assert not re.search("indices|subscript|iterable", str(caught.value))
