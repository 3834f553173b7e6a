"""loss_networks."""
