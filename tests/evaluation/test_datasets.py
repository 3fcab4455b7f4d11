"""Layouts on disk become images and objects as the reference defines them."""

from __future__ import annotations

import io
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_segnext.evaluation.datasets import HQSEG_FOLDERS, Split, load_dataset
from napari_segnext.evaluation.sample import object_truth, select_objects


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels)
    else:
        Image.fromarray(pixels).save(path)


GREY = np.arange(48 * 40, dtype=np.uint8).reshape(48, 40)


def test_sstem_objects_are_8_connected_components_of_the_blue_channel(
    tmp_path: Path,
) -> None:
    mask = np.zeros((48, 40, 3), np.uint8)
    mask[2, 2, 2] = mask[3, 3, 2] = 255
    mask[20:30, 20:30, 2] = 7
    mask[40, 5, 0] = 255
    save(tmp_path / "raw" / "00.tif", GREY)
    save(tmp_path / "mitochondria" / "00.png", mask)
    (sample,) = load_dataset("ssTEM", tmp_path)
    assert len(sample.objects) == 2
    truths = [object_truth(sample.labels(), i) for i in sample.objects]
    assert [int(t.sum()) for t in truths] == [2, 100]
    np.testing.assert_array_equal(sample.image(), GREY)


def test_sstem_masks_are_matched_by_the_name_before_the_first_dot(
    tmp_path: Path,
) -> None:
    for name, value in (("b.x", 1), ("a", 2)):
        save(tmp_path / "raw" / f"{name}.tif", GREY)
        mask = np.zeros((48, 40), np.uint8)
        mask[:value, :1] = 255
        save(tmp_path / "mitochondria" / f"{name[0]}.png", mask)
    samples = load_dataset("ssTEM", tmp_path)
    assert [s.name for s in samples] == ["a.tif", "b.x.tif"]
    assert [int((s.labels() > 0).sum()) for s in samples] == [2, 1]


def test_brats_has_one_object_an_image_of_all_that_is_not_zero(tmp_path: Path) -> None:
    mask = np.zeros((48, 40), np.uint8)
    mask[2:5, 2:5], mask[20:24, 20:24] = 1, 4
    save(tmp_path / "image" / "x.png", GREY)
    save(tmp_path / "annotation" / "x.png", mask)
    (sample,) = load_dataset("BraTS", tmp_path)
    assert sample.objects == (1,)
    assert object_truth(sample.labels(), 1).sum() == 25


def test_palette_masks_are_read_by_colour(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1], [2, 0]], np.uint8))
    image = image.convert("P")
    image.putpalette([0, 0, 0, 0, 0, 200, 200, 0, 0])
    (tmp_path / "annotation").mkdir()
    image.save(tmp_path / "annotation" / "x.png")
    save(tmp_path / "image" / "x.png", GREY)
    (sample,) = load_dataset("BraTS", tmp_path)
    np.testing.assert_array_equal(sample.labels(), image_labels(image))


def image_labels(image: Image.Image) -> np.ndarray:
    return (np.asarray(image.convert("RGB"))[..., 2] > 0).astype(int)


def test_davis_object_is_any_channel(tmp_path: Path) -> None:
    mask = np.zeros((48, 40, 3), np.uint8)
    mask[1, 1, 0] = mask[2, 2, 1] = 128
    save(tmp_path / "img" / "x.jpg", np.dstack([GREY] * 3))
    save(tmp_path / "gt" / "x.png", mask)
    (sample,) = load_dataset("DAVIS", tmp_path)
    assert sample.labels().sum() == 2
    assert sample.image().shape == (48, 40, 3)


@pytest.mark.parametrize(("split", "count"), [("val", 4), ("train", 7)])
def test_hqseg_lists_the_folders_of_its_splits(
    tmp_path: Path, split: Split, count: int
) -> None:
    for number, (images, masks) in enumerate(HQSEG_FOLDERS[split]):
        save(tmp_path / images / f"{number}.jpg", np.dstack([GREY] * 3))
        save(tmp_path / masks / f"{number}.png", GREY)
    samples = load_dataset("HQSeg44K", tmp_path, split)
    assert len(samples) == count
    # Also where both lie in one folder.
    assert all(s.image().ndim == 3 and s.labels().ndim == 2 for s in samples)


def test_an_evaluation_set_is_not_trained_on(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ssTEM is for evaluation alone"):
        load_dataset("ssTEM", tmp_path, "train")


def cocolvis(root: Path, evil: object = None, split: str = "val") -> None:
    layers = [np.zeros((48, 40), np.uint8), np.zeros((48, 40), np.uint8)]
    layers[0][:10, :10] = 5
    layers[0][20:22] = 6
    layers[1][:4, :4] = 1
    encoded = []
    for layer in layers:
        buffer = io.BytesIO()
        Image.fromarray(layer).save(buffer, "png")
        encoded.append(np.frombuffer(buffer.getvalue(), np.uint8))
    save(root / split / "images" / "77.jpg", np.dstack([GREY] * 3))
    (root / split / "masks").mkdir()
    mapping = [(0, 5), (1, 1), (0, 6)]
    content = evil if evil else (encoded, mapping)
    (root / split / "masks" / "77.pickle").write_bytes(pickle.dumps(content))
    entries = {"77": {"num_instance_masks": 2, "hierarchy": {0: None, 1: None}}}
    (root / split / "hannotation.pickle").write_bytes(pickle.dumps(entries))


@pytest.mark.parametrize("split", ["val", "train"])
def test_cocolvis_objects_are_things_and_may_overlap(
    tmp_path: Path, split: Split
) -> None:
    cocolvis(tmp_path, split=split)
    (sample,) = load_dataset("COCOLVIS", tmp_path, split)
    areas = [object_truth(sample.labels(), i).sum() for i in sample.objects]
    assert areas == [100, 16]


@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_cocolvis_is_read_whichever_numpy_wrote_it(tmp_path: Path, core: bytes) -> None:
    cocolvis(tmp_path)
    path = tmp_path / "val/masks/77.pickle"
    old = pickle.dumps(pickle.loads(path.read_bytes()), protocol=2)
    path.write_bytes(re.sub(rb"numpy\._?core(?=\.multiarray\n)", core, old))
    assert core + b".multiarray" in path.read_bytes()
    (sample,) = load_dataset("COCOLVIS", tmp_path)
    first = next(iter(sample.objects))
    assert object_truth(sample.labels(), first).sum() == 100


def test_cocolvis_pickles_cannot_run_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "harmed",))

    cocolvis(tmp_path, evil=Evil())
    (sample,) = load_dataset("COCOLVIS", tmp_path)
    with pytest.raises(OSError, match="not a file of masks"):
        sample.labels()
    assert not (tmp_path / "harmed").exists()


