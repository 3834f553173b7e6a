"""studies/layers."""
