"""studies/evaluate."""
