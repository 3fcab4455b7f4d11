import subprocess
import sys
from pathlib import Path

from npe2 import PluginManifest

import napari_segnext

MANIFEST = Path(napari_segnext.__file__).parent / "napari.yaml"


def test_manifest_is_valid_and_all_it_names_can_be_imported():
    manifest = PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    assert manifest.name == "napari-segnext"


def test_widget_is_in_the_segment_menu():
    manifest = PluginManifest.from_file(MANIFEST)
    (item,) = manifest.contributions.menus["napari/layers/segment"]
    (widget,) = manifest.contributions.widgets
    assert item.command == widget.command


def test_importing_the_widget_does_not_import_torch():
    code = (
        "import sys; import napari_segnext.plugin.panel.widget; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
