"""The bundled model in a window, in a process that has not loaded torch before."""

import subprocess
import sys

SCRIPT = """
import numpy as np
import napari
from qtpy.QtTest import QTest
from napari_segnext.plugin.sample_data import mri

viewer = napari.Viewer(show=True)
((volume, options, _),) = mri()
viewer.add_image(volume, **options)
viewer.dims.set_current_step(0, 18)
_, widget = viewer.window.add_plugin_dock_widget("napari-segnext", "SegNext")
QTest.qWait(200)
assert "torch" not in __import__("sys").modules
widget.start()
annotator = widget.annotator
annotator.prompts.points.add((18, 45, 61))
for _ in range(2000):
    QTest.qWait(50)
    if annotator.output.data.any():
        break
print("pixels", np.count_nonzero(annotator.output.data), widget.status)
viewer.close()
"""


def test_first_click_after_the_window_is_drawn_gives_a_mask(qapp, tmp_path):
    # A library that torch brings along must not meet one that drew the window.
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", SCRIPT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split("pixels ")[1].split()[0]) > 0
