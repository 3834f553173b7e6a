"""What is made with one loss alone, for ``loss_effects.py``: a small network trained, or a picture changed.

The photo is scikit-image's cat, which no training sees. Everything is seeded and runs on one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flicker import pan
from perceptualloss import GANLoss, PatchCritic, ResidualUpscaler
from perceptualloss.apply.optimize_picture import optimize_picture
from perceptualloss.data.folder import builtin_photos
from perceptualloss.losses.base import Loss
from perceptualloss.pictures.box import Box
from perceptualloss.pictures.images import read_image
from perceptualloss.pictures.resize import resize

# At a rate of 2e-3 the ReLUs die under L1, whose gradient is steep from the start: the network stays bilinear.
SCALE, STEPS, BATCH, CROP, RATE = 4, 150, 2, 64, 1e-3
TURNS = 40  # of a picture's optimisation
EYE = Box.at(top=92, left=152, height=80, width=80)
SMALL = Box.at(top=64, left=112, height=160, width=160)  # what an optimisation changes
Step = Callable[[Tensor, Tensor], Tensor]
"""Gives the loss of (output, target)."""


@dataclass(frozen=True)
class Made:
    """Pictures (1, 3, H, W): what there was before, by the loss's name what it made of it, and the truth.

    Attributes:
        before: the network's output before its training, or the picture before its optimisation.
        asked: what the loss wants changed in ``before``: its gradient's opposite.
        results: by what they were made with.
        truth: the target.
    """

    before: Tensor
    asked: Tensor
    results: dict[str, Tensor]
    truth: Tensor


@cache
def cat() -> Tensor:
    """Return the photo, with sides that the scale divides."""
    photo = read_image(next(file for file in builtin_photos("validation") if file.stem == "chelsea"))
    return photo[..., : photo.shape[2] // SCALE * SCALE, : photo.shape[3] // SCALE * SCALE]


@cache
def batches() -> list[tuple[Tensor, Tensor]]:
    """Return the same small inputs and targets for every training."""
    photos = [read_image(file) for file in builtin_photos("training")]
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(STEPS):
        crops = []
        for _ in range(BATCH):
            photo = photos[int(torch.randint(len(photos), (), generator=generator))]
            top, left = (int(torch.randint(side - CROP, (), generator=generator)) for side in photo.shape[-2:])
            crops.append(photo[..., top : top + CROP, left : left + CROP])
        target = torch.cat(crops)
        found.append((resize(target, 1 / SCALE).clamp(0, 1), target))
    return found


def network() -> ResidualUpscaler:
    """Return the same untrained network every time: it enlarges bilinearly."""
    torch.manual_seed(0)
    return ResidualUpscaler(SCALE, width=24, blocks=2, detail=12)


def trained(loss: Step, steps: int = STEPS, build: Callable[[], nn.Module] = network) -> Tensor:
    """Return the cat as a network, the small one unless ``build`` gives another, enlarges it after a short training."""
    upscaler = build()
    optimizer = torch.optim.Adam(upscaler.parameters(), lr=RATE)
    for low, target in batches()[:steps]:
        optimizer.zero_grad()
        loss(upscaler(low), target).backward()
        optimizer.step()
    return enlarged(upscaler)


@torch.no_grad()
def enlarged(upscaler: nn.Module) -> Tensor:
    """Return what a network makes of the small cat."""
    large: Tensor = upscaler.eval()(resize(cat(), 1 / SCALE).clamp(0, 1))
    return large.clamp(0, 1)


def upscaled(losses: dict[str, Loss], steps: int = STEPS) -> Made:
    """Train the same network with each loss alone."""
    before, truth = enlarged(network()), cat()
    first = next(iter(losses.values()))
    results = {name: trained(loss, steps) for name, loss in losses.items()}
    return Made(before, asked(first, before, truth), results, truth)


def asked(loss: Step, picture: Tensor, target: Tensor) -> Tensor:
    """Return what a loss wants changed: grey is nothing, the 99th percentile of its gradient is full strength."""
    picture = picture.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(picture, target), picture)
    strength = gradient.abs().flatten().kthvalue(max(1, int(0.99 * gradient.numel()))).values.clamp_min(1e-12)
    return (0.5 - 0.5 * gradient / strength).clamp(0, 1)


def against_a_critic(pixels: Step, steps: int = STEPS, kind: str = "hinge") -> Made:
    """Train the network against a small critic: with nothing beside it, and beside a loss of the pixels."""

    def game(weight: float) -> Tensor:
        upscaler, adversarial = network(), GANLoss(kind)  # type: ignore[arg-type]
        torch.manual_seed(1)
        critic = PatchCritic(width=16, n_layers=2)
        makes = torch.optim.Adam(upscaler.parameters(), lr=RATE, betas=(0.5, 0.9))
        judges = torch.optim.Adam(critic.parameters(), lr=RATE, betas=(0.5, 0.9))
        for low, target in batches()[:steps]:
            output = upscaler(low)
            judges.zero_grad()
            adversarial.critic_loss(critic(target), critic(output.detach().clamp(0, 1))).backward()
            judges.step()
            makes.zero_grad()
            (adversarial.generator_loss(critic(output)) + weight * pixels(output, target)).backward()
            makes.step()
        return enlarged(upscaler)

    before, truth = enlarged(network()), cat()
    results = {"hinge loss alone": game(0.0), "hinge + 100 L1": game(100.0)}
    torch.manual_seed(1)
    critic = PatchCritic(width=16, n_layers=2)
    return Made(before, asked(lambda x, _: GANLoss("hinge").generator_loss(critic(x)), before, truth), results, truth)


def optimized(losses: dict[str, Step], before: Tensor, truth: Tensor, turns: int = TURNS) -> Made:
    """Change a picture by L-BFGS until each loss alone is low."""

    def terms(loss: Step) -> Callable[[Tensor], dict[str, Tensor]]:
        return lambda picture: {"loss": loss(picture, truth)}

    results = {name: optimize_picture(terms(loss), before, turns).picture for name, loss in losses.items()}
    first = next(iter(losses.values()))
    return Made(before, asked(first, before, truth), results, truth)


def part() -> Tensor:
    """Return the cat's face."""
    return SMALL.cut(cat())


