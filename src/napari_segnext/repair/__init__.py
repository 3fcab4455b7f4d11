"""Putting the shape of an object right without the model."""
