"""The critic that looks through a frozen network: what is frozen, what is fixed, and what learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.features.network import LossNetwork, loss_network
from perceptualloss.losses.adversarial import GANLoss
from perceptualloss.losses.critic_penalties import r1_penalty
from perceptualloss.networks.augment import differentiable_augmentation
from perceptualloss.networks.limits import build_bounded
from perceptualloss.networks.projected_critic import ProjectedCritic

LAYERS = ("relu1_1", "relu2_1", "relu3_1")


def small(**options: Any) -> ProjectedCritic:
    torch.manual_seed(0)
    return ProjectedCritic(**({"layers": LAYERS, "width": 4, "augment": False} | options))


def test_the_heads_learn_and_nothing_else_does() -> None:
    critic = small()
    frozen = [p for module in critic.frozen.modules_in_turn() for p in module.parameters()]
    before = [p.clone() for p in frozen]
    fixed = {name: value.clone() for name, value in critic.state_dict().items() if name.startswith(("mix", "rise"))}
    heads = {name: value.clone() for name, value in critic.named_parameters()}
    assert set(fixed) == {"mix0", "mix1", "mix2", "rise0", "rise1"}
    assert not {id(p) for p in frozen} & {id(p) for p in critic.parameters()}
    assert all(name.startswith("judges.") for name in heads)
    assert not any(torch.equal(p, value) for p in frozen for value in critic.state_dict().values())
    critic.requires_grad_(False)
    critic.requires_grad_(True)  # as the game does
    optimizer = torch.optim.Adam(critic.parameters(), 1e-2)
    loss = GANLoss("hinge")
    bright, dark = (0.5 * torch.rand(2, 2, 3, 16, 16) + torch.tensor([0.5, 0.0]).view(2, 1, 1, 1, 1)).unbind()
    values = []
    for step in range(6):
        value = loss.critic_loss(critic(bright), critic(dark))
        if step == 0:
            value = value + 1e-6 * r1_penalty(critic, bright)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.7 * values[0]
    assert all(p.grad is None and not p.requires_grad for p in frozen)
    assert all(torch.equal(p, old) for p, old in zip(frozen, before, strict=True))
    state = critic.state_dict()
    assert all(torch.equal(state[name], value) for name, value in fixed.items())
    assert not any(torch.equal(p, heads[name]) for name, p in critic.named_parameters())


def test_projections_by_hand() -> None:
    critic = small()
    a, b, c = (torch.rand(1, n, side, side) for n, side in ((64, 8), (128, 4), (256, 2)))
    mixed = critic.project([a, b, c])
    own = [torch.einsum("oi,nihw->nohw", critic.get_buffer(f"mix{n}")[:, :, 0, 0], x) for n, x in enumerate((a, b, c))]
    torch.testing.assert_close(mixed[2], own[2])
    up = nn.Upsample(scale_factor=2, mode="bilinear")
    middle = own[1] + up(F.conv2d(own[2], critic.get_buffer("rise1"), padding=1))
    torch.testing.assert_close(mixed[1], middle, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        mixed[0], own[0] + up(F.conv2d(middle, critic.get_buffer("rise0"), padding=1)), rtol=1e-4, atol=1e-3
    )
    channels = small(mixing="channels")
    channels.load_state_dict({name: critic.state_dict()[name] for name in channels.state_dict()})
    for one, other in zip(channels.project([a, b, c]), own, strict=True):
        torch.testing.assert_close(one, other)
    plain = small(mixing="none")
    assert not [name for name in plain.state_dict() if name.startswith(("mix", "rise"))]
    assert all(one is other for one, other in zip(plain.project([a, b, c]), (a, b, c), strict=True))


def test_the_state_holds_the_projections() -> None:
    first = small().eval()
    torch.manual_seed(1)
    second = ProjectedCritic(layers=LAYERS, width=4, augment=False).eval()
    images = torch.rand(1, 3, 24, 24)
    assert not torch.equal(first(images)[0], second(images)[0])
    second.load_state_dict(first.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(first(images), second(images), strict=True))


def test_random_weights_of_the_frozen_network_are_always_the_same() -> None:
    """They are in no state, so that a critic that is loaded must find them again."""
    critics = []
    for seed in (3, 4):
        torch.manual_seed(seed)
        critics.append(ProjectedCritic("vgg16", LAYERS[:2], width=4, weights=None, augment=False).eval())
    images = torch.rand(1, 3, 24, 24)
    assert not torch.equal(critics[0](images)[0], critics[1](images)[0])
    critics[1].load_state_dict(critics[0].state_dict())
    assert torch.equal(critics[0](images)[0], critics[1](images)[0])


def test_gradients_reach_the_pictures_through_the_frozen_network() -> None:
    critic = small()
    images = torch.rand(2, 3, 24, 24, requires_grad=True)
    (slope,) = torch.autograd.grad(GANLoss("hinge").generator_loss(critic(images)), images)
    assert slope.abs().amax(dim=(1, 2, 3)).min() > 0
    assert critic.maps == len(critic(images)) == 3


def test_a_vision_transformer_with_heads_for_tokens() -> None:
    """StyleGAN-T's critic, with a small transformer of random weights."""
    timm = pytest.importorskip("timm")
    model = timm.models.VisionTransformer(
        32, 8, embed_dim=16, depth=2, num_heads=2, num_classes=0, dynamic_img_size=True
    )
    layers = ["blocks.0", "blocks.1"]
    critic = ProjectedCritic(LossNetwork(model, layers), layers, mixing="none", heads="tokens", augment=False)
    images = torch.rand(2, 3, 32, 24, requires_grad=True)
    scores, features = critic(images, features=True)
    assert [tuple(s.shape) for s in scores] == [(2, 1, 4, 3)] * 2
    assert [tuple(f.shape) for f in features] == [(2, 16, 12)] * 4
    GANLoss("hinge").generator_loss(scores).backward()
    assert images.grad is not None
    assert images.grad.abs().amax(dim=(1, 2, 3)).min() > 0
    assert all(p.grad is None for p in model.parameters())
    alone = critic.eval()(images[1:])
    torch.testing.assert_close(critic(images)[1][1:], alone[1])  # pictures do not depend on each other
    with pytest.raises(InputError, match="more than 4 tokens, got 4"):
        critic(torch.rand(1, 3, 16, 16))


