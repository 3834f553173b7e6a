"""Reductions over the pictures of a batch: of every registered loss, of sums, and in training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.losses.balanced import BalancedLoss
from perceptualloss.losses.base import Loss
from perceptualloss.losses.lpips import LPIPS
from perceptualloss.losses.pixel import CharbonnierLoss, L1Loss, MSELoss
from perceptualloss.losses.registry import LOSSES, build_loss, options_of
from perceptualloss.losses.settings import check_loss_settings, loss_from_settings
from perceptualloss.losses.ssim import SSIMLoss
from perceptualloss.losses.style_objective import style_objective
from perceptualloss.losses.sums import WeightedLoss
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.training.style import StyleTransfer
from perceptualloss.training.supervised import Supervised

OPTIONS: dict[str, dict[str, Any]] = {
    "MSSSIMLoss": {"weights": (0.4, 0.6)},
    "VGG16PerceptualLoss": {"resize": (32, 32), "weights": None},
    "LPIPS": {"net": "squeeze", "weights": None},
    "PerceptualLoss": {"network": "compact", "layers": ["relu1_1"], "style_layers": ["relu1_2"], "style_scales": 2},
}


def pictures(batch: int = 3, size: int = 32) -> tuple[Tensor, Tensor]:
    noise, target = torch.rand(2, batch, 3, size, size).unbind(0)
    return 0.7 * target + 0.3 * noise, target  # alike, as MS-SSIM wants it


def built(name: str, **options: Any) -> Loss:
    """The loss with the same random weights every time, where it has some, and no other randomness."""
    torch.manual_seed(1)
    network = {"network": "compact"} if "network" in options_of(name) else {}
    weights = {"weights": None} if "weights" in options_of(name) and not network else {}
    return build_loss(name, **(OPTIONS.get(name, network | weights) | options)).eval()


@torch.no_grad()
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.usefixtures("thin_vggs")
def test_reductions_of_every_registered_loss_agree(name: str) -> None:
    output, target = pictures(2)
    each = built(name, reduction="none")
    terms = each.terms(output, target)
    assert all(value.shape == (2,) for value in terms.values())
    values = torch.stack([*terms.values()]).sum(dim=0)
    assert values[0] != values[1]
    torch.testing.assert_close(each(output[:1], target[:1]), values[:1], rtol=1e-4, atol=1e-7)
    assert built(name).reduction == "mean"
    for reduction, reduce in (("mean", torch.mean), ("sum", torch.sum)):
        loss = built(name, reduction=reduction)
        reduced = loss.terms(output, target)
        assert list(reduced) == list(terms)
        for term, value in reduced.items():
            torch.testing.assert_close(value, reduce(terms[term]), rtol=1e-5, atol=0)
    torch.testing.assert_close(loss(output, target), values.sum())
    torch.testing.assert_close(loss.per_image(output[1:], target[1:])[term], terms[term][1:], rtol=1e-4, atol=1e-7)


def test_they_are_pytorchs() -> None:
    output, target = pictures()
    each = F.mse_loss(output, target, reduction="none").mean(dim=(1, 2, 3))
    torch.testing.assert_close(MSELoss(reduction="none")(output, target), each)
    torch.testing.assert_close(MSELoss(reduction="sum")(output, target), each.sum())
    with pytest.raises(InputError, match="Did you mean 'mean'"):
        MSELoss(reduction="meen")  # type: ignore[arg-type]


@settings(deadline=None, max_examples=30)
@given(
    batch=st.integers(1, 4),
    factor=st.floats(-50, 50),
    divisor=st.floats(0.01, 50),
    reduction=st.sampled_from(["mean", "sum", "none"]),
)
def test_losses_are_added_subtracted_and_scaled(batch: int, factor: float, divisor: float, reduction: Any) -> None:
    output, target = (
        images.double() for images in pictures(batch, 4)
    )  # in 32 bits, what is left of 70 - 70 is rounding
    a, b, c = L1Loss(reduction=reduction), MSELoss(reduction=reduction), CharbonnierLoss(0.1, reduction=reduction)
    x, y, z = (loss(output, target) for loss in (a, b, c))
    loss = factor * a - b / divisor + -c
    assert loss.reduction == reduction
    torch.testing.assert_close(loss(output, target), factor * x - y / divisor - z, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sum([a, b, c])(output, target), x + y + z)  # type: ignore[operator]
    assert sum([a]) is a
    torch.testing.assert_close((a - a)(output, target), torch.zeros_like(x))


def test_what_cannot_be_added() -> None:
    for wrong in (lambda: 1 + L1Loss(), lambda: L1Loss() - 1, lambda: L1Loss() / L1Loss(), lambda: 1 / L1Loss()):
        with pytest.raises(TypeError):
            wrong()  # type: ignore[no-untyped-call]
    with pytest.raises(ZeroDivisionError):
        L1Loss() / 0
    for weight in (float("nan"), float("inf")):
        with pytest.raises(InputError, match="weight of l1 to be a finite number"):
            weight * L1Loss()


def test_the_parts_of_a_sum_have_one_reduction_unless_the_sum_says_its_own() -> None:
    mean, total = L1Loss(), MSELoss(reduction="sum")
    for mixed in (lambda: mean + total, lambda: total - mean, lambda: WeightedLoss({"l1": mean, "mse": total})):
        with pytest.raises(InputError, match=r"same reduction, got .*l1 mean.*reduction='mean'"):
            mixed()
    output, target = pictures()
    values = L1Loss(reduction="none")(output, target) + MSELoss(reduction="none")(output, target)
    for reduction, expected in (("mean", values.mean()), ("sum", values.sum()), ("none", values)):
        loss = WeightedLoss({"l1": mean, "mse": total}, reduction=reduction)  # type: ignore[arg-type]
        torch.testing.assert_close(loss(output, target), expected)
        for other in (
            2 * loss,
            loss / 2,
            -loss,
            WeightedLoss({"inner": loss}),
            loss + SSIMLoss(reduction=loss.reduction),
        ):
            assert other.reduction == reduction
    with pytest.raises(InputError, match=r"same reduction, got a \+ mse sum, l1 mean"):
        WeightedLoss({"a": L1Loss(), "mse": MSELoss()}, reduction="sum") + L1Loss()


def test_compiled_in_one_graph() -> None:
    output, target = pictures(2, 16)
    for reduction in ("sum", "none"):
        torch.compiler.reset()
        loss = L1Loss(reduction=reduction) - SSIMLoss(reduction=reduction) / 2  # type: ignore[arg-type]
        compiled = torch.compile(loss, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(output, target), loss(output, target))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")  # torch's own look
def test_a_compiled_balanced_loss() -> None:
    """Its gradients are measured between two graphs."""
    output, target = (picture.requires_grad_() for picture in pictures(2, 16))
    torch.compiler.reset()
    parts = {"l1": L1Loss(), "mse": MSELoss()}
    loss, other = (BalancedLoss(parts, {"l1": 1.0, "mse": 0.5}) for _ in range(2))
    total = torch.compile(loss, backend="aot_eager")(output, target)
    torch.testing.assert_close(torch.autograd.grad(total, output), torch.autograd.grad(other(output, target), output))
    torch.testing.assert_close(loss.weights, other.weights)


def test_a_map_is_not_reduced() -> None:
    with pytest.raises(InputError, match="no reduction with spatial=True"):
        LPIPS("squeeze", spatial=True, weights=None, reduction="sum")


def test_as_a_recipe_writes_it() -> None:
    output, target = pictures()
    written = {"L1Loss": {"reduction": "sum", "weight": 2.0}, "l1": {"reduction": "sum"}}
    check_loss_settings(written)
    torch.testing.assert_close(loss_from_settings(written)(output, target), 3 * L1Loss(reduction="sum")(output, target))
    named = {"losses": {"a": "L1Loss", "b": {"MSELoss": 2.0}}, "reduction": "sum"}
    assert loss_from_settings({"WeightedLoss": named}).reduction == "sum"
    assert loss_from_settings({"perceptual": {"reduction": "none"}})(output, target).shape == (3,)
    with pytest.raises(InputError, match="same reduction"):
        loss_from_settings({"L1Loss": {"reduction": "sum"}, "MSELoss": 1.0})
    with pytest.raises(InputError, match="reduction of l1 to be one of mean, sum, none"):
        loss_from_settings({"l1": {"reduction": "max"}})


@pytest.mark.parametrize("name", ["L1Loss", "perceptual", "WeightedLoss"])
def test_training_refuses_what_is_no_one_number(name: str) -> None:
    options: dict[str, Any] = {"losses": {"a": "L1Loss"}} if name == "WeightedLoss" else {}
    written = {name: options | {"reduction": "none"}}
    with pytest.raises(InputError, match=f'reduction of {name} to be "mean" or "sum" in training'):
        check_loss_settings(written)
    with pytest.raises(InputError, match='has the reduction "mean" or "sum"'):
        Supervised(ResidualUpscaler(1, width=4, blocks=1), loss_from_settings(written))


def test_styles_of_one_batch_are_reduced_as_the_objective() -> None:
    output, content, styles = torch.rand(3, 3, 16, 16), torch.rand(3, 3, 16, 16), torch.rand(2, 1, 3, 20, 20)
    written = {"network": "compact", "layers": ["relu1_1"], "style_layers": ["relu1_2"]}
    totals = {}
    for reduction in ("mean", "sum"):
        loss = {"PerceptualLoss": {**written, "reduction": reduction}}
        objectives = [style_objective(loss, style) for style in styles]
        assert {objective.reduction for objective in objectives} == {reduction}
        run = StyleTransfer(StyleTransferNetwork(width=4, blocks=1, styles=2), objectives, [*styles])
        totals[reduction] = sum(run.terms(output, content, [0, 1, 0]).values())
    torch.testing.assert_close(totals["sum"], 3 * totals["mean"])
    objectives[1].reduction = "none"
    with pytest.raises(InputError, match='has the reduction "mean" or "sum"'):
        StyleTransfer(StyleTransferNetwork(width=4, blocks=1, styles=2), objectives, [*styles])
