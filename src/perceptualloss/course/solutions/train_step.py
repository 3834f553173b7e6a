"""Chapter 3: one step of training."""

from torch import Tensor, nn, optim


def train_step(model: nn.Module, loss: nn.Module, optimizer: optim.Optimizer, low: Tensor, high: Tensor) -> float:
    """Move the model's weights once, so that model(low) comes nearer to high; return the loss before that.

    low has shape (N, 3, H, W), high (N, 3, s * H, s * W) for the model's scale s; loss(output, target) is a number.
    """
    model.train()
    optimizer.zero_grad()
    output = model(low)
    value = loss(output, high)
    value.backward()
    optimizer.step()
    return float(value.item())
