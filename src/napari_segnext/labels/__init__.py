"""Labels of volumes: in an array, in chunks on disk, counted as they change."""
