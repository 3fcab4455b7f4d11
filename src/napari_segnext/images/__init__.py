"""Images of any layout, read plane by plane, and their intensities."""
