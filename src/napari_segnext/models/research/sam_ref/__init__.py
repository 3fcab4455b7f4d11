"""SAM-REF: a light refiner behind a model that encodes the image once."""
