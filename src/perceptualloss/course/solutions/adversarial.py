"""Chapter 7: the critic and the adversarial loop."""

from collections.abc import Callable

import torch
from torch import Tensor, nn, optim


class Critic(nn.Module):
    """Score pictures on an open scale: the higher, the more real."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, kernel_size=5, stride=2, padding=2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, kernel_size=5, stride=2, padding=2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, kernel_size=5, stride=2, padding=2),
            nn.LeakyReLU(0.2),
        )
        self.score = nn.Linear(128, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores (N, 1) of pictures (N, 3, H, W)."""
        scores: Tensor = self.score(self.features(images).mean(dim=(2, 3)))
        return scores


def adversarial_step(
    generator: nn.Module,
    critic: nn.Module,
    optimizer_generator: optim.Optimizer,
    optimizer_critic: optim.Optimizer,
    low: Tensor,
    high: Tensor,
    perceptual_loss: Callable[[Tensor, Tensor], Tensor],
    tv_loss: Callable[[Tensor], Tensor],
    n_critic: int = 5,
    clip_value: float = 0.01,
    weight_critic: float = 0.001,
    weight_perceptual: float = 1.0,
    weight_tv: float = 0.001,
) -> tuple[float, float]:
    """Train with one batch: n_critic updates of the critic, one of the generator; return both last losses as numbers.

    perceptual_loss(output, target) and tv_loss(output) are given. After each of its updates the critic's weights are
    clipped to [-clip_value, clip_value]. The generator's loss is the sum of the three, times their weights.
    """
    generator.requires_grad_(False)
    critic.requires_grad_(True)
    for _ in range(n_critic):
        optimizer_critic.zero_grad()
        fake = generator(low).detach()
        critic_loss = -torch.mean(critic(high)) + torch.mean(critic(fake))
        critic_loss.backward()
        optimizer_critic.step()
        with torch.no_grad():
            for parameter in critic.parameters():
                parameter.clamp_(-clip_value, clip_value)

    critic.requires_grad_(False)
    generator.requires_grad_(True)
    optimizer_generator.zero_grad()
    fake = generator(low)
    generator_loss = (
        weight_critic * -torch.mean(critic(fake))
        + weight_perceptual * perceptual_loss(fake, high)
        + weight_tv * tv_loss(fake)
    )
    generator_loss.backward()
    optimizer_generator.step()
    return critic_loss.item(), generator_loss.item()