def texture() -> Tensor:
    """Return tissue under the microscope (scikit-image), as a style."""
    file = next(file for file in builtin_photos("training") if file.stem == "ihc")
    return read_image(file)[..., 96 : 96 + SMALL.height, 200 : 200 + SMALL.width]


def noisy(picture: Tensor, strength: float = 0.1) -> Tensor:
    """Return a picture with noise."""
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
    return (picture + strength * noise).clamp(0, 1)


def tinted(picture: Tensor) -> Tensor:
    """Return a picture that is darker and yellow, with a little noise."""
    return noisy(picture * torch.tensor([0.8, 0.7, 0.4]).view(1, 3, 1, 1), 0.03)


def brightness_after(losses: dict[str, Callable[[Tensor, Tensor], Tensor]]) -> dict[str, list[float]]:
    """Return the mean brightness of each frame of a clip: the truth, one that flickers, and after each loss alone."""
    clip = pan(F.avg_pool2d(cat(), 2), frames=10, size=48)
    generator = torch.Generator().manual_seed(3)
    flicker = 0.08 + 0.06 * torch.randn(10, generator=generator).view(1, 1, -1, 1, 1)
    spoiled = (clip + flicker).clamp(0, 1)
    curves = {"truth": clip, "flickering": spoiled}
    for name, loss in losses.items():
        picture = spoiled.clone().requires_grad_()
        optimizer = torch.optim.Adam([picture], lr=0.01)
        for turn in range(200):
            optimizer.param_groups[0]["lr"] = 0.01 * (1 - turn / 200)
            optimizer.zero_grad()
            loss(picture, clip).backward()
            optimizer.step()
        curves[name] = picture.detach()
    return {name: frames.mean(dim=(0, 1, 3, 4)).tolist() for name, frames in curves.items()}
