import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss
from perceptualloss.losses.pixel import L1Loss, MSELoss
from perceptualloss.losses.presets import PRESETS
from perceptualloss.losses.registry import build_loss
from perceptualloss.losses.style import StyleReconstructionLoss
from perceptualloss.losses.sums import WeightedLoss
from perceptualloss.losses.total_variation import TotalVariationLoss


def pair(seed: int, batch: int = 2, size: int = 16) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    output, target = torch.rand(2, batch, 3, size, size, generator=generator).unbind(0)
    return output, target


@pytest.mark.parametrize(("loss", "same"), [(MSELoss(), nn.MSELoss()), (L1Loss(), nn.L1Loss())])
def test_pixel_losses_equal_pytorchs(loss: Loss, same: nn.Module) -> None:
    output, target = pair(1)
    torch.testing.assert_close(loss(output, target), same(output, target))


@settings(deadline=None, max_examples=20)
@given(factor=st.floats(0.0, 100.0), seed=st.integers(0, 2**31))
def test_scaling_a_loss_scales_its_value(factor: float, seed: int) -> None:
    output, target = pair(seed)
    torch.testing.assert_close((factor * L1Loss())(output, target), factor * L1Loss()(output, target))


def test_sums_are_losses_with_named_terms() -> None:
    output, target = pair(3)
    total = 2 * MSELoss() + L1Loss() * 0.5 + MSELoss()
    terms = total.terms(output, target)
    assert list(terms) == ["mse", "l1", "mse_2"]
    torch.testing.assert_close(terms["mse"], 2 * terms["mse_2"])
    torch.testing.assert_close(total(output, target), sum(terms.values()))
    named = build_loss("perceptual").terms(output, target)
    layers = [f"feature_reconstruction/relu{layer}" for layer in ("1_2", "2_2", "3_3")]
    assert list(named) == [*layers, "l1"]


def test_a_sum_takes_no_other_things_and_no_unknown_weights() -> None:
    with pytest.raises(TypeError):
        MSELoss() + 1  # type: ignore[operator]
    with pytest.raises(TypeError):
        MSELoss() * "2"  # type: ignore[operator]
    with pytest.raises(InputError, match="Did you mean 'charbonnier'"):
        WeightedLoss({"charbonnier": L1Loss()}, {"charbonier": 1.0})


def test_gradcheck_of_the_pixel_losses() -> None:
    output, target = (x.double() for x in pair(5, 1, 4))
    output.requires_grad_()
    for loss in (MSELoss(), L1Loss()):
        assert torch.autograd.gradcheck(lambda x, loss=loss: loss(x, target), output)


@pytest.mark.parametrize(
    ("output", "target", "remedy"),
    [
        (torch.rand(1, 3, 4, 4) * 255, torch.rand(1, 3, 4, 4) * 255, "255"),
        (torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4) * 2 - 1, r"input_range=\(-1, 1\)"),
        (torch.full((1, 3, 4, 4), torch.nan), torch.rand(1, 3, 4, 4), "not finite"),
        (torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 5), "same shape"),
        (torch.rand(1, 4, 4, 4), torch.rand(1, 4, 4, 4), "alpha"),
        (torch.rand(1, 8, 4, 3), torch.rand(1, 8, 4, 3), "permute"),
        (torch.rand(1, 1, 4, 4), torch.rand(1, 1, 4, 4), "expand"),
        (torch.rand(0, 3, 4, 4), torch.rand(0, 3, 4, 4), "at least one"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.rand(1, 3, 4, 4), r"float\(\) / 255"),
    ],
)
def test_wrong_input_says_what_to_do(output: Tensor, target: Tensor, remedy: str) -> None:
    with pytest.raises(InputError, match=remedy):
        MSELoss()(output, target)


def test_losses_of_the_output_alone_need_no_target() -> None:
    output, target = pair(1)
    smooth = 0.1 * TotalVariationLoss()
    torch.testing.assert_close(smooth(output), 0.1 * TotalVariationLoss()(output, target))
    assert list((smooth + MSELoss()).terms(output, target)) == ["total_variation", "mse"]
    for loss in (MSELoss(), smooth + MSELoss()):
        with pytest.raises(InputError, match="got no target"):
            loss(output)


def test_a_sum_asks_of_the_target_what_its_strictest_part_asks() -> None:
    style = StyleReconstructionLoss("compact", ["relu1_2"])
    output, target = pair(1)[0], pair(2, size=20)[1]
    assert style(output, target) > 0
    with pytest.raises(InputError, match="same shape"):
        (style + MSELoss())(output, target)


def test_other_ranges_are_taken_when_said() -> None:
    output, target = pair(1)
    assert MSELoss((0, 255))(output * 255, target * 255) > 0
    assert L1Loss("imagenet")((output - 0.45) / 0.22, (target - 0.45) / 0.22) > 0


def test_values_are_read_on_the_first_call_only(monkeypatch: pytest.MonkeyPatch) -> None:
    loss = MSELoss()
    output, target = pair(1)
    loss(output, target)
    read = []
    monkeypatch.setattr(Tensor, "item", lambda self: read.append(1))
    monkeypatch.setattr(Tensor, "cpu", lambda self: read.append(1))
    loss(output, target)
    assert not read
    monkeypatch.undo()
    with pytest.raises(InputError):
        loss.check(output, target * 255)


def test_a_loss_without_a_definition_says_so() -> None:
    with pytest.raises(TypeError, match="_per_image"):
        Loss()(*pair(1))


def test_every_preset_is_described() -> None:
    assert all(preset.label and preset.description for preset in PRESETS.values())
    with pytest.raises(InputError, match="Did you mean 'perceptual'"):
        build_loss("perceptial")
