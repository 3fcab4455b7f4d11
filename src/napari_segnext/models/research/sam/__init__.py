"""SAM, HQ-SAM and SAM 2, as the library transformers computes them."""
