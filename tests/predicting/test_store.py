"""The store of embeddings: what is named, kept, forgotten and survives damage."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from torch import Tensor
from zarr.errors import ContainsGroupError

from napari_segnext.images.intensity import Window
from napari_segnext.images.layout import content_key
from napari_segnext.models import Embedding, ModelConfig, SegmentationModel
from napari_segnext.models.fingerprint import model_fingerprint
from napari_segnext.predicting.entries import make_group
from napari_segnext.predicting.store import EmbeddingStore, embedding_key


@dataclass(frozen=True)
class Place:
    level: int = 0
    row: int = 0
    column: int = 0


def embedding(value: float = 1.0, size: int = 1000) -> Embedding:
    return Embedding({"features": torch.full((size,), value), "low": torch.ones(2, 3)})


def value_of(found: Embedding | None) -> float:
    assert found is not None
    return float(found.tensors["features"][0])


class Scale(SegmentationModel):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.weight = torch.nn.Parameter(torch.ones(3))

    def image_features(self, images: Tensor, check=lambda: None) -> dict[str, Tensor]:
        return {"features": images}

    def mask_logits(self, features: dict[str, Tensor], dense: Tensor) -> Tensor:
        return dense[:, :1] * self.weight[0]


def test_least_recently_used_goes_first_and_the_budget_holds():
    each = embedding().nbytes
    store = EmbeddingStore(budget_gb=3.5 * each / 1e9)
    for name in "abc":
        store.put(name, embedding())
    store.get("a")
    store.put("d", embedding())
    assert [name in store for name in "abcd"] == [True, False, True, True]
    assert store.nbytes == 3 * each <= store.budget


def test_replacing_an_entry_counts_it_once():
    store = EmbeddingStore()
    store.put("a", embedding(size=1000))
    store.put("a", embedding(size=10))
    assert store.nbytes == embedding(size=10).nbytes
    store.clear()
    assert store.nbytes == 0 and store.get("a") is None


def test_the_newest_stays_even_if_larger_than_the_budget():
    store = EmbeddingStore(budget_gb=1e-9)
    store.put("a", embedding())
    store.put("b", embedding(2))
    assert "a" not in store and value_of(store.get("b")) == 2


def test_a_budget_must_be_positive():
    with pytest.raises(ValueError, match="positive"):
        EmbeddingStore(budget_gb=0)


def test_what_memory_forgets_comes_back_from_disk_in_half_precision(tmp_path: Path):
    store = EmbeddingStore(budget_gb=1e-9, folder=tmp_path / "store")
    original = Embedding({"features": torch.randn(8, 4, 4)})
    store.put("a", original)
    store.put("b", embedding())
    assert "a" in store
    found = store.get("a")
    assert found is not None and found.tensors["features"].dtype == torch.float32
    expected = original.tensors["features"].half().float()
    torch.testing.assert_close(found.tensors["features"], expected, rtol=0, atol=0)


def test_another_store_on_the_folder_finds_the_entries(tmp_path: Path):
    EmbeddingStore(folder=tmp_path).put("a", embedding(3))
    assert value_of(EmbeddingStore(folder=tmp_path).get("a")) == 3


def test_a_store_that_does_not_write_finds_what_is_there_and_adds_nothing(tmp_path):
    EmbeddingStore(folder=tmp_path / "store").put("a", embedding(3))
    store = EmbeddingStore(folder=tmp_path / "store", writing=False)
    store.put("b", embedding(2))
    assert value_of(store.get("a")) == 3 and value_of(store.get("b")) == 2
    assert "b" not in EmbeddingStore(folder=tmp_path / "store")
    EmbeddingStore(folder=tmp_path / "none", writing=False).put("c", embedding())
    assert not (tmp_path / "none").exists()


def test_a_store_can_go_on_with_another_folder_and_save_what_it_holds(tmp_path):
    EmbeddingStore(folder=tmp_path / "other").put("b", embedding(2))
    store = EmbeddingStore()
    store.put("a", embedding(1))
    store.use_folder(tmp_path / "other")
    assert value_of(store.get("a")) == 1 and value_of(store.get("b")) == 2
    assert "a" not in EmbeddingStore(folder=tmp_path / "other")
    store.save_held()
    assert value_of(EmbeddingStore(folder=tmp_path / "other").get("a")) == 1


@pytest.mark.parametrize("writing", [True, False])
def test_a_folder_that_cannot_be_used_leaves_memory(tmp_path: Path, writing: bool):
    (tmp_path / "file").write_text("no folder")
    store = EmbeddingStore()
    if writing:
        with pytest.raises((OSError, ValueError)):
            store.use_folder(tmp_path / "file", writing)
    else:
        store.use_folder(tmp_path / "file", writing)
    store.put("a", embedding())
    assert value_of(store.get("a")) == 1 and store.get("b") is None


def test_the_last_of_a_disk_is_left_free(tmp_path: Path, monkeypatch):
    store = EmbeddingStore(folder=tmp_path)
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.warns(UserWarning, match="less than 1 GB would be left"):
        store.put("a", embedding())
    assert value_of(store.get("a")) == 1
    assert "a" not in EmbeddingStore(folder=tmp_path)


def test_what_is_on_disk_is_known_without_a_look_at_it(tmp_path: Path, monkeypatch):
    EmbeddingStore(folder=tmp_path).put("a", embedding())
    store = EmbeddingStore(folder=tmp_path)
    monkeypatch.setattr(Path, "stat", lambda *_, **__: pytest.fail("looked"))
    assert "a" in store and "b" not in store


def test_a_drive_that_is_gone_is_as_if_nothing_were_kept(tmp_path, monkeypatch):
    EmbeddingStore(folder=tmp_path).put("a", embedding())
    store = EmbeddingStore(folder=tmp_path)

    def gone(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "stat", gone)
    assert store.get("a") is None


def _cut(entry: Path) -> None:
    chunk = entry / "features" / "c" / "0"
    chunk.write_bytes(chunk.read_bytes()[:100])


def _flip(entry: Path) -> None:
    chunk = entry / "features" / "c" / "0"
    data = bytearray(chunk.read_bytes())
    data[50] ^= 255
    chunk.write_bytes(bytes(data))


def _lose_chunk(entry: Path) -> None:
    (entry / "features" / "c" / "0").unlink()


def _lose_array(entry: Path) -> None:
    (entry / "low" / "zarr.json").unlink()


def _empty_metadata(entry: Path) -> None:
    (entry / "zarr.json").write_text("")


def _no_attributes(entry: Path) -> None:
    (entry / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')


@pytest.mark.parametrize(
    "damage",
    [_cut, _flip, _lose_chunk, _lose_array, _empty_metadata, _no_attributes],
)
def test_a_damaged_entry_is_missing_and_can_be_written_again(tmp_path, damage):
    EmbeddingStore(folder=tmp_path).put("a", embedding())
    damage(tmp_path / "a")
    store = EmbeddingStore(folder=tmp_path)
    assert store.get("a") is None
    assert "a" not in store
    store.put("a", embedding(2))
    assert value_of(EmbeddingStore(folder=tmp_path).get("a")) == 2


def test_a_write_that_was_killed_is_never_read(tmp_path: Path, monkeypatch):
    store = EmbeddingStore(folder=tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        store.put("a", embedding())
    monkeypatch.undo()
    assert "a" not in EmbeddingStore(folder=tmp_path)


def test_a_full_disk_is_reported_once_and_memory_keeps_all(tmp_path, monkeypatch):
    store = EmbeddingStore(folder=tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "_write", full)
    with pytest.warns(UserWarning, match="No space left"):
        store.put("a", embedding())
    store.put("b", embedding(2))
    assert store.disk_error is not None
    assert value_of(store.get("a")) == 1 and value_of(store.get("b")) == 2


def test_values_beyond_half_precision_stay_in_memory_only(tmp_path: Path):
    store = EmbeddingStore(folder=tmp_path)
    store.put("a", embedding(1e6))
    assert value_of(store.get("a")) == 1e6
    store.clear()
    assert store.get("a") is None


def _write_many(folder: Path, first: int) -> None:
    store = EmbeddingStore(folder=folder)
    for number in range(first, first + 12):
        store.put(f"key{number}", embedding(number))


def test_processes_write_shared_and_own_keys_at_once(tmp_path: Path):
    folder = tmp_path / "store"
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_write_many, args=(folder, first)) for first in (0, 6, 0)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    store = EmbeddingStore(folder=folder)
    assert [value_of(store.get(f"key{n}")) for n in range(18)] == list(range(18))
    assert not list(folder.glob(".part-*"))


def test_a_folder_that_another_process_makes_at_the_same_time_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made = zarr.open_group

    def late(path: Path, mode: str, **options: Any) -> zarr.Group:
        if mode == "a":
            made(path, mode="w", **options)
            raise ContainsGroupError(path, "")
        return made(path, mode=mode, **options)

    monkeypatch.setattr(zarr, "open_group", late)
    group = make_group(tmp_path / "store")
    assert dict(group.attrs) == {}
    assert (tmp_path / "store" / "zarr.json").exists()


def test_threads_put_and_get_at_once_without_losing_count(tmp_path: Path):
    store = EmbeddingStore(budget_gb=5 * embedding().nbytes / 1e9)
    failures: list[Exception] = []

    def work(seed: int) -> None:
        try:
            for step in range(300):
                key = str((seed * 7 + step) % 12)
                store.put(key, embedding(float(key)))
                found = store.get(key)
                assert found is None or value_of(found) == float(key)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert store.nbytes == len(store) * embedding().nbytes <= store.budget


KEY = ("plane", Place(), Window((0.0,), (1.0,)), "model")


@pytest.mark.parametrize(
    "other",
    [
        ("plane2", *KEY[1:]),
        (KEY[0], Place(1), *KEY[2:]),
        (KEY[0], Place(0, 1), *KEY[2:]),
        (KEY[0], Place(0, 0, 1), *KEY[2:]),
        (*KEY[:2], Window((0.0,), (np.nextafter(1, 2),)), KEY[3]),
        (*KEY[:3], "model2"),
    ],
)
def test_a_key_changes_with_all_that_an_embedding_depends_on(other, monkeypatch):
    assert embedding_key(*KEY) == embedding_key(*KEY)
    assert embedding_key(*KEY) != embedding_key(*other)


def test_a_key_changes_with_the_code_version(monkeypatch):
    before = embedding_key(*KEY)
    monkeypatch.setattr("napari_segnext.predicting.store.ENCODING_VERSION", 0)
    assert embedding_key(*KEY) != before


@pytest.mark.parametrize(
    "other",
    [
        np.zeros((6, 4), np.uint8),
        np.zeros((4, 6), np.int8),
        np.eye(4, 6, dtype=np.uint8),
    ],
)
def test_an_image_is_named_by_content_shape_and_type(other):
    image = np.zeros((4, 6), np.uint8)
    assert content_key(image) == content_key(np.zeros((8, 6), np.uint8)[::2])
    assert content_key(image) != content_key(other)


def test_a_model_is_named_by_configuration_and_weights():
    model = Scale(ModelConfig("scale", 8))
    name = model_fingerprint(model)
    assert name == model_fingerprint(Scale(ModelConfig("scale", 8)))
    assert name != model_fingerprint(Scale(ModelConfig("scale", 16)))
    with torch.no_grad():
        model.weight[1] = 2
    assert model_fingerprint(model) != name


@pytest.mark.skipif(os.name == "nt", reason="no modes")
@pytest.mark.parametrize(
    ("folder", "entry", "file"),
    [
        (None, 0o700, 0o600),
        (0o755, 0o700, 0o600),
        (0o2775, 0o2770, 0o660),
        (0o777, 0o777, 0o666),
    ],
)
def test_others_read_embeddings_only_where_they_may_write_too(
    folder, entry, file, tmp_path
):
    place = tmp_path / "store"
    if folder is not None:
        place.mkdir()
        place.chmod(folder)
    EmbeddingStore(folder=place).put("a", embedding())
    if folder is None:
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert stat.S_IMODE((place / "a").stat().st_mode) == entry
    assert {
        stat.S_IMODE(path.stat().st_mode) for path in (place / "a").rglob("*.json")
    } == {file}
    assert value_of(EmbeddingStore(folder=place).get("a")) == 1


def test_a_folder_that_was_deleted_meanwhile_is_made_again(tmp_path):
    store = EmbeddingStore(folder=tmp_path / "store")
    shutil.rmtree(tmp_path / "store")
    store.put("a", embedding(2))
    assert value_of(EmbeddingStore(folder=tmp_path / "store").get("a")) == 2
