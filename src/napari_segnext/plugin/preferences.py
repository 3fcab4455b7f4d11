"""What is set for this plugin in napari's Preferences.

It takes the place of environment variables that the user has not set, so that all parts
ask in one way and commands begun from here find the same.
"""

from __future__ import annotations

import os
from typing import Any

from napari_segnext.journal.paths import FOLDER_VARIABLE
from napari_segnext.plugin.work.propagating import SERVER_VARIABLE
from napari_segnext.predicting.storage import MEMORY_VARIABLE
from napari_segnext.weights.cache import DEVICE_VARIABLE, EMBEDDINGS_VARIABLE

# Names in the manifest, and what they stand in for.
VARIABLES = {
    "device": DEVICE_VARIABLE,
    "memory_gb": MEMORY_VARIABLE,
    "embeddings": EMBEDDINGS_VARIABLE,
    "journals": FOLDER_VARIABLE,
    "nninteractive": SERVER_VARIABLE,
}
# What was set from here.
_given: dict[str, str] = {}


def apply_preferences() -> None:
    """Let what is set count from now on; variables of the user's own stay."""
    settings = _settings()
    if settings is None:
        return
    for name, variable in VARIABLES.items():
        if os.environ.get(variable) != _given.get(variable):
            continue
        value = str(getattr(settings, name))
        if value:
            os.environ[variable] = _given[variable] = value
        else:
            os.environ.pop(variable, None)
            _given.pop(variable, None)


def _settings() -> Any:
    """Return the settings; None before napari 0.9, which keeps none for plugins."""
    try:
        from napari.settings import get_plugin_settings
    except ImportError:
        return None
    found = get_plugin_settings().get("napari-segnext")
    return None if found is None else found.defaults
