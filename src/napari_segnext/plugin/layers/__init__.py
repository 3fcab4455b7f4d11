"""What the plugin keeps in the viewer: prompts, labels, images, and what is shown."""
