"""What napari's Preferences set for the plugin counts, the environment before it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_segnext
from napari_segnext.plugin import preferences
from napari_segnext.plugin.panel.embeddings import memory_gb
from napari_segnext.weights import choose_device, embeddings_folder

MANIFEST = Path(napari_segnext.__file__).parent / "napari.yaml"
settings = pytest.importorskip("napari.settings")
if not hasattr(settings, "get_plugin_settings"):
    pytest.skip("napari keeps no settings for plugins yet", allow_module_level=True)


@pytest.fixture
def defaults(monkeypatch, npe2pm, plugin_settings):
    npe2pm.register(PluginManifest.from_file(MANIFEST))
    for variable in preferences.VARIABLES.values():
        # So that what the test leaves is taken away again.
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    monkeypatch.setattr(preferences, "_given", {})
    return settings.get_plugin_settings("napari-segnext").defaults


def test_preferences_count_until_they_are_changed_again(defaults, tmp_path):
    defaults.memory_gb, defaults.device = 3.5, "cpu"
    defaults.embeddings = str(tmp_path)
    preferences.apply_preferences()
    assert memory_gb() == 3.5
    assert choose_device().type == "cpu"
    assert embeddings_folder() == tmp_path
    defaults.memory_gb, defaults.embeddings = 1.5, ""
    preferences.apply_preferences()
    assert memory_gb() == 1.5
    assert embeddings_folder() != tmp_path


def test_the_environment_wins(defaults, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SEGNEXT_MEMORY_GB", "7")
    defaults.memory_gb, defaults.journals = 3.5, str(tmp_path)
    preferences.apply_preferences()
    assert memory_gb() == 7
    assert os.environ["NAPARI_SEGNEXT_DATA"] == str(tmp_path)


def test_the_manifest_offers_what_is_applied(defaults):
    assert set(type(defaults).model_fields) == set(preferences.VARIABLES)
