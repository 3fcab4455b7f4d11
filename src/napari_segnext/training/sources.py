"""Where the bundled model's training data come from, and how much of each."""

from __future__ import annotations

from pathlib import Path

from napari_segnext.training.data import (
    ImageFile,
    Source,
    generated_em,
    generated_mri,
    repeated,
    superpixels,
)

# Weight in the mixture: of the labels, and of superpixels of the same images.
FILES = {
    "fib25_medulla_neurons": (0.14, 0.05),
    "axondeepseg_sem_rat": (0.06, 0.04),
    "dsb2018_nuclei": (0.09, 0.02),
    "synthseg_synthetic_brains": (0.13, 0.0),
    "figshare_brain_tumour_t1ce": (0.07, 0.02),
    "sunnybrook_cardiac_lv": (0.04, 0.02),
    "sct_spinalcord": (0.02, 0.0),
}
GENERATED = {"generated_em": 0.22, "generated_mri": 0.14}
# Different slices of each kind that takes long to draw.
GENERATED_COUNT = 500
SUPERPIXEL_COUNT = 200


def mixture(folder: Path | None) -> dict[str, tuple[Source, float]]:
    """Return the sources of the bundled model.

    Parameters
    ----------
    folder
        Holds the ``.npz`` files named in `FILES`; None trains on generated images
        alone.

    Raises
    ------
    FileNotFoundError
        If one of the files is missing.
    """
    sources: dict[str, tuple[Source, float]] = {
        "generated_em": (
            repeated(generated_em, GENERATED_COUNT, seed=1),
            GENERATED["generated_em"],
        ),
        "generated_mri": (
            repeated(generated_mri, GENERATED_COUNT, seed=2),
            GENERATED["generated_mri"],
        ),
    }
    if folder is None:
        return sources
    for name, (labels, pixels) in FILES.items():
        path = folder / f"{name}.npz"
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing: give the folder that holds {', '.join(FILES)}"
            )
        images = ImageFile(path)
        sources[name] = images, labels
        if pixels:
            drawn = repeated(superpixels(images), SUPERPIXEL_COUNT, seed=3)
            sources[f"{name}_superpixels"] = drawn, pixels
    return sources
