"""The dock widget and its parts: only what is seen."""
