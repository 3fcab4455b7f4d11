"""Keep napari out of the user's settings, and its own warnings out of the tests."""

import os
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "xcb")
os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")

with warnings.catch_warnings():
    # What napari's dependencies say while they are imported is not about us.
    warnings.simplefilter("ignore")
    import napari.viewer  # noqa: F401
