"""From an image and prompts to a mask: tiles, embeddings, and what decodes them."""
