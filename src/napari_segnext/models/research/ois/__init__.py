"""OIS: order-aware interactive segmentation, and a light form of it."""
