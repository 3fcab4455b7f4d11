"""All planes of an image are embedded once, whoever does it, however often."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.doubles import TILED, WHOLE, IntensityModel

from napari_segnext.commands import embed
from napari_segnext.geometry.plane import Plane
from napari_segnext.predicting.embed import embed_planes
from napari_segnext.predicting.store import EmbeddingStore
from napari_segnext.predicting.volume_predictor import VolumePredictor
from napari_segnext.prompts import Prompts


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch):
    embed._predictor.cache_clear()
    double = IntensityModel(WHOLE)
    monkeypatch.setattr(embed, "load_model", lambda name, device: double)
    yield double
    embed._predictor.cache_clear()


@pytest.fixture
def job(tmp_path: Path) -> embed.Job:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "image.npy", rng.integers(0, 256, (4, 20, 30), dtype=np.uint8))
    return embed.Job(tmp_path / "image.npy", "double", tmp_path / "store")


@pytest.mark.parametrize(("axis", "count"), [(0, 4), (1, 20), (2, 30)])
def test_all_planes_of_an_axis_are_embedded(model, job, axis, count) -> None:
    told: list[tuple[int, int]] = []
    progress = lambda done, total: told.append((done, total))  # noqa: E731
    assert embed.embed(job, axis, progress=progress) == count
    assert model.encoded == count
    assert told == [(n, count) for n in range(count + 1)]


def test_what_is_in_the_store_is_not_embedded_again(model, job) -> None:
    seen: list[int] = []

    def stop(done: int, total: int) -> None:
        seen.append(done)
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed.embed(job, progress=stop)
    embed._predictor.cache_clear()
    embed.embed(job)
    assert model.encoded == 4


def test_a_process_that_lives_on_sees_what_became_of_store_and_image(model, job):
    def saved() -> int:
        return sum(1 for entry in job.store.iterdir() if entry.is_dir())

    embed.embed(job)
    shutil.rmtree(job.store)
    embed.embed(job)
    assert saved() == 4 and model.encoded == 8
    shutil.rmtree(next(entry for entry in job.store.iterdir() if entry.is_dir()))
    embed.embed(job)
    assert saved() == 4 and model.encoded == 9
    np.save(job.image, np.random.default_rng(1).random((6, 20, 30)))
    assert embed.embed(job) == 6
    assert saved() == 10 and model.encoded == 15


def test_a_predictor_with_the_same_store_has_nothing_to_embed(model, job) -> None:
    embed.embed(job)
    store = EmbeddingStore(folder=job.store)
    predictor = VolumePredictor(model, job.volume(), store)
    assert all(predictor.is_embedded(Plane(0, index)) for index in range(4))


def test_all_tiles_of_a_large_plane_are_embedded(monkeypatch, model, job) -> None:
    tiled = IntensityModel(TILED)
    monkeypatch.setattr(embed, "load_model", lambda name, device: tiled)
    np.save(job.image, np.random.default_rng(0).random((1, 150, 150)))
    embed.embed(job)
    predictor = VolumePredictor(tiled, job.volume(), EmbeddingStore(folder=job.store))
    predictor.embed(Plane(0, 0))
    pyramid = predictor.at(Plane(0, 0)).pyramid
    assert pyramid.levels > 1
    everything = [t for n in range(pyramid.levels) for t in pyramid.tiles(n)]
    assert tiled.encoded == len(everything)


def test_tiles_are_embedded_together_across_planes_where_that_is_quicker(
    model, job, monkeypatch
) -> None:
    calls: list[int] = []
    encode = model.encode_batch

    def counted(images, cancelled):
        calls.append(len(images))
        return encode(images, cancelled)

    monkeypatch.setattr(model, "encode_batch", counted)
    monkeypatch.setattr("napari_segnext.predicting.embed.together", lambda model: 3)
    together = VolumePredictor(model, job.volume())
    one_by_one = VolumePredictor(model, job.volume())
    wanted = job.volume().space.planes(0)
    embed_planes(together, wanted)
    assert calls == [3, 1]
    for plane in wanted:
        one_by_one.embed(plane)
        clicked = Prompts().click(5, 5)
        np.testing.assert_array_equal(
            together.predict(plane, clicked).probability,
            one_by_one.predict(plane, clicked).probability,
        )
    assert calls == [3, 1, 1, 1, 1, 1]


def test_what_is_too_much_at_once_is_embedded_one_by_one(
    model, job, monkeypatch
) -> None:
    encode = model.encode_batch

    def small(images, cancelled):
        if len(images) > 1:
            raise torch.cuda.OutOfMemoryError
        return encode(images, cancelled)

    monkeypatch.setattr(model, "encode_batch", small)
    monkeypatch.setattr("napari_segnext.predicting.embed.together", lambda model: 4)
    predictor = VolumePredictor(model, job.volume())
    embed_planes(predictor, job.volume().space.planes(0))
    assert model.encoded == 4 and len(predictor.store) == 4


def test_a_store_that_cannot_be_written_is_told(model, job, monkeypatch) -> None:
    def full(self, folder, key, embedding):
        raise OSError("No space left on device")

    monkeypatch.setattr(EmbeddingStore, "_write", full)
    with (
        pytest.warns(UserWarning, match="cannot be written"),
        pytest.raises(OSError, match="No space left"),
    ):
        embed.embed(job)


def test_an_axis_that_is_not_there_is_refused(model, job) -> None:
    with pytest.raises(ValueError, match="axis 3 is not one of"):
        embed.embed(job, 3)


def test_workers_of_a_cluster_share_the_store(model, job) -> None:
    distributed = pytest.importorskip("distributed")
    options = {"processes": False, "dashboard_address": None, "n_workers": 2}
    with distributed.LocalCluster(threads_per_worker=1, **options) as cluster:
        told: list[int] = []
        embed.embed(
            job,
            scheduler=cluster.scheduler_address,
            progress=lambda done, total: told.append(done),
        )
    assert told == [0, 1, 2, 3, 4]
    assert model.encoded == 4
    assert sum(1 for entry in job.store.iterdir() if entry.is_dir()) == 4


def test_without_dask_distributed_it_says_what_to_install(
    model, job, monkeypatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ImportError, match=r"napari-segnext\[cluster\]"):
        embed.embed(job, scheduler="tcp://localhost:1")
