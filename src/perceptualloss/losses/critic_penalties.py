"""What keeps a critic's slope small: penalties of its gradient with respect to pictures, and clipped weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from perceptualloss.errors import InputError, check_same_shape
from perceptualloss.losses.adversarial import Scores, maps_of
from perceptualloss.numerics import wide

Critic = Callable[[Tensor], Scores]


def gradient_penalty(
    critic: Critic,
    real: Tensor,
    fake: Tensor,
    weight: float = 10.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Return WGAN-GP's penalty, :math:`\lambda\,E(\|\nabla_x D(x)\|_2 - 1)^2`, a scalar to add to the critic's loss.

    It pulls the slope of the critic's score to 1. Each x lies at a random place on the line between a real and a
    generated picture of the batch. Scores of several patches are summed first.

    - **No batch norm in the critic**: it must treat every picture by itself.
    - **Precision**: autocast is off, and all but the critic itself is computed in 32 bits or more. A module is given
      pictures in the type of its weights, so its slope has their accuracy.

    Args:
        critic: gives scores for pictures. Its gradient is differentiated again. A function is given 32 bits.
        real: real pictures, (N, ...); they get no gradient.
        fake: generated pictures, as ``real``; they get no gradient.
        weight: :math:`\lambda`.
        generator: draws the places; None is the default one of the device.

    Raises:
        InputError: for batches of different shapes.

    Source: Gulrajani et al., "Improved Training of Wasserstein GANs", 2017, equation 3.

    >>> images = torch.rand(2, 2, 3, 4, 4)
    >>> float(gradient_penalty(lambda x: x.sum(dim=(1, 2, 3)) / 48**0.5, *images)) < 1e-9  # its slope is 1
    True
    """
    check_same_shape("real", real, "fake", fake)
    real, fake = wide(real.detach()), wide(fake.detach())
    device = real.device if generator is None else generator.device
    share = torch.rand(len(real), *[1] * (real.ndim - 1), generator=generator, device=device, dtype=real.dtype)
    between = torch.lerp(fake, real, share.to(real.device))
    slope = _squared_slopes(critic, between)
    # The constant keeps the root's own slope finite where the critic is flat.
    penalty: Tensor = weight * ((slope + 1e-12).sqrt() - 1).square().mean()
    return penalty


def r1_penalty(critic: Critic, real: Tensor, weight: float = 10.0) -> Tensor:
    r"""Return R1, :math:`\frac{\gamma}{2} E\|\nabla_x D(x)\|_2^2` over real pictures, to add to the critic's loss.

    It keeps the critic flat where the real pictures are. So the critic comes to rest once generated pictures look like
    them. Scores of several patches and maps are summed first. For batch norm and precision see
    :func:`gradient_penalty`. If you compute it at every k-th step only, give it k times the weight.

    Args:
        critic: gives scores for pictures. Its gradient is differentiated again.
        real: real pictures, (N, ...); they get no gradient.
        weight: :math:`\gamma`.

    Source: Mescheder et al., "Which Training Methods for GANs do actually Converge?", ICML 2018; every k-th step:
    Karras et al., StyleGAN2, 2020.

    >>> r1_penalty(lambda x: 2 * x.sum(dim=(1, 2, 3)), torch.rand(2, 3, 4, 4))  # 10 / 2 * 48 * 2^2
    tensor(960.)
    """
    penalty: Tensor = weight / 2 * _squared_slopes(critic, wide(real.detach())).mean()
    return penalty


def r2_penalty(critic: Critic, fake: Tensor, weight: float = 10.0) -> Tensor:
    r"""Return R2, :math:`\frac{\gamma}{2} E\|\nabla_x D(G(z))\|_2^2`: :func:`r1_penalty` over generated pictures.

    Args:
        critic: gives scores for pictures. Its gradient is differentiated again.
        fake: generated pictures, (N, ...); they get no gradient.
        weight: :math:`\gamma`.

    Source: Mescheder et al., "Which Training Methods for GANs do actually Converge?", ICML 2018.
    """
    return r1_penalty(critic, fake, weight)


def _squared_slopes(critic: Critic, images: Tensor) -> Tensor:
    """Return the squared norm of the gradient of each picture's score, (N,), that can be differentiated again."""
    images = images.requires_grad_()
    with torch.autocast(images.device.type, enabled=False):
        scores = critic(images.to(_dtype_of(critic, images.dtype)))
        total = torch.stack([wide(one).sum() for one in maps_of(scores)]).sum()
        (slope,) = torch.autograd.grad(total, images, create_graph=True)
    return wide(slope).flatten(start_dim=1).square().sum(dim=1)


def _dtype_of(critic: Critic, otherwise: torch.dtype) -> torch.dtype:
    """Return the type of a module's weights; that of a function's is not to be seen."""
    parameters = critic.parameters() if isinstance(critic, nn.Module) else ()
    return next((p.dtype for p in parameters if p.is_floating_point()), otherwise)


@torch.no_grad()
def clip_weights(critic: nn.Module, limit: float = 0.01) -> None:
    """Clamp the critic's parameters to [-limit, limit], in place. Call it after each step of the critic.

    This bounds the critic's slope, which the loss "wasserstein" needs.

    Args:
        critic: the module that is changed.
        limit: a positive number.

    Raises:
        InputError: for a limit that is not positive.

    Source: Arjovsky et al., "Wasserstein GAN", 2017.

    >>> critic = nn.Linear(4, 1)
    >>> clip_weights(critic)
    >>> bool(critic.weight.abs().max() <= 0.01)
    True
    """
    if not limit > 0:
        raise InputError("limit to be a positive number", repr(limit), "The paper's is 0.01.")
    for parameter in critic.parameters():
        parameter.clamp_(-limit, limit)
