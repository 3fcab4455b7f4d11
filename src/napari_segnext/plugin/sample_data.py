"""Sample images that every installation has, so that no network is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

_EM_SEED = 4

LayerData = tuple[Any, dict[str, Any], str]


def mri() -> list[LayerData]:
    """Open a real MRI: the first volume of the series that nibabel ships.

    Returns
    -------
    One image layer, (z, y, x), with its voxel size in millimetres.
    """
    import nibabel
    from nibabel.spatialimages import SpatialImage

    path = Path(nibabel.__file__).parent / "tests" / "data" / "example4d.nii.gz"
    image = nibabel.load(path)
    assert isinstance(image, SpatialImage)
    volume = np.asarray(image.dataobj[..., 0]).T
    zooms = image.header.get_zooms()[2::-1]
    layer = {
        "name": "MRI",
        "scale": [round(float(z), 4) for z in zooms],
        "units": "mm",
        "axis_labels": ("z", "y", "x"),
        "metadata": {"source": "nibabel/tests/data/example4d.nii.gz, volume 0"},
    }
    return [(volume, layer, "image")]


def em() -> list[LayerData]:
    """Generate a stack that looks like electron microscopy of tissue.

    Returns
    -------
    One image layer, (z, y, x), always the same.
    """
    from napari_segnext.training.generated import em_stack

    drawn = em_stack(np.random.default_rng(_EM_SEED), (12, 256, 256))
    layer = {
        "name": "EM (generated)",
        "axis_labels": ("z", "y", "x"),
        "metadata": {"source": "generated, not a micrograph"},
    }
    return [(drawn.image, layer, "image")]
