"""Reading the pixels of an evaluation image or mask, as the reference sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps

from napari_segnext.files.checks import check_special


def read_pixels(path: Path) -> NDArray[Any]:
    """Read an image file.

    Returns
    -------
    (H, W) or (H, W, C)
        Palettes and CMYK become RGB, and a photograph is turned the way its EXIF
        tag says, as OpenCV does. TIFF values are kept as they are.

    Raises
    ------
    OSError
        If the file is not an image.
    """
    try:
        check_special(path)
        if path.suffix.lower() in (".tif", ".tiff"):
            return np.asarray(tifffile.imread(path))
        with Image.open(path) as opened:
            image: Image.Image = ImageOps.exif_transpose(opened)
            if image.mode in ("P", "CMYK", "YCbCr"):
                image = image.convert("RGB")
            elif image.mode in ("LA", "1"):
                image = image.convert("L")
            return np.asarray(image)
    except (OSError, ValueError) as error:
        raise OSError(f"{path} cannot be read as an image: {error}") from error
