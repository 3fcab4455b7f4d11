"""The napari plugin: the only part that imports napari or Qt."""
