"""Generated images: EM-like and MRI-like, with every object in them known."""

from napari_segnext.training.generated.canvas import GeneratedSlice
from napari_segnext.training.generated.em import em_slice, em_stack
from napari_segnext.training.generated.mri import labelled_head, mri_slice, mri_stack

__all__ = [
    "GeneratedSlice",
    "em_slice",
    "em_stack",
    "labelled_head",
    "mri_slice",
    "mri_stack",
]
