"""studies/compare."""
