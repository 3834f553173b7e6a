from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.vgg import cfgs, make_layers

from perceptualloss.errors import InputError
from perceptualloss.features.base import LossNetwork
from perceptualloss.losses.feature import FeatureReconstructionLoss, VGG16PerceptualLoss, feature_reconstruction

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


class CourseLoss(nn.Module):
    """The course's definition, written out with plain torchvision."""

    def __init__(self, file: Path, size: tuple[int, int] = (224, 224)) -> None:
        super().__init__()
        self.size = size
        self.vgg = make_layers(cfgs["D"]).eval()  # torchvision's VGG-16 without its 124 million weights of a classifier
        self.vgg.load_state_dict({name[9:]: value for name, value in torch.load(file, weights_only=True).items()})
        self.vgg = self.vgg[:16]
        for parameter in self.vgg.parameters():
            parameter.requires_grad = False
        self.l1 = nn.L1Loss()

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        output = F.interpolate(output, size=self.size, mode="bilinear", align_corners=False)
        target = F.interpolate(target, size=self.size, mode="bilinear", align_corners=False)
        features = self.vgg(output)
        with torch.no_grad():
            target_features = self.vgg(target)
        return self.l1(features, target_features)


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(7)
    file = tmp_path_factory.mktemp("weights") / "vgg16.pth"
    layers = make_layers(cfgs["D"])
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    torch.save({f"features.{name}": value for name, value in layers.state_dict().items()}, file)
    return file


@pytest.mark.parametrize("input_range", ["imagenet", (0.0, 1.0)])
def test_equals_the_courses_definition(vgg_file: Path, input_range: str | tuple[float, float]) -> None:
    output, target = torch.rand(2, 1, 3, 96, 128).unbind(0)
    if input_range == "imagenet":
        output, target = (output - MEAN) / STD, (target - MEAN) / STD
    small = {"resize": (48, 40)}
    for dtype, value_error, gradient_error, options in (
        (torch.float32, 1e-5, 2e-2, {} if input_range == "imagenet" else small),
        (torch.float64, 1e-12, 1e-10, small),
    ):
        # In 32 bits, another order of summation flips the sign of |f - g| where f is near g: the course's own
        # gradient is then 0.6% away from its 64-bit one. In 64 bits the definitions show to be the same.
        ours = VGG16PerceptualLoss(weights=vgg_file, input_range=input_range, **options).to(dtype)
        course = CourseLoss(vgg_file, *options.values()).to(dtype)
        x = output.to(dtype, copy=True).requires_grad_()
        twin = output.to(dtype, copy=True).requires_grad_()
        normalised = [twin, target.to(dtype)]
        if input_range != "imagenet":
            normalised = [(images - MEAN) / STD for images in normalised]
        value, expected = ours(x, target.to(dtype)), course(*normalised)
        value.backward()
        expected.backward()
        assert value.item() == pytest.approx(expected.item(), rel=value_error)
        assert (x.grad - twin.grad).norm() <= gradient_error * twin.grad.norm()


def test_resize_none_leaves_the_size_alone(vgg_file: Path) -> None:
    output, target = torch.randn(2, 1, 3, 64, 48).clamp(-2, 2).unbind(0)
    ours = VGG16PerceptualLoss(resize=None, weights=vgg_file, input_range="imagenet")
    course = CourseLoss(vgg_file)
    expected = F.l1_loss(course.vgg(output), course.vgg(target))
    assert ours(output, target).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_wrong_size_is_refused() -> None:
    with pytest.raises(InputError, match="height, width"):
        VGG16PerceptualLoss(resize=(224, 0), weights=None)


def test_the_squared_distance_is_the_papers() -> None:
    f, g = torch.randn(2, 5, 4, 3), torch.randn(2, 5, 4, 3)
    expected = torch.stack([(a - b).pow(2).sum() / (5 * 4 * 3) for a, b in zip(f, g, strict=True)])
    terms = feature_reconstruction({"x": f}, {"x": g}, {"x": 2.0}, "mse")
    torch.testing.assert_close(terms["x"], 2 * expected)


@pytest.mark.parametrize("distance", ["mse", "l1", "unit"])
def test_gradcheck_on_a_tiny_network(distance: str) -> None:
    loss = FeatureReconstructionLoss("compact", {"relu1_1": 1.0, "conv1_2": 0.5}, distance, weights=None).double()
    output = torch.rand(1, 3, 4, 3, dtype=torch.float64, requires_grad=True)
    target = torch.rand(1, 3, 4, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), output)


@pytest.mark.parametrize("distance", ["mse", "l1", "unit"])
def test_equal_pictures_give_zero_and_no_nan(distance: str) -> None:
    loss = FeatureReconstructionLoss("compact", {"relu1_2": 1.0, "relu3_3": 1.0}, distance)
    images = torch.cat([torch.rand(1, 3, 24, 24), torch.zeros(1, 3, 24, 24)]).requires_grad_()
    value = loss(images, images)
    value.backward()
    assert value.item() == 0
    assert torch.isfinite(images.grad).all()


def test_terms_are_named_weighted_and_add_up() -> None:
    loss = FeatureReconstructionLoss("compact", {"relu1_2": 3.0, "relu2_2": 0.5})
    single = FeatureReconstructionLoss("compact", {"relu1_2": 1.0})
    output, target = torch.rand(2, 2, 3, 24, 24).unbind(0)
    terms = loss.terms(output, target)
    assert list(terms) == ["relu1_2", "relu2_2"]
    torch.testing.assert_close(terms["relu1_2"], 3 * single(output, target))
    torch.testing.assert_close(sum(terms.values()), loss(output, target))


def test_gradients_reach_the_output_alone() -> None:
    loss = FeatureReconstructionLoss("compact", {"relu2_2": 1.0})
    output, target = torch.rand(2, 1, 3, 16, 16).unbind(0)
    output.requires_grad_()
    target.requires_grad_()
    loss(output, target).backward()
    assert output.grad.abs().sum() > 0
    assert target.grad is None


def test_bf16_autocast_stays_within_two_percent() -> None:
    loss = FeatureReconstructionLoss("compact", {"relu1_2": 1.0, "relu2_2": 1.0, "relu3_3": 1.0}, "unit")
    output, target = torch.rand(2, 2, 3, 48, 48).unbind(0)
    exact = loss(output, target)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = loss(output, target)
    assert rounded.dtype == torch.float32
    assert rounded.item() == pytest.approx(exact.item(), rel=0.02)


def test_one_network_pass_for_each_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []
    forward = LossNetwork.forward
    monkeypatch.setattr(
        LossNetwork, "forward", lambda self, *x: passes.append(torch.is_grad_enabled()) or forward(self, *x)
    )
    FeatureReconstructionLoss("compact", {"relu1_2": 1.0, "relu2_2": 1.0})(*torch.rand(2, 1, 3, 16, 16).unbind(0))
    assert passes == [False, True]  # the target's pass records no graph


def test_an_unknown_distance_is_refused() -> None:
    with pytest.raises(InputError, match="Did you mean 'unit'"):
        FeatureReconstructionLoss("compact", distance="units")  # type: ignore[arg-type]
