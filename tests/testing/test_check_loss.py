"""The laws over every registered loss, and over losses that break one of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import lpips
import pytest
import torch
from torch import Tensor, nn

from perceptualloss.errors import InputError
from perceptualloss.features.base import LossNetwork
from perceptualloss.losses.base import Loss
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.pixel import CharbonnierLoss, L1Loss, MSELoss
from perceptualloss.losses.registry import LOSSES, build_loss, options_of
from perceptualloss.losses.sliced_wasserstein import SlicedWassersteinLoss
from perceptualloss.losses.ssim import SSIMLoss
from perceptualloss.losses.sums import WeightedLoss
from perceptualloss.losses.temporal import TemporalLoss
from perceptualloss.losses.video import VideoLoss
from perceptualloss.losses.volume import VolumeLoss
from perceptualloss.losses.wrapped import GreyLoss
from perceptualloss.testing import LossReport, check_loss
from perceptualloss.testing.check import LAWS

OPTIONS: dict[str, dict[str, Any]] = {
    "MSSSIMLoss": {"weights": (0.4, 0.6)},
    "VGG16PerceptualLoss": {"resize": (32, 32), "weights": None},
    "SlicedWassersteinLoss": {"network": "compact", "layers": ["relu2_1"]},
    "LPIPS": {"net": "squeeze", "weights": None},
    "LatticeLoss": {"threshold": 1.0, "size": 16},
    "PerceptualLoss": {"network": "compact", "layers": ["relu1_1"], "style_layers": ["relu1_2"], "style_scales": 2},
}
MINIMUM = {"CharbonnierLoss": 1e-3, "johnson_style": None, "dped": None}  # these two have total variation in them
SHAPE = (3, 24, 27)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.usefixtures("thin_vggs")
def test_every_registered_loss_obeys(name: str) -> None:
    torch.manual_seed(1)
    network = {"network": "compact"} if "network" in options_of(name) else {}
    weights = {"weights": None} if "weights" in options_of(name) and not network else {}
    loss = build_loss(name, **OPTIONS.get(name, network | weights))
    # UEGAN's features of random layers, each brought to variance 1, are rounding where pictures are nearly alike.
    # LatticeLoss takes the surroundings of a ripple as given: its gradient is not the whole derivative.
    skip = {"uegan": ["bf16"], "LatticeLoss": ["gradient"]}.get(name, [])
    report = check_loss(loss, SHAPE, MINIMUM.get(name, 0.0), skip=skip)
    assert set(report.idle) <= {"equal", "network_range", *skip}
    assert "equal" in report.checked or name in ("TotalVariationLoss", "johnson_style", "dped")
    assert ("network_range" in report.checked) == any(isinstance(part, LossNetwork) for part in loss.modules())


def test_losses_of_clips_volumes_and_sums_obey_too() -> None:
    style = SlicedWassersteinLoss("compact", ["relu1_1"], positions=20)
    for loss, shape in (
        (VideoLoss(L1Loss(), layout="NCTHW", share=0.5), (3, 4, 8, 8)),
        (TemporalLoss(L1Loss(), layout="NTCHW"), (4, 3, 8, 8)),
        (VolumeLoss(GreyLoss(L1Loss(reduction="sum"))), (1, 4, 8, 8)),
        (L1Loss((-1, 1), reduction="none") + SSIMLoss((-1, 1), reduction="none"), SHAPE),
        (MSELoss("imagenet", reduction="sum"), SHAPE),
        (FeatureReconstructionLoss("compact", ["relu1_1"], augment="geometric", input_range=(0, 255)), SHAPE),
        (2 * style - L1Loss() / 10, SHAPE),
    ):
        report = check_loss(loss, shape, None if isinstance(loss, WeightedLoss) and "l1" in loss.losses else 0.0)
        assert len(report.checked) >= 9, report


def normed() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())


class Own(nn.Module):
    """A loss of somebody who forgot one thing."""

    def __init__(self, body: nn.Module | None = None, frozen: bool = True) -> None:
        super().__init__()
        self.parts = [body] if body else []
        if body is not None and not frozen:
            self.body = body
        for part in self.parts:
            part.requires_grad_(not frozen).eval()

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        for part in self.parts:
            output, target = part(output), part(target.detach())
        return (output - target.detach()).square().mean()


class Unchecked(Loss):
    def _per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"mse": (output - target).square().mean(dim=(1, 2, 3))}

    def check_call(self, output: Tensor, target: Tensor | None = None) -> None:
        pass


class TheRangeOfTwoPapers(Loss):
    """Pictures in [0, 1] for a network that expects [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.network = LossNetwork(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), ["relu1_1"], (-1, 1))

    def _per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        difference = self.network(output)["relu1_1"] - self.network(target)["relu1_1"]
        return {"own": difference.square().mean(dim=(1, 2, 3))}


