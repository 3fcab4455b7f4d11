"""Processes killed while they write embeddings leave whole ones or none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

WRITER = """
import os, signal, sys
import torch, zarr  # zarr before the forks: importing it takes long
from napari_segnext.predicting.store import EmbeddingStore
from napari_segnext.models.base import Embedding

folder, kills = sys.argv[1], int(sys.argv[2])

def embedding(key):
    tensors = {n: torch.full((8, 64, 64), float(key)) for n in ("fine", "coarse")}
    return Embedding(tensors)

def die_at(count):
    # Ends the process before it does the count-th thing to an unfinished entry.
    def watch(event, arguments):
        nonlocal count
        if event in ("open", "os.rename", "os.mkdir") and ".part-" in str(arguments[0]):
            count -= 1
            if not count:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(watch)

for key in range(kills):
    child = os.fork()
    if child == 0:
        store = EmbeddingStore(folder=folder + "/store")
        die_at(3 * key + 1)
        store.put(str(key), embedding(key))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)

left = [p for p in os.listdir(folder + "/store") if p.startswith(".part-")]
store = EmbeddingStore(folder=folder + "/store")
whole = 0
for key in range(kills):
    found = store.get(str(key))
    if found is not None:
        whole += 1
        assert found.numpy().keys() == {"fine", "coarse"}
        assert all((a == key).all() for a in found.numpy().values())
    store.put(str(key), embedding(key))
again = EmbeddingStore(folder=folder + "/store")
assert all(again.get(str(key)) is not None for key in range(kills))
print(len(left), whole)
"""


@pytest.mark.skipif(os.name != "posix", reason="no signals here")
def test_an_embedding_half_written_is_missing_and_can_be_written_again(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(tmp_path), "12"],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    half, _whole = map(int, done.stdout.split())
    assert half > 0
