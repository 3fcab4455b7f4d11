"""Keep napari's own warnings out of the tests."""

import warnings

with warnings.catch_warnings():
    # What napari's dependencies say while they are imported is not about us.
    warnings.simplefilter("ignore")
    import napari.viewer  # noqa: F401
