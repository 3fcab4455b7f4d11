"""What a click waits for, on a real encoder of many blocks that are made slow."""

import threading
import time

import numpy as np
import pytest

from napari_segnext.geometry.plane import Plane
from napari_segnext.images.volume import Volume
from napari_segnext.models import ModelConfig, build_model
from napari_segnext.plugin.work.embed_all import EmbedAll
from napari_segnext.plugin.work.inference import Inference
from napari_segnext.plugin.work.worker import Worker
from napari_segnext.predicting.live import LiveImageModel, LivePredictor
from napari_segnext.prompts import Prompts
from napari_segnext.session import Request

BLOCKS, BLOCK_S = 12, 0.1
ARCH = {
    "embed_dim": 12,
    "depth": BLOCKS,
    "num_heads": 1,
    "fusion_depth": 1,
    "neck_channels": [4, 4, 4, 4],
    "head_channels": 4,
}
HERE, NEXT = Plane(0, 1), Plane(0, 2)


class Desk:
    """A session's inference; it counts blocks, and what had begun at each decode."""

    def __init__(self, qtbot, worker):
        self.slow = False
        self.blocks = 0
        self.in_block = threading.Event()
        self.decoding = []
        model = build_model(ModelConfig("segnext", 64, arch=ARCH)).eval()
        for block in model.backbone.blocks:
            block.norm1.register_forward_pre_hook(self._block)
        decode = model.decode

        def watched(*given):
            self.decoding.append(self.blocks)
            return decode(*given)

        model.decode = watched
        data = np.random.default_rng(0).integers(0, 256, (4, 64, 64), np.uint8)
        self.predictor = LivePredictor(model, Volume(data))
        self.inference = Inference(worker)
        self.shown, self.masks = [], []
        self.inference.shown.connect(lambda plane, _: self.shown.append(plane))
        self.inference.decoded.connect(lambda request, _: self.masks.append(request))
        self.inference.failed.connect(pytest.fail)
        engine = LiveImageModel(self.predictor, "slow")
        self.inference.load("slow", lambda: engine)
        self._qtbot = qtbot
        self.waits_until(lambda: self.inference.model is engine)

    def _block(self, module, given):
        self.blocks += 1
        if self.slow:
            self.in_block.set()
            time.sleep(BLOCK_S)

    def click(self, plane, y=30, ticket=0):
        prompts = Prompts().click(y, 30)
        self.inference.decode(Request(1, plane, prompts, None, 0, ticket))

    def embeds_ahead(self):
        """Show a slice that is embedded, and wait until its neighbour is under way."""
        self.inference.show_plane(HERE, [])
        self.waits_until(lambda: self.shown == [HERE])
        self.slow = True
        self.inference.show_plane(HERE, [NEXT])
        self.waits_until(self.in_block.is_set)
        del self.shown[1:]

    def waits_until(self, condition):
        self._qtbot.waitUntil(lambda: bool(condition()), timeout=60_000)


@pytest.fixture
def desk(qtbot):
    worker = Worker()
    desk = Desk(qtbot, worker)
    yield desk
    desk.inference.close()
    worker.close()


def test_click_during_a_prefetch_is_decoded_within_a_block(desk):
    desk.embeds_ahead()
    begun = desk.blocks
    desk.click(HERE)
    desk.waits_until(lambda: desk.masks)
    # Blocks that began between the click and its decode, of those that were left.
    assert desk.decoding[0] - begun <= 1 < 2 * BLOCKS - begun
    desk.slow = False
    desk.waits_until(lambda: desk.predictor.is_embedded(NEXT))


def test_click_on_a_slice_that_is_being_embedded_does_not_start_it_anew(desk):
    desk.slow = True
    desk.inference.show_plane(HERE, [])
    desk.waits_until(desk.in_block.is_set)
    desk.click(HERE)
    desk.slow = False
    desk.waits_until(lambda: desk.masks)
    assert desk.blocks == BLOCKS


def test_slice_embedded_ahead_is_not_started_anew_when_it_is_shown(desk):
    desk.embeds_ahead()
    desk.inference.show_plane(NEXT, [])
    desk.slow = False
    desk.waits_until(lambda: desk.shown == [HERE, NEXT])
    assert desk.blocks == 2 * BLOCKS


def test_slice_is_not_called_ready_once_it_has_a_mask(desk):
    desk.slow = True
    desk.click(HERE)
    desk.waits_until(desk.in_block.is_set)
    desk.inference.show_plane(HERE, [])
    desk.slow = False
    desk.waits_until(lambda: desk.masks)
    desk.inference.show_plane(NEXT, [])
    desk.waits_until(lambda: desk.shown)
    assert desk.shown == [NEXT]