def test_pairs_of_folders_have_one_object_for_each_value(tmp_path: Path) -> None:
    labels = np.zeros((48, 40), np.uint8)
    labels[:3], labels[10:12], labels[20:22, :5] = 9, 255, 9
    save(tmp_path / "image" / "a.png", GREY)
    save(tmp_path / "annotation" / "a.png", labels)
    (sample,) = load_dataset("pairs", tmp_path)
    assert sample.objects == (9, 255)
    assert object_truth(sample.labels(), 9).sum() == 130


def test_pairs_take_colours_as_values(tmp_path: Path) -> None:
    labels = np.zeros((48, 40, 3), np.uint8)
    labels[0], labels[1], labels[2] = (255, 0, 0), (0, 255, 0), (255, 255, 0)
    save(tmp_path / "image" / "a.png", GREY)
    save(tmp_path / "annotation" / "a.png", labels)
    (sample,) = load_dataset("pairs", tmp_path)
    assert len(sample.objects) == 3


def test_pairs_keep_ignored_pixels_of_signed_labels(tmp_path: Path) -> None:
    labels = np.zeros((48, 40), np.int32)
    labels[0], labels[1] = -1, 70000
    save(tmp_path / "image" / "a.tif", GREY)
    save(tmp_path / "annotation" / "a.tif", labels)
    (sample,) = load_dataset("pairs", tmp_path)
    assert sample.objects == (70000,)
    truth = object_truth(sample.labels(), 70000)
    assert (truth[0] == -1).all() and (truth[1] == 1).all()


def test_pairs_of_an_archive(tmp_path: Path) -> None:
    mask = np.zeros((48, 40), np.uint8)
    mask[3:6, 3:6] = 2
    path = tmp_path / "set.npz"
    np.savez(path, image_0001=GREY, mask_0001=mask, image_0000=GREY, mask_0000=mask)
    samples = load_dataset("pairs", path)
    assert [s.name for s in samples] == ["image_0000", "image_0001"]
    assert samples[1].objects == (2,)
    np.testing.assert_array_equal(samples[1].image(), GREY)


def archive(tmp_path: Path, counts: list[int]) -> Path:
    arrays = {}
    for number, count in enumerate(counts):
        arrays[f"image_{number:04d}"] = GREY
        mask = np.zeros((48, 40), np.uint8)
        mask[0, :count] = np.arange(1, count + 1)
        arrays[f"mask_{number:04d}"] = mask
    np.savez(tmp_path / "set.npz", **arrays)
    return tmp_path / "set.npz"


def test_limit_takes_objects_evenly_spaced_over_all(tmp_path: Path) -> None:
    samples = load_dataset("pairs", archive(tmp_path, [4, 0, 6]))
    chosen = select_objects(samples, 5)
    assert [(s.name, o) for s, o in chosen] == [
        ("image_0000", (1, 3)),
        ("image_0002", (1, 3, 5)),
    ]
    everything = [("image_0000", 4), ("image_0002", 6)]
    for limit in (None, 10, 99):
        chosen = select_objects(samples, limit)
        assert [(s.name, len(o)) for s, o in chosen] == everything


def test_limit_below_one_is_refused(tmp_path: Path) -> None:
    samples = load_dataset("pairs", archive(tmp_path, [4]))
    with pytest.raises(ValueError, match="at least 1"):
        select_objects(samples, 0)


def test_errors_say_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="known: ssTEM"):
        load_dataset("sstem", tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_dataset("BraTS", tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no images of the layout BraTS"):
        load_dataset("BraTS", tmp_path)
    save(tmp_path / "image" / "a.png", GREY)
    with pytest.raises(ValueError, match="has no mask"):
        load_dataset("BraTS", tmp_path)
    (tmp_path / "annotation").mkdir()
    (tmp_path / "annotation" / "a.png").write_bytes(b"not a png")
    with pytest.raises(OSError, match="cannot be read"):
        load_dataset("pairs", tmp_path)
    with pytest.raises(FileNotFoundError, match="COCO"):
        load_dataset("COCOLVIS", tmp_path)


@pytest.mark.parametrize(
    ("name", "objects"), [("cdeep3m_mito.npz", 845), ("LGG_flair", 55)]
)
def test_validation_sets_have_their_objects(
    shared: Path, name: str, objects: int
) -> None:
    samples = load_dataset("pairs", shared / "data" / "validation" / name)
    assert sum(len(s.objects) for s in samples) == objects
