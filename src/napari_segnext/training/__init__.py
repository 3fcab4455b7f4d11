"""Training: generated data, click simulation, losses and the loop."""
