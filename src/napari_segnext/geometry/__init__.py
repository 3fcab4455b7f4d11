"""Planes, regions and frames: where things lie in an image."""