def test_a_network_of_ones_own() -> None:
    network = loss_network("compact", ["relu2_1"])
    critic = ProjectedCritic(network, ["relu1_1", "relu2_1"], width=4)
    assert critic.frozen is network
    assert critic.network == "compact"
    with pytest.raises(InputError, match=r"a loss network for pictures in \[0, 1\]"):
        ProjectedCritic(loss_network("compact", ["relu2_1"], input_range=(-1, 1)), ["relu2_1"])
    with pytest.raises(InputError, match="layer to be one of"):
        ProjectedCritic(network, ["relu3_1"])


def test_from_data_it_is_outlined_before_it_is_built() -> None:
    torch.manual_seed(0)
    built = build_bounded(ProjectedCritic, {"layers": LAYERS, "width": 4, "augment": False})
    assert {p.device.type for p in built.parameters()} == {"cpu"}
    assert torch.equal(built.get_buffer("mix0"), small().get_buffer("mix0"))
    with pytest.raises(InputError, match="ProjectedCritic with at most"):
        build_bounded(ProjectedCritic, {"width": 60000})


def test_what_cannot_be_meant_is_refused() -> None:
    for wrong, message in (
        ({"width": 0}, "width from 1"),
        ({"mixing": "all"}, "mixing to be one of scales, channels, none"),
        ({"heads": "token"}, "Did you mean 'tokens'"),
        ({"layers": LAYERS[::-1]}, "layers from the first to the deepest"),
        ({"layers": (LAYERS[0], *LAYERS)}, "every layer once"),
        ({"layers": ()}, "at least one layer"),
    ):
        with pytest.raises(InputError, match=message):
            small(**wrong)
    with pytest.raises(InputError, match=r"for its features, got augment=True\. Build it with augment=False"):
        small(augment=True)(torch.rand(1, 3, 24, 24), features=True)


def test_pictures_are_changed_in_training_alone() -> None:
    critic = small(augment=True)
    images = torch.rand(1, 3, 24, 24)
    assert not torch.allclose(critic(images)[0], critic(images)[0], rtol=1e-2)
    critic.eval()
    assert torch.equal(critic(images)[0], critic(images)[0])
    critic(images, features=True)


def test_augmentation_keeps_what_it_should() -> None:
    """Colours move by known amounts; a known half of the pixels, at most, is grey; all is differentiable."""
    images = torch.rand(64, 3, 16, 24, dtype=torch.float64).requires_grad_()
    torch.manual_seed(0)
    found = differentiable_augmentation(images)
    assert found.shape == images.shape
    holes = (found == 0.5).all(dim=1).double().mean(dim=(1, 2))
    assert 0.25 < float(holes.mean().detach()) < 0.45  # of a quarter, cut at the edges, and what shifts bring in
    (slope,) = torch.autograd.grad(found.sum(), images)
    assert slope.isfinite().all()
    assert (slope.flatten(1) != 0).any(dim=1).all()
    torch.manual_seed(0)
    assert torch.equal(differentiable_augmentation(images), found)
    flat = torch.full((200, 3, 8, 8), 0.3)
    middle: Tensor = differentiable_augmentation(flat).amin(dim=(1, 2, 3))
    assert 0.04 < float(middle.min()) < 0.08  # brightness by up to 0.25
    grey = differentiable_augmentation(flat)
    torch.testing.assert_close(grey[:, 0], grey[:, 2])  # saturation leaves grey grey
