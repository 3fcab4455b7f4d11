"""Volumes of any layout, seen as planes and predicted in."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import zarr
from tests.doubles import Watched

from napari_segnext.geometry.plane import Plane
from napari_segnext.images.intensity import Window
from napari_segnext.images.layout import file_identity
from napari_segnext.images.volume import Volume

rng = np.random.default_rng(0)
GREY = rng.integers(0, 1000, (5, 20, 30), dtype=np.int16)
TCZYX = rng.random((2, 4, 5, 20, 30)).astype(np.float32)


def as_memmap(data: np.ndarray, folder: Path):
    np.save(folder / "a.npy", data)
    return np.load(folder / "a.npy", mmap_mode="r")


def as_zarr(data: np.ndarray, folder: Path):
    array = zarr.create_array(
        folder / "a.zarr", shape=data.shape, dtype=data.dtype, chunks=(2, 8, 8)
    )
    array[...] = data
    return array


@pytest.mark.parametrize(
    "convert",
    [lambda d, _: d, as_memmap, as_zarr, lambda d, _: da.from_array(d, (2, 8, 8))],
    ids=["numpy", "memmap", "zarr", "dask"],
)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_every_kind_of_array_gives_the_plane_of_any_axis(convert, axis, tmp_path):
    volume = Volume(convert(GREY, tmp_path))
    plane = Plane(axis, 3)
    expected = np.take(GREY, 3, axis)
    assert volume.plane_shape(plane) == expected.shape
    image = volume.read(plane)
    assert type(image) is np.ndarray and image.dtype == np.int16
    np.testing.assert_array_equal(image, expected)


def test_a_2d_image_is_one_plane():
    volume = Volume(GREY[0])
    assert volume.plane_shape(Plane()) == (20, 30)
    np.testing.assert_array_equal(volume.read(Plane()), GREY[0])


@pytest.mark.parametrize("channel", [0, 1, 2, 3, -1])
def test_the_channel_axis_may_stand_anywhere(channel):
    rgba = rng.integers(0, 255, (5, 20, 30, 4), dtype=np.uint8)
    volume = Volume(np.moveaxis(rgba, -1, channel), channel=channel)
    assert volume.shape == (5, 20, 30)
    np.testing.assert_array_equal(volume.read(Plane(2, 7)), rgba[:, :, 7, :3])


@pytest.mark.parametrize("channels", [(2,), (3, 0), (0, 3, 1), (1, 2, 3)])
def test_up_to_three_channels_are_chosen_in_order(channels):
    volume = Volume(TCZYX, channel=1, channels=channels)
    assert volume.fixed_shape == (2,)
    expected = np.moveaxis(TCZYX[1, list(channels), :, 4], 0, -1)
    image = volume.read(Plane(1, 4, (1,)))
    np.testing.assert_array_equal(image, np.squeeze(expected))


def test_an_axis_may_be_declared_not_spatial():
    volume = Volume(GREY, spatial=(1, 2))
    assert volume.shape == (20, 30) and volume.fixed_shape == (5,)
    np.testing.assert_array_equal(volume.read(Plane(0, 0, (3,))), GREY[3])


def test_modalities_become_channels_each_with_its_window():
    flair, t1 = GREY, (GREY * 0.01).astype(np.float32)
    volume = Volume([flair, t1, t1, flair], channels=(3, 1))
    image = volume.read(Plane(0, 2))
    np.testing.assert_array_equal(image, np.stack([flair[2], t1[2]], -1))
    window = volume.window("percentile")
    assert window.high[0] == pytest.approx(100 * window.high[1], rel=0.02)


@pytest.mark.parametrize("shape", [(1, 20, 30), (5, 1, 30), (5, 20, 1), (1, 1, 1)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_axes_of_one_pixel_are_axes(shape, axis):
    volume = Volume(GREY[: shape[0], : shape[1], : shape[2]])
    image = volume.read(Plane(axis, 0))
    assert image.shape == volume.plane_shape(Plane(axis, 0))
    assert volume.read(Plane(axis, 0), step=2).shape == tuple(
        -(-n // 2) for n in image.shape
    )


@pytest.mark.parametrize(
    "plane",
    [Plane(3, 0), Plane(-1, 0), Plane(0, 5), Plane(0, -1), Plane(1, 20)],
)
def test_a_plane_outside_is_refused_by_name(plane):
    with pytest.raises(ValueError, match=r"Plane.*outside the volume of shape \(5, 20"):
        Volume(GREY).read(plane)


@pytest.mark.parametrize("fixed", [(), (2,), (-1,), (0, 0)])
def test_a_wrong_position_on_other_axes_is_refused(fixed):
    with pytest.raises(ValueError, match="other axes"):
        Volume(TCZYX, channel=1).read(Plane(0, 0, fixed))


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (np.zeros((0, 3, 3)), {}, "empty"),
        ([], {}, "empty"),
        (np.zeros((3, 3), complex), {}, "real numbers"),
        (np.zeros(3), {}, "two or three spatial axes"),
        (GREY, {"channel": 5}, "no channel axis 5"),
        (GREY, {"spatial": (2, 1)}, "rising"),
        (GREY, {"spatial": (0, 1), "channel": 1}, "without the channel"),
        (TCZYX, {"channel": 1, "channels": (4,)}, "0 to 3"),
        (TCZYX, {"channel": 1, "channels": (0, 1, 2, 3)}, "up to three"),
        ([GREY, GREY[:, :10, 5:], GREY[1:]], {}, "neither"),
        ([TCZYX, TCZYX], {"channel": 1}, "channel axis as well"),
    ],
)
def test_impossible_layouts_are_refused(data, options, message):
    with pytest.raises(ValueError, match=message):
        Volume(data, **options)


def block_means(image: np.ndarray, step: int) -> np.ndarray:
    rows, columns = (range(0, n, step) for n in image.shape)
    return np.array(
        [[image[r : r + step, c : c + step].mean() for c in columns] for r in rows]
    )


@pytest.mark.parametrize("step", [2, 3, 4, 7, 64])
def test_a_coarse_read_averages_squares(step, monkeypatch):
    monkeypatch.setattr("napari_segnext.images.volume.LARGE", 8)  # several bands
    image = rng.integers(0, 60000, (37, 50), dtype=np.uint16)
    coarse = Volume(image).read(Plane(), step=step)
    assert coarse.dtype == np.float32
    np.testing.assert_allclose(coarse, block_means(image, step), rtol=1e-6)


def test_a_part_of_a_plane_reads_that_part_alone():
    array = Watched(GREY)
    volume = Volume(array)
    image = volume.read(Plane(1, 4), (slice(1, 3), slice(5, 9)))
    np.testing.assert_array_equal(image, GREY[1:3, 4, 5:9])
    assert array.voxels == 8


def pyramid(sides: list[tuple[int, ...]]) -> list[Watched]:
    return [Watched(np.full(s, level, np.float32)) for level, s in enumerate(sides)]


@pytest.mark.parametrize(
    ("step", "level"), [(1, 0), (2, 1), (3, 0), (4, 2), (6, 1), (8, 2)]
)
def test_a_coarse_read_takes_the_coarsest_level_that_fits(step, level):
    # The second axis is rounded down: 33 -> 16 -> 8.
    levels = pyramid([(4, 64, 33), (4, 32, 16), (4, 16, 8)])
    image = Volume(levels).read(Plane(0, 1), step=step)
    assert image.shape == (-(-64 // step), -(-33 // step))
    assert (image == level).all()
    assert [bool(a.voxels) for a in levels] == [n == level for n in range(3)]


def test_a_region_of_a_pyramid_is_at_the_same_place_on_every_level():
    full = np.zeros((64, 64), np.float32)
    full[16:32, 32:48] = 1
    levels = [full, full[::2, ::2], full[::4, ::4]]
    for step in (1, 2, 4, 8):
        image = Volume(levels).read(Plane(), (slice(16, 32), slice(24, 48)), step)
        expected = np.zeros(image.shape)
        expected[:, 8 // step :] = 1
        np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(("rounded", "off"), [("up", 1), ("down", 2)])
@pytest.mark.parametrize("sides", [(65, 65), (67, 90), (101, 64), (63, 77)])
def test_any_region_of_a_pyramid_that_rounds_is_read_where_it_lies(sides, rounded, off):
    """So many values of the result, where levels lack the last rows one more."""
    ramp = np.add.outer(np.arange(sides[0]), np.arange(sides[1])).astype(np.float32)
    levels = [ramp]
    for step in (2, 4, 8):
        whole = [n // step * step if rounded == "down" else n for n in sides]
        levels.append(block_means(ramp[: whole[0], : whole[1]], step))
    volume, (height, width) = Volume(levels), sides
    for step in (2, 4, 8, 16):
        for top in range(height - 1, max(0, height - 20), -3):
            for bottom in (top + 1, height):
                region = slice(top, bottom), slice(width - bottom + top, width)
                image = volume.read(Plane(), region, step)
                expected = block_means(ramp[region], step)
                assert image.shape == expected.shape
                assert np.abs(image - expected).max() < 2 * step * off + 1e-3


def test_levels_that_are_thinner_along_the_plane_axis_are_followed():
    full = np.arange(8, dtype=np.float32)[:, None, None] * np.ones((8, 16, 16), "f4")
    volume = Volume([full, full[::2, ::2, ::2]])
    assert volume.read(Plane(0, 7), step=2).max() == 6
    assert volume.read(Plane(0, 0), step=2).max() == 0


def test_the_window_is_one_for_all_planes_and_withstands_nan():
    data = GREY.astype(np.float32)
    data[:, :5] = np.nan
    data[2, 10, 10] = np.inf
    window = Volume(data).window("percentile")
    assert np.isfinite([window.low, window.high]).all()
    assert 900 < window.high[0] < 1000


def test_uint8_is_taken_as_it_is_where_the_model_says_so():
    image = np.full((3, 8, 8), 100, np.uint8)
    assert Volume(image).window("uint8") == Window((0.0,), (255.0,))
    assert Volume(image + 1).window("percentile").low == (101.0,)


def test_a_window_is_found_where_only_a_few_planes_hold_anything():
    data = np.zeros((60, 8, 8), np.float32)
    data[10] = 50
    window = Volume(data).window("percentile")
    assert window.high[0] > window.low[0]


def test_a_window_of_a_large_section_reads_a_fraction_of_it():
    section = Watched(np.broadcast_to(np.arange(9000, dtype=np.uint16), (9000, 9000)))
    window = Volume(section).window("percentile")
    assert window.low[0] < 100 and window.high[0] > 8900
    assert section.voxels < section.data.size / 30


def test_a_plane_is_named_by_volume_layout_and_place():
    volume = Volume(TCZYX, channel=1, identity="mine")
    same = Volume(TCZYX, channel=1, identity="mine")
    other = Volume(TCZYX, channel=1, channels=(1, 2), identity="mine")
    plane = Plane(0, 1, (0,))
    assert volume.plane_key(plane) == same.plane_key(plane)
    names = {
        volume.plane_key(plane),
        volume.plane_key(Plane(1, 1, (0,))),
        volume.plane_key(Plane(0, 2, (0,))),
        volume.plane_key(Plane(0, 1, (1,))),
        other.plane_key(plane),
        Volume(TCZYX, channel=1).plane_key(plane),
        Volume(TCZYX, channel=1).plane_key(plane),
    }
    assert len(names) == 7


def test_a_channel_has_one_name_whether_among_others_or_in_an_array_of_its_own():
    plane = Plane(0, 1, (1,))
    among = Volume(TCZYX, channel=1, channels=(0, 2), identity="mine")
    alone = [TCZYX[:, 0], TCZYX[:, 2]]
    apart = Volume(alone, spatial=(1, 2, 3), identity=["mine 0", "mine 2"])
    assert among.plane_key(plane) == apart.plane_key(plane)
    with pytest.raises(ValueError, match="3 names are given for 2 modalities"):
        Volume(alone, spatial=(1, 2, 3), identity=["a", "b", "c"])


def test_what_was_changed_in_memory_has_another_name():
    data = GREY.copy()
    before = Volume(data, identity="mri").plane_key(Plane())
    data += 1
    assert Volume(data, identity="mri").plane_key(Plane()) != before


def test_a_changed_file_is_another(tmp_path: Path):
    file = tmp_path / "stack" / "a.tif"
    file.parent.mkdir()
    file.write_bytes(b"1")
    before = file_identity(file), file_identity(file.parent)
    assert before == (file_identity(file), file_identity(file.parent))
    file.write_bytes(b"12")
    after = file_identity(file), file_identity(file.parent)
    assert before[0] != after[0] and before[1] != after[1]
    with pytest.raises(FileNotFoundError):
        file_identity(tmp_path / "none.tif")
