"""Which model answers, on which engine: chosen by the user, and told of."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox

from napari_segnext.plugin.panel.controls import make_combo

# What `napari_segnext.engines` knows, which imports torch; label and explanation.
_ENGINES = {
    "auto": (
        "Automatic",
        "CUDA graphs on an NVIDIA GPU; on a CPU OpenVINO, if it is installed, for what "
        "it is measured to do faster, or else what PyTorch has traced; else PyTorch",
    ),
    "torch": ("PyTorch", "Exact, everywhere; what all others are compared with"),
    "compiled": (
        "Compiled",
        "torch.compile; on an NVIDIA GPU with CUDA graphs, in bfloat16",
    ),
    "traced": (
        "PyTorch, traced",
        "Exact, for CPUs: a light model's mask in one call, which a busy window does "
        "not hold up",
    ),
    "bf16": (
        "PyTorch, bfloat16",
        "As good as on a GPU, for CPUs with AVX512-BF16 or AMX: for embedding and "
        "masks, each where it is measured to be faster",
    ),
    "openvino": (
        "OpenVINO",
        "Exact, for CPUs: pip install 'napari-segnext[openvino]'",
    ),
    "openvino-int8": (
        "OpenVINO, int8",
        "Faster and approximate, for CPUs; calibrate it first with "
        "“napari-segnext models verify … --engine openvino-int8 --data …”",
    ),
    "approximate": (
        "Approximate",
        "SegNext models on a CPU, with fewer tokens away from prompts and mask; "
        "measure it first with “napari-segnext models verify”",
    ),
}


def make_engine_choice() -> QComboBox:
    """Make the choice; its data are names of engines."""
    choice = make_combo("What runs the model; masks do not wait while it is made")
    for name, (label, tip) in _ENGINES.items():
        choice.addItem(label, name)
        choice.setItemData(choice.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
    return choice