class RoundedMask(Loss):
    """Divides by the weights and an epsilon."""

    def _per_image(self, output: Tensor, target: Tensor, weight: Any = None) -> dict[str, Tensor]:
        values = (output - target).abs()
        if weight is None:
            return {"own": values.mean(dim=(1, 2, 3))}
        counted = 3 * weight.pixels.sum(dim=(1, 2, 3)) + 1e-3
        return {"own": (values * weight.pixels).sum(dim=(1, 2, 3)) / counted}


class _Crooked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * ctx.saved_tensors[0]  # not twice


class InTraining(Own):
    """Its network is a child, which train() reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.body = normed().requires_grad_(False)
        self.parts = [self.body]


class Statistics(Own):
    """Hidden from train(), and in training mode all the same."""

    def __init__(self) -> None:
        super().__init__(normed())

    def train(self, mode: bool = True) -> Statistics:
        for part in self.parts:
            part.train(mode)
        return self

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        moved: Tensor = super().forward(output, target)
        return moved


def in_place(output: Tensor, target: Tensor) -> Tensor:
    output -= 0.5  # as MONAI's subtract_mean does
    return (output - target.detach() + 0.5).abs().mean()


def function(law: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda output, target: law(output - target.detach())


FAULTS: dict[str, tuple[str, Callable[..., Tensor], str]] = {
    "another way for the target": (
        "equal",
        lambda x, y: (x - (y.detach() * 255).round() / 250).abs().mean(),
        "go the same way",
    ),
    "a root of zero": (
        "finite",
        function(lambda d: d.square().sum(dim=1).sqrt().mean()),
        "gradient that is not finite",
    ),
    "a norm of black": (
        "finite",
        lambda x, y: (
            1 - nn.functional.normalize(x, eps=0.0).mul(nn.functional.normalize(y.detach(), eps=0.0)).sum(1).mean()
        ),
        "black for black",
    ),
    "an epsilon that bf16 rounds away": (
        "bf16",
        lambda x, y: (((x - y.detach().to(x)).square() + 1 + 1e-4) - 1).sqrt().mean(),
        "gradient that is not finite at equal pictures",
    ),
    "no detach": ("inputs", lambda x, y: (x - y).abs().mean(), "reaches the target"),
    "in place": ("inputs", in_place, "output is changed by up to 0.5"),
    "no checks": ("ranges", Unchecked(), "times 255 is taken"),
    "another range": ("network_range", TheRangeOfTwoPapers(), "black reaches custom as .0, 0, 0.*is .-1, -1, -1"),
    "short sums": ("precision", function(lambda d: (d + 300).square().mean() - 300**2 - 600 * d.mean()), "64 bits"),
    "half a derivative": ("gradient", function(lambda d: _Crooked.apply(d).mean()), "hides a part"),
    "rounded": (
        "gradient",
        function(lambda d: (d.abs() + (d * 1e6).sin().abs().detach()).mean()),
        "finite differences",
    ),
    "cut off": (
        "gradient",
        function(lambda d: (d.abs().mean() + 0 * d.sum()).detach() + 0 * d.sum()),
        "have no gradient",
    ),
    "batch norm trains": ("training", InTraining(), "Dropout or batch norm trains"),
    "statistics move": ("training", Statistics(), "after calls in training mode"),
    "its network is a child": (
        "parameters",
        Own(normed(), frozen=False),
        "4 parameters, 4 of them to be trained, and 7 entries",
    ),
    "dropout left on": ("repeatable", function(lambda d: nn.functional.dropout(d.square()).mean()), "Dropout is on"),
    "divided by the batch twice": ("batch", function(lambda d: d.abs().mean() / len(d)), "batch twice"),
    "a root over the batch": ("batch", function(lambda d: (d.square().mean() + 1e-8).sqrt()), "neighbours"),
    "a look at neighbours": ("batch", function(lambda d: (d - d.mean(0)).square().mean()), "neighbours"),
    "a mask that rounds": ("mask", RoundedMask(), "mask of ones"),
}


@pytest.mark.filterwarnings("ignore:images has all values")  # which is said, too
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_caught_by_its_law(name: str) -> None:
    law, loss, said = FAULTS[name]
    with pytest.raises(AssertionError, match=rf"(?m)^  {law}: .*{said}"):
        check_loss(loss, (3, 12, 12))


def test_what_the_laws_find_in_the_package_lpips() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loss = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False)
    with pytest.raises(AssertionError) as caught:
        check_loss(loss, (3, 32, 32), input_range=(-1, 1))
    broken = [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]]
    assert {"inputs", "training", "parameters"} <= set(broken)
    report = check_loss(loss, (3, 32, 32), input_range=(-1, 1), skip=broken)
    assert {report.idle[law] for law in broken} == {"left out by skip="}


def test_a_report_names_every_law_and_the_loss_is_left_as_it_was() -> None:
    loss, state = L1Loss(), torch.get_rng_state()
    report = check_loss(loss, (3, 8, 8), skip=["gradient"])
    assert isinstance(report, LossReport)
    assert set(report.checked) | set(report.idle) == set(LAWS)
    assert not set(report.checked) & set(report.idle)
    assert all(law in str(report) for law in LAWS)
    assert "gradient       - left out by skip=" in str(report)
    assert torch.equal(torch.get_rng_state(), state)
    assert loss.training
    assert not loss._values_checked
    plain = check_loss(lambda x, y: (x - y.detach()).abs().mean(), (3, 8, 8))
    assert {"training", "parameters", "ranges", "network_range", "mask"} == set(plain.idle)
    assert "<lambda>" in str(plain)


def test_minimum_and_randomness_are_said() -> None:
    with pytest.raises(AssertionError, match=r"0.001 for equal pictures, not 0.*say minimum="):
        check_loss(CharbonnierLoss(), (3, 8, 8))
    noisy = function(lambda d: d.square().mean() * (1 + 0.1 * torch.rand(())))
    assert "it draws at random" in check_loss(noisy, (3, 8, 8), random=True).idle["repeatable"]


def test_wrong_questions_say_what_to_do() -> None:
    with pytest.raises(InputError, match="Did you mean 'gradient'"):
        check_loss(L1Loss(), skip=["gradients"])
    with pytest.raises(InputError, match="no input_range for a Loss"):
        check_loss(L1Loss(), input_range=(-1, 1))
    with pytest.raises(InputError, match="one number, or one for every picture"):
        check_loss(lambda x, y: (x - y).abs())
    with pytest.raises(InputError, match="pictures of"):
        check_loss(lambda x, y: (x - y).abs(), (3, 4, 8, 8), input_range="imagenet")
    with pytest.raises(InputError, match="at least"):
        check_loss(SSIMLoss(), (3, 8, 8))
