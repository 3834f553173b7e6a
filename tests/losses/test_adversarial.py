from __future__ import annotations

from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.losses.adversarial import GANLoss, Kind
from perceptualloss.losses.critic_penalties import clip_weights, gradient_penalty, r1_penalty, r2_penalty
from perceptualloss.networks.course import Critic

KINDS = get_args(Kind)


def scores(seed: int = 1, shape: tuple[int, ...] = (4, 1)) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    real, fake = 3 * torch.randn(2, *shape, dtype=torch.float64, generator=generator)
    return real, fake


def by_cross_entropy(values: Tensor, label: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(values, torch.full_like(values, label))


@pytest.mark.parametrize("shape", [(4, 1), (2, 1, 3, 5)])
def test_equals_the_papers_formulas(shape: tuple[int, ...]) -> None:
    r, f = scores(shape=shape)
    ones, zeros = torch.ones_like(r), torch.zeros_like(r)
    above, below = r - f.mean(), f - r.mean()
    expected = {
        "non_saturating": (by_cross_entropy(r, 1) + by_cross_entropy(f, 0), by_cross_entropy(f, 1)),
        "least_squares": (0.5 * F.mse_loss(r, ones) + 0.5 * F.mse_loss(f, zeros), 0.5 * F.mse_loss(f, ones)),
        "hinge": (-torch.minimum(r - 1, zeros).mean() - torch.minimum(-f - 1, zeros).mean(), -f.mean()),
        "relativistic_average": (
            -torch.log(torch.sigmoid(above)).mean() - torch.log(1 - torch.sigmoid(below)).mean(),
            -torch.log(1 - torch.sigmoid(above)).mean() - torch.log(torch.sigmoid(below)).mean(),
        ),
        "relativistic_average_hinge": (  # Jolicoeur-Martineau 2018, appendix
            torch.maximum(1 - above, zeros).mean() + torch.maximum(1 + below, zeros).mean(),
            torch.maximum(1 + above, zeros).mean() + torch.maximum(1 - below, zeros).mean(),
        ),
        "relativistic_paired": (by_cross_entropy(r - f, 1), by_cross_entropy(f - r, 1)),
        "wasserstein": (-torch.mean(r) + torch.mean(f), -torch.mean(f)),  # the course's lines
    }
    for kind, (critic, generator) in expected.items():
        torch.testing.assert_close(GANLoss(kind).critic_loss(r, f), critic)  # type: ignore[arg-type]
        torch.testing.assert_close(GANLoss(kind).generator_loss(f, r), generator)  # type: ignore[arg-type]
    same = {"lsgan": "least_squares", "vanilla": "non_saturating", "relativistic": "relativistic_average"}
    same["relativistic_hinge"] = "relativistic_average_hinge"
    assert set(KINDS) == set(expected) | set(same)
    for other, kind in same.items():
        assert GANLoss(other).critic_loss(r, f) == GANLoss(kind).critic_loss(r, f)  # type: ignore[arg-type]
        assert GANLoss(other).generator_loss(f, r) == GANLoss(kind).generator_loss(f, r)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**31), batch=st.integers(1, 5))
