"""Embedding all slices from the panel: progress, stop, going on, clicks first."""

from pathlib import Path

from napari_segnext.geometry.plane import Plane


def test_all_slices_are_embedded_the_nearest_first_and_a_click_does_not_wait(desk):
    part, engine, seen = desk.widget.embeddings, desk.engine, []
    desk.user.waits_until(lambda: len(engine.embedded) == 5)
    desk.annotator.embedding.progressed.connect(lambda *counts: seen.append(counts))
    engine.hold()
    part.button.click()
    assert part.button.text() == "Stop embedding"
    desk.user.waits_until(engine.busy.is_set)
    desk.user.click((4, 30, 40), desk.image)
    engine.release()
    desk.user.waits_until(lambda: desk.mask(Plane(0, 4)).any())
    desk.user.waits_until(lambda: part.button.text() == "Embed all")
    assert part.note == "All 12 slices are embedded"
    assert seen == [(n, 12) for n in range(13)]
    assert [p.index for p in engine.embedded[5:]] == [7, 1, 8, 0, 9, 10, 11]


def test_embedding_stops_when_told_and_goes_on_from_there(desk):
    part, engine = desk.widget.embeddings, desk.engine
    desk.user.waits_until(lambda: len(engine.embedded) == 5)
    engine.hold()
    part.button.click()
    desk.user.waits_until(
        lambda: desk.annotator.embedding.running and engine.busy.is_set()
    )
    part.button.click()
    engine.release()
    assert part.note.startswith("Stopped: ") and part.button.text() == "Embed all"
    desk.user.waits_until(lambda: desk.widget.worker.idle)
    before = len(engine.embedded)
    assert before < 12
    part.button.click()
    desk.user.waits_until(lambda: part.note == "All 12 slices are embedded")
    assert len(engine.embedded) == len(set(engine.embedded)) == 12


def test_what_is_set_reaches_the_model(desk, tmp_path: Path):
    part = desk.widget.embeddings
    part.memory.setValue(0.5)
    part.on_disk.setChecked(True)
    part.use_folder(tmp_path)
    desk.user.waits_until(lambda: getattr(desk.engine, "kept", None) == part.policy)
    assert part.policy.memory_gb == 0.5 and part.policy.folder == tmp_path
