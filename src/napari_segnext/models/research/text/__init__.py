"""Phrases as prompts: a frozen CLIP text encoder beside a model."""