def test_order_does_not_matter_and_both_pull_in_the_right_direction(kind: Kind, seed: int, batch: int) -> None:
    real, fake = scores(seed, (batch, 1))
    loss = GANLoss(kind)
    other = real.flip(0) if "paired" in kind else real  # where pictures are compared in pairs, pairs stay
    torch.testing.assert_close(loss.critic_loss(other, fake.flip(0)), loss.critic_loss(real, fake))
    torch.testing.assert_close(loss.generator_loss(fake.flip(0), other), loss.generator_loss(fake, real))
    real, fake = (x.clamp(-0.4, 0.4).requires_grad_() for x in (real, fake))
    for_real, for_fake = torch.autograd.grad(loss.critic_loss(real, fake), [real, fake])
    assert (for_real < 0).all()  # a step against the gradient scores the real higher
    assert (for_fake > 0).all() or "least" in kind or kind == "lsgan"
    (for_fake,) = torch.autograd.grad(loss.generator_loss(fake, real), fake)
    assert (for_fake < 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradient(kind: Kind) -> None:
    real, fake = (x.requires_grad_() for x in scores())
    loss = GANLoss(kind)
    assert torch.autograd.gradcheck(loss.critic_loss, (real, fake))
    assert torch.autograd.gradcheck(lambda f: loss.generator_loss(f, real.detach()), fake)


@pytest.mark.parametrize("kind", KINDS)
def test_large_scores_in_half_precision_stay_finite(kind: Kind) -> None:
    real = torch.full((4, 1), -2000.0, dtype=torch.float16, requires_grad=True)
    fake = torch.full((4, 1), 2000.0, dtype=torch.float16, requires_grad=True)
    value = GANLoss(kind).critic_loss(real, fake) + GANLoss(kind).generator_loss(real, fake)
    value.backward()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert real.grad is not None
    assert real.grad.isfinite().all()


def test_the_relativistic_generator_needs_the_real_scores() -> None:
    real, fake = scores()
    for kind in KINDS:
        if kind.startswith("relativistic"):
            with pytest.raises(InputError, match=rf"generator_loss\(fake, real\) for the {kind} loss"):
                GANLoss(kind).generator_loss(fake)
        else:
            assert GANLoss(kind).generator_loss(fake) == GANLoss(kind).generator_loss(fake, real)
    with pytest.raises(InputError, match="Did you mean 'wasserstein'"):
        GANLoss("waserstein")  # type: ignore[arg-type]
    assert repr(GANLoss("hinge")) == "GANLoss('hinge')"


@pytest.mark.parametrize("kind", KINDS)
def test_of_several_maps_the_loss_is_the_mean_over_maps(kind: Kind) -> None:
    loss = GANLoss(kind)
    maps = [scores(seed, shape) for seed, shape in enumerate([(4, 1, 8, 8), (4, 1, 3, 5), (4, 1)])]
    real, fake = [r for r, _ in maps], [f for _, f in maps]
    critic = sum(float(loss.critic_loss(r, f)) for r, f in maps) / 3
    generator = sum(float(loss.generator_loss(f, r)) for r, f in maps) / 3
    assert float(loss.critic_loss(real, fake)) == pytest.approx(critic)
    assert float(loss.generator_loss(fake, real)) == pytest.approx(generator)
    with pytest.raises(InputError, match="as many maps of real as of generated pictures, got 3 and 2"):
        loss.critic_loss(real, fake[:2])


def test_pairs_are_of_as_many_pictures() -> None:
    real, fake = scores()
    with pytest.raises(InputError, match="a generated picture for each real one"):  # it would be broadcast
        GANLoss("relativistic_paired").critic_loss(real, fake[:1])


def test_r1_and_r2_of_a_linear_critic_are_known() -> None:
    direction = torch.randn(3 * 4 * 4, dtype=torch.float64)
    images = torch.rand(5, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    for penalty in (r1_penalty, r2_penalty):
        value = penalty(lambda x: x.flatten(1) @ direction, images, 7.0)
        assert value.item() == pytest.approx(7 / 2 * float(direction @ direction))
    assert images.grad is None


def test_penalties_look_at_all_places_and_maps_of_every_picture_by_itself() -> None:
    """Of D(x) = a sum x^2 in one map and b x in each place of another: the slope is 2 a x + b."""
    a, b = torch.tensor([0.7, 0.4], dtype=torch.float64, requires_grad=True).unbind()
    real, fake = torch.rand(2, 6, 3, 2, 2, dtype=torch.float64)

    def critic(x: Tensor) -> list[Tensor]:
        return [a * x.square().sum(dim=(1, 2, 3))[:, None], b * x]

    for penalty, images in ((r1_penalty, real), (r2_penalty, fake)):
        value = penalty(critic, images, 3.0)
        expected = 1.5 * (2 * a * images + b).square().sum(dim=(1, 2, 3)).mean()
        torch.testing.assert_close(value, expected)
        found, known = (torch.autograd.grad(x, (a, b), retain_graph=True) for x in (value, expected))
        torch.testing.assert_close(found, known)  # it is differentiated again
    places = torch.Generator().manual_seed(1)
    share = torch.rand(6, 1, 1, 1, generator=places, dtype=torch.float64)
    between = torch.lerp(fake, real, share)
    slopes = (2 * a * between + b).flatten(1).norm(dim=1)
    value = gradient_penalty(critic, real, fake, 3.0, torch.Generator().manual_seed(1))
    torch.testing.assert_close(value, 3 * (slopes - 1).square().mean())


def test_gradient_penalty_of_a_linear_critic_is_known() -> None:
    direction = torch.randn(3 * 4 * 4, dtype=torch.float64)
    real, fake = torch.rand(2, 5, 3, 4, 4, dtype=torch.float64)
    value = gradient_penalty(lambda x: x.flatten(1) @ direction, real, fake, weight=7.0)
    assert value.item() == pytest.approx(7 * (direction.norm().item() - 1) ** 2)


def test_gradient_penalty_looks_between_the_pictures_of_each_pair() -> None:
    real, fake = torch.zeros(6, 3, 2, 2), torch.ones(6, 3, 2, 2)
    inputs = []

    def critic(x: Tensor) -> Tensor:
        inputs.append(x.detach())
        return x.square().sum(dim=(1, 2, 3))

    value = gradient_penalty(critic, real, fake, generator=torch.Generator().manual_seed(5))
    again = gradient_penalty(critic, real, fake, generator=torch.Generator().manual_seed(5))
    assert value == again
    places = inputs[0].flatten(1)
    assert (places == places[:, :1]).all()  # one place on the line for a picture
    assert len(places[:, 0].unique()) == 6  # another for every picture
    assert ((places > 0) & (places < 1)).all()
    expected = 10 * (2 * places.norm(dim=1) - 1).square().mean()  # the slope of |x|^2 is 2x
    torch.testing.assert_close(value, expected)


def test_gradient_penalty_trains_the_critic_towards_slope_1() -> None:
    critic = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(16, 1)).double()
    real, fake = (x.requires_grad_() for x in torch.rand(2, 4, 3, 4, 4, dtype=torch.float64))
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(critic.parameters(), 0.02)
    values = []
    for _ in range(60):
        optimizer.zero_grad()
        value = gradient_penalty(critic, real, fake, generator=generator)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.05 * values[0]
    assert real.grad is None
    assert fake.grad is None


def test_gradient_penalty_of_a_flat_critic_has_a_finite_gradient() -> None:
    critic = nn.Sequential(nn.Flatten(), nn.Linear(12, 1))
    nn.init.zeros_(critic[1].weight)
    value = gradient_penalty(critic, torch.rand(2, 3, 2, 2), torch.rand(2, 3, 2, 2))
    value.backward()
    assert value.item() == pytest.approx(10, abs=1e-4)
    assert critic[1].weight.grad.isfinite().all()


def test_gradient_penalty_under_autocast_equals_32_bits() -> None:
    critic = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(16, 1))
    real, fake = torch.rand(2, 2, 3, 4, 4)
    expected = gradient_penalty(critic, real, fake, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        value = gradient_penalty(critic, real, fake, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(value, expected)
    with pytest.raises(InputError, match="same shape"):
        gradient_penalty(critic, real, fake[:1])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("pictures", [torch.bfloat16, torch.float32])
def test_gradient_penalty_of_a_critic_with_weights_of_another_type(dtype: torch.dtype, pictures: torch.dtype) -> None:
    critic = Critic(width=4)
    real, fake = torch.rand(2, 2, 3, 64, 64).to(pictures)
    expected = gradient_penalty(critic, real, fake, generator=torch.Generator().manual_seed(0))
    expected.backward()
    slopes = [parameter.grad.clone() for parameter in critic.parameters() if parameter.grad is not None]
    critic = critic.to(dtype)
    critic.zero_grad()
    value = gradient_penalty(critic, real, fake, generator=torch.Generator().manual_seed(0))
    value.backward()
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(expected.item(), rel=0.01)
    gradients = [parameter.grad for parameter in critic.parameters() if parameter.grad is not None]
    assert all(slope.dtype == dtype for slope in gradients)
    ours, expected = (torch.cat([slope.float().flatten() for slope in many]) for many in (gradients, slopes))
    assert torch.nn.functional.cosine_similarity(ours, expected, dim=0) > 0.99


def test_clipped_weights_lie_within_the_limit() -> None:
    critic = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    before = critic[0].weight.detach().clone()
    clip_weights(critic, 0.05)
    torch.testing.assert_close(critic[0].weight.detach(), before.clamp(-0.05, 0.05))
    assert max(p.abs().max().item() for p in critic.parameters()) <= 0.05 + 1e-9
    assert all(p.requires_grad for p in critic.parameters())
    with pytest.raises(InputError, match=r"0\.01"):
        clip_weights(critic, 0)
