"""The tools that give prompts: a layer and a mode of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tool:
    """A way to give prompts.

    Attributes
    ----------
    name
        What the button says.
    layer
        Attribute of `PromptLayers`.
    mode
        Mode of that layer.
    tip
        How it is used.
    """

    name: str
    layer: str
    mode: str
    tip: str


TOOLS = (
    Tool("Click", "points", "add", "Click on the object; Ctrl+click on background"),
    Tool("Box", "shapes", "add_rectangle", "Drag a box around the object"),
    Tool(
        "Polygon",
        "shapes",
        "add_polygon",
        "Click the corners of an outline, double-click to close it",
    ),
    Tool("Path", "shapes", "add_path", "Drag a line along the object"),
    Tool("Brush", "scribbles", "paint", "Paint a scribble; the eraser removes parts"),
)
