"""studies/loss_network."""
