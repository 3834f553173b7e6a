"""Measures of how close two pictures are, one value a picture."""