def test_turning_to_another_slice_never_waits_for_the_model(desk):
    desk.slow = True
    desk.inference.show_plane(HERE, [])
    desk.waits_until(desk.in_block.is_set)
    started = time.perf_counter()
    for index in (2, 3, 0, 2):
        desk.inference.show_plane(Plane(0, index), [])
    assert time.perf_counter() - started < BLOCK_S
    desk.slow = False
    desk.waits_until(lambda: desk.shown == [NEXT])


def test_how_long_an_embedding_takes_is_said_once_it_is_known(desk):
    said = []
    desk.inference.busy.connect(said.append)
    desk.slow = True
    for plane in (HERE, NEXT):
        desk.inference.show_plane(plane, [])
        desk.waits_until(lambda plane=plane: plane in desk.shown)
    before, now = said
    assert before == "Embedding …"
    seconds = float(now.removeprefix("Embedding, about ").removesuffix(" s …"))
    assert seconds >= round(BLOCKS * BLOCK_S)


def test_a_slice_is_waited_for_until_it_is_embedded(desk):
    waits = []
    desk.inference.waiting.connect(waits.append)
    desk.slow = True
    desk.inference.show_plane(HERE, [NEXT])
    assert waits == [None, 0]
    desk.waits_until(lambda: desk.shown == [HERE])
    assert waits == [None, 0, None]
    # The neighbour is embedded ahead, which nobody waits for, until it is shown.
    desk.waits_until(lambda: desk.predictor.is_embedded(HERE) and desk.blocks > BLOCKS)
    assert waits == [None, 0, None]
    desk.inference.show_plane(NEXT, [])
    assert waits[3] is None
    assert waits[4] >= BLOCKS * BLOCK_S
    desk.click(NEXT)
    desk.waits_until(lambda: desk.masks)
    assert waits[-1] is None


def test_a_failure_ends_the_wait(desk):
    waits = []
    desk.inference.waiting.connect(waits.append)
    desk.slow = True
    desk.inference.show_plane(HERE, [])
    assert waits[-1] == 0
    desk.inference.failed.disconnect(pytest.fail)
    desk.inference.failed.emit("no memory")
    assert waits[-1] is None


def test_a_model_that_cannot_be_loaded_is_not_waited_for(qtbot):
    def fail():
        raise OSError("no such file")

    worker, said, states = Worker(), [], []
    inference = Inference(worker)
    inference.unloaded.connect(lambda: states.append(inference.loading))
    inference.failed.connect(said.append)
    inference.load("none", fail)
    assert inference.loading
    qtbot.waitUntil(lambda: bool(said))
    worker.close()
    assert states == [False]
    assert said == ["The model could not be loaded: no such file"]
    assert inference.model is None
    inference.decode(Request(1, HERE, Prompts().click(5, 5), None, 0, 1))
    assert said[-1].startswith("No model is loaded: choose one")


def broken():
    raise OSError("no such file")


def test_model_that_cannot_be_loaded_leaves_the_one_before_in_its_place(desk):
    said, kept, engine = [], [], desk.inference.model
    desk.inference.failed.disconnect(pytest.fail)
    desk.inference.failed.connect(said.append)
    desk.inference.kept.connect(lambda: kept.append(True))
    desk.inference.load("broken", broken)
    # A second choice before the first has failed changes nothing in that.
    desk.inference.load("broken too", broken)
    desk.click(HERE)
    desk.waits_until(lambda: desk.masks)
    assert desk.inference.model is engine
    assert kept == [True]
    assert said == [
        "The model before goes on. The model could not be loaded: no such file"
    ]


@pytest.mark.parametrize("there", [True, False])
def test_embedding_all_goes_on_with_the_model_that_stays_or_ends(qtbot, there):
    worker, ended, held = Worker(), [], threading.Event()

    class Slow:
        description, note, together = "slow", "", 1

        def embed(self, plane, turn, works_on, near=None):
            return 0.0

        def embed_all(self, planes, total, turn, works_on):
            held.wait(0.05)
            return ""

    inference = Inference(worker)
    embedding = EmbedAll(inference, lambda: [HERE, NEXT])
    embedding.ended.connect(ended.append)
    embedding.start()
    assert ended == ["No model is loaded: choose one first"]
    inference.load("slow", Slow if there else broken)
    embedding.start()
    assert embedding.running
    if there:
        qtbot.waitUntil(lambda: inference.model is not None)
        inference.load("broken", broken)
    qtbot.waitUntil(lambda: len(ended) == 2)
    worker.close()
    assert not embedding.running
    expected = "All 2 slices are embedded" if there else "Stopped: the model could not"
    assert ended[1].startswith(expected)
