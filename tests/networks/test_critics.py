"""The critics beside the course's: what they see, at which sizes, and that one pass gives scores and features."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from perceptualloss.errors import InputError
from perceptualloss.losses.adversarial import GANLoss
from perceptualloss.networks.course import Critic
from perceptualloss.networks.critics import CriticNetwork, MultiScaleCritic, Norm, PatchCritic, SpectralConv2d
from perceptualloss.networks.projected_critic import ProjectedCritic
from perceptualloss.networks.unet_critic import UNetCritic

SMALL: dict[str, tuple[type[CriticNetwork], dict[str, Any]]] = {
    "course": (Critic, {"width": 2}),
    "patch": (PatchCritic, {"width": 2, "n_layers": 2}),
    "patch, spectral": (PatchCritic, {"width": 2, "n_layers": 2, "norm": "spectral"}),
    "unet": (UNetCritic, {"width": 2}),
    "projected": (ProjectedCritic, {"width": 4, "augment": False}),
    "projected, channels": (ProjectedCritic, {"width": 4, "mixing": "channels", "augment": False}),
    "scales": (MultiScaleCritic, {"scales": 2, "width": 2, "n_layers": 1}),
}


def small(name: str) -> CriticNetwork:
    kind, options = SMALL[name]
    torch.manual_seed(0)
    return kind(**options)


def listed(scores: Tensor | list[Tensor]) -> list[Tensor]:
    return scores if isinstance(scores, list) else [scores]


def seen_by_the_middle(critic: PatchCritic, side: int) -> int:
    """The height of the part of a picture that the middle score's gradient reaches."""
    images = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    scores = critic.double()(images)
    middle = scores.shape[-1] // 2
    (slope,) = torch.autograd.grad(scores[0, 0, middle, middle], images)
    rows = slope.abs().sum(dim=(0, 1, 3)).nonzero()
    return int(rows.max() - rows.min()) + 1


@pytest.mark.parametrize(("n_layers", "patch"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_a_score_of_patchgan_sees_a_patch_of_the_papers_size(n_layers: int, patch: int) -> None:
    critic = PatchCritic(width=1, n_layers=n_layers, norm="none")
    nn.init.constant_(critic.score[0].weight, 1.0)
    assert seen_by_the_middle(critic, 3 * patch) == patch


def test_patchgan_at_the_papers_size() -> None:
    """64-128-256-512-1 channels; 30 x 30 scores for 256 x 256; 2.8 million parameters as the released one's."""
    with torch.device("meta"):
        critic = PatchCritic(norm="batch")
        shapes = [tuple(p.shape) for p in critic.parameters() if p.ndim == 4]
    assert [shape[:2] for shape in shapes] == [(64, 3), (128, 64), (256, 128), (512, 256), (1, 512)]
    assert {shape[2:] for shape in shapes} == {(4, 4)}
    assert sum(isinstance(m, nn.BatchNorm2d) for m in critic.modules()) == 3
    scores, features = PatchCritic(width=1)(torch.rand(1, 3, 256, 256), features=True)
    assert scores.shape == (1, 1, 30, 30)
    assert [f.shape[1:] for f in features] == [(1, 128, 128), (2, 64, 64), (4, 32, 32), (8, 31, 31)]


@pytest.mark.parametrize("norm", get_args(Norm))
def test_norms(norm: Norm) -> None:
    critic = PatchCritic(width=4, n_layers=2, norm=norm)
    kinds = {type(m) for m in critic.modules()} & {nn.BatchNorm2d, nn.InstanceNorm2d}
    assert kinds == {"batch": {nn.BatchNorm2d}, "instance": {nn.InstanceNorm2d}}.get(norm, set())
    assert any(isinstance(m, SpectralConv2d) for m in critic.modules()) == (norm == "spectral")
    images = torch.rand(3, 3, 20, 24)
    together, alone = critic(images), critic.eval()(images[1:2])
    if norm != "batch":  # pictures of a batch do not depend on each other
        torch.testing.assert_close(together[1:2], alone, rtol=0.1 if norm == "spectral" else 1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "count"), [("patch, spectral", 4), ("unet", 8), ("projected", 14)])
def test_spectral_norm_bounds_the_weights(name: str, count: int) -> None:
    critic = small(name)
    layers = [m for m in critic.modules() if isinstance(m, SpectralConv2d)]
    assert len(layers) == count
    with torch.no_grad():
        for layer in layers:
            layer.parametrizations.weight.original *= 50
    for layer in layers:
        for _ in range(60):
            _ = layer.weight  # a step of the power iteration
        largest = torch.linalg.svdvals(layer.weight.detach().flatten(1))[0]  # an independent way
        assert float(largest) == pytest.approx(1, abs=0.02)


def test_spectral_norm_is_counted_in_the_weights_precision_under_autocast() -> None:
    layer = SpectralConv2d(3, 8, 4, 2)
    layer.eval()
    images = torch.rand(1, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(images)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), layer(images), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("size", [(17, 17), (18, 33), (24, 31)])
@pytest.mark.parametrize("name", SMALL)
def test_any_size_gets_scores_and_features_in_one_pass(name: str, size: tuple[int, int]) -> None:
    critic = small(name).eval()
    images = torch.rand(2, 3, *size)
    scores = listed(critic(images))
    assert len(scores) == critic.maps
    again, features = critic(images, features=True)
    for found, expected in zip(listed(again), scores, strict=True):
        assert torch.equal(found, expected)
        assert found.shape[:2] == (2, 1)
    assert len(features) >= 2
    assert all(len(f) == 2 and f.ndim == 4 for f in features)


def test_sizes_of_patchgans_maps() -> None:
    for n_layers in (1, 2, 3):
        critic = PatchCritic(width=1, n_layers=n_layers)
        for side in range(critic.smallest, critic.smallest + 9):
            assert critic(torch.rand(1, 3, side, side + 7)).shape[2] == side // 2**n_layers - 2


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_each_scale_sees_half_of_the_one_before(scales: int) -> None:
    critic = MultiScaleCritic(scales, width=2, n_layers=1, norm="none")
    images = torch.rand(2, 3, 33, 40)
    found = critic(images)
    assert len(found) == critic.maps == scales
    ones = torch.ones(1, 1, 3, 3)
    x = images
    for own, scores in zip(critic.critics, found, strict=True):
        torch.testing.assert_close(own(x), scores)
        count = torch.conv2d(torch.ones_like(x[:, :1]), ones, stride=2, padding=1)  # of the pixels inside
        x = torch.conv2d(x.flatten(0, 1)[:, None], ones, stride=2, padding=1).unflatten(0, (2, 3))[:, :, 0] / count


@pytest.mark.parametrize(
    "critic", [PatchCritic(1, 3), MultiScaleCritic(3, 1, 2), MultiScaleCritic(2, 1, 1), PatchCritic(1, 1)]
)
def test_the_smallest_picture_has_a_score_and_a_smaller_one_is_refused(critic: Any) -> None:
    side = critic.smallest
    scores = listed(critic(torch.rand(2, 3, side, side)))
    assert scores[-1].numel() > 0
    with pytest.raises(InputError, match=rf"pictures of at least {side} x {side} to score, got 99 x {side - 1}"):
        critic(torch.rand(2, 3, 99, side - 1))


@pytest.mark.parametrize("name", SMALL)
def test_the_state_of_a_critic_is_all_that_it_is(name: str) -> None:
    first = small(name)
    torch.manual_seed(1)
    second = type(first)(**SMALL[name][1])
    for _ in range(2):
        first(torch.rand(1, 3, 24, 24))
    second.load_state_dict(first.state_dict())
    images = torch.rand(1, 3, 24, 24)
    for one, other in zip(listed(first(images)), listed(second(images)), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", SMALL)
def test_in_16_bits_and_channels_last(name: str) -> None:
    critic = small(name).eval()
    images = torch.rand(2, 3, 24, 24)
    expected = listed(critic(images))
    critic.to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        found = listed(critic(images.contiguous(memory_format=torch.channels_last)))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.float(), other, rtol=0.05, atol=0.05)


def test_the_unet_scores_every_pixel() -> None:
    """As the paper's at its width: layers, their widths, and 4,376,897 parameters."""
    critic = UNetCritic()
    convolutions = [m for m in critic.modules() if isinstance(m, nn.Conv2d)]
    widths = [
        (3, 64),
        (64, 128),
        (128, 256),
        (256, 512),
        (512, 256),
        (256, 128),
        (128, 64),
        (64, 64),
        (64, 64),
        (64, 1),
    ]
    assert [(m.in_channels, m.out_channels) for m in convolutions] == widths
    assert [m.bias is not None for m in convolutions] == [True, *[False] * 8, True]
    count = f"{sum(p.numel() for p in critic.parameters()):,} parameters"
    assert count in str(UNetCritic.__doc__)
    for size in ((8, 8), (9, 23), (17, 12)):
        assert UNetCritic(2)(torch.rand(1, 3, *size)).shape == (1, 1, *size)
    with pytest.raises(InputError, match="pictures of at least 8 x 8"):
        UNetCritic(2)(torch.rand(1, 3, 7, 20))
    with pytest.raises(InputError, match="width from 1"):
        UNetCritic(0)


def test_a_picture_far_from_0_to_1_is_refused_and_one_from_minus_1_warned_of() -> None:
    with pytest.raises(InputError, match="images with values in"):
        PatchCritic(1, 1)(255 * torch.rand(1, 3, 16, 16))
    with pytest.warns(UserWarning, match=r"values in \[-1, 1\] where \[0, 1\]"):
        PatchCritic(1, 1)(2 * torch.rand(1, 3, 16, 16) - 1)


@pytest.mark.parametrize("name", ["patch, spectral", "projected"])
def test_a_critic_compiles_in_one_graph(name: str) -> None:
    critic: CriticNetwork = ProjectedCritic(layers=("relu1_1",), width=2) if name == "projected" else small(name)
    critic.eval()
    images = torch.rand(2, 3, 24, 24)
    expected = listed(critic(images))  # values are checked
    compiled = torch.compile(critic, backend="eager", fullgraph=True)
    for one, other in zip(listed(compiled(images)), expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", [name for name in SMALL if name != "course"])  # ends in 1 x 1 here: docs/training.md
def test_gradients_in_16_bits_are_those_in_32(name: str) -> None:
    critic = small(name).eval()
    images = torch.rand(2, 3, 24, 24)
    found = []
    for precise in (True, False):
        seen = images.clone().contiguous(memory_format=torch.channels_last).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=not precise):
            value = GANLoss("non_saturating").generator_loss(critic(seen))
        inputs = [seen, *critic.parameters()]
        slopes = torch.autograd.grad(value, inputs, allow_unused=True)
        found.append([slopes[0].flatten(), torch.cat([s.flatten() for s in slopes[1:] if s is not None])])
    for one, other in zip(*found, strict=True):
        assert torch.nn.functional.cosine_similarity(one, other, dim=0) > 0.9  # of few channels


def test_bad_settings_are_refused() -> None:
    for wrong in ({"width": 0}, {"n_layers": 0}, {"n_layers": 9}):
        with pytest.raises(InputError, match="width from 1, and n_layers from 1 to 8"):
            PatchCritic(**wrong)
    with pytest.raises(InputError, match="norm to be one of instance, batch, spectral, none"):
        PatchCritic(norm="layer")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="scales from 1 to 8"):
        MultiScaleCritic(0)
    with pytest.raises(InputError, match="images of shape"):
        PatchCritic(width=2)(torch.rand(1, 1, 32, 32))
