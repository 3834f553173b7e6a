"""Targets that stay the same, prepared once: the same values, and refused where they do not belong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader

from perceptualloss.errors import InputError
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.network import loss_network
from perceptualloss.features.passes import Passes
from perceptualloss.losses.base import Loss
from perceptualloss.losses.feature import DISTANCES, FeatureReconstructionLoss
from perceptualloss.losses.lpips import LPIPS
from perceptualloss.losses.network_loss import NetworkLoss
from perceptualloss.losses.perceptual import PerceptualLoss
from perceptualloss.losses.pixel import L1Loss
from perceptualloss.losses.prepared import Prepared
from perceptualloss.losses.registry import build_loss
from perceptualloss.losses.sliced_wasserstein import SlicedWassersteinLoss
from perceptualloss.losses.style import StyleReconstructionLoss
from perceptualloss.losses.total_variation import TotalVariationLoss

TinyNetwork = Callable[..., LossNetwork]
LAYERS = {"relu1_2": 1.0, "relu2_2": 0.5}
LOSSES: dict[str, Callable[[], Loss]] = {
    **{name: lambda name=name: FeatureReconstructionLoss("compact", LAYERS, name) for name in DISTANCES},
    "resized": lambda: FeatureReconstructionLoss("compact", LAYERS, resize=(20, 24)),
    "gram": lambda: StyleReconstructionLoss("compact", LAYERS, "relative", halvings=1),
    "wasserstein": lambda: SlicedWassersteinLoss("compact", LAYERS, positions=40),
    "lpips": lambda: LPIPS("squeeze", weights=None),
    "pixels": L1Loss,
    "sum": lambda: PerceptualLoss("compact", ["relu2_2"], "unit", ["relu1_2"], style_scales=2) + 0.1 * L1Loss(),
    "several networks": lambda: (
        FeatureReconstructionLoss("compact", LAYERS)
        + FeatureReconstructionLoss("judge", ["relu1_1"])
        + TotalVariationLoss()
        + StyleReconstructionLoss("compact", LAYERS, style=torch.ones(3, 24, 24) / 2)
    ),
    "preset": lambda: build_loss("perceptual"),
}


def pair(count: int = 3, height: int = 33, width: int = 28) -> tuple[Tensor, Tensor]:
    return torch.rand(count, 3, height, width), torch.rand(count, 3, height, width)


def built(name: str) -> Loss:
    torch.manual_seed(5)  # for random weights
    return LOSSES[name]().double()


def step(loss: Loss, output: Tensor, target: Any) -> tuple[Tensor, Tensor]:
    torch.manual_seed(7)
    output = output.clone().requires_grad_()
    values = torch.stack(list(loss.per_image(output, target).values()))
    (values * torch.linspace(1, 2, values.numel()).view_as(values)).sum().backward()
    assert output.grad is not None
    return values.detach(), output.grad


@pytest.mark.parametrize("name", LOSSES)
def test_with_prepared_targets_values_and_gradients_are_the_same(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss, other = built(name), built(name)
    output, target = (x.double() for x in pair())
    expected = step(loss, output, target)
    prepared = loss.prepare(target)
    file = prepared.save(tmp_path / "targets" / "first.safetensors")
    target.zero_()  # it is not looked at again
    passes = 0
    forward = LossNetwork.forward

    def counted(self: LossNetwork, images: Tensor, layers: Any = None) -> dict[str, Tensor]:
        nonlocal passes
        passes += not torch.is_grad_enabled()
        return forward(self, images, layers)

    monkeypatch.setattr(LossNetwork, "forward", counted)
    for found in (step(loss, output, prepared), step(other, output, Prepared.load(file))):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    for part in loss.modules():
        if isinstance(part, NetworkLoss):
            part.network.passes = Passes(chunk=2)
    torch.testing.assert_close(step(loss, output, prepared), expected, rtol=1e-9, atol=1e-12)
    assert passes == 0


def test_prepared_in_inference_mode_it_trains_all_the_same() -> None:
    output, target = pair(1)
    loss = FeatureReconstructionLoss("compact", LAYERS, "unit") + L1Loss()
    with torch.inference_mode():
        prepared = loss.prepare(target.clone())
    torch.testing.assert_close(step(loss, output, prepared), step(loss, output, target))


def test_a_style_serves_a_whole_batch_and_is_small() -> None:
    loss = StyleReconstructionLoss("compact", ["relu1_2"])
    output, style = torch.rand(3, 3, 24, 20), torch.rand(1, 3, 40, 40)
    prepared = loss.prepare(style)
    assert prepared.picture is None
    assert [x.shape for found in prepared.maps.values() for x in found.values()] == [(1, 64, 64)]
    assert torch.equal(loss(output, prepared), loss(output, style))


def test_a_data_set_of_prepared_targets_is_batched() -> None:
    loss = PerceptualLoss("compact", ["relu1_2"]) + L1Loss()
    output, target = pair(5)
    kept = loss.prepare(target)
    batches = DataLoader([kept[i] for i in range(5)], batch_size=2, collate_fn=Prepared.join)  # type: ignore[arg-type,var-annotated]
    for i, batch in enumerate(batches):
        part = slice(2 * i, 2 * i + 2)
        assert batch.shape == (len(output[part]), 3, 33, 28)
        assert torch.equal(loss(output[part], batch), loss(output[part], target[part]))
        assert torch.equal(loss(output[part], kept[part]), loss(output[part], target[part]))
    assert torch.equal(loss(output[4:], kept[-1]), loss(output[4:], target[4:]))
    for wrong in (lambda: kept[5], lambda: kept[3:3], lambda: Prepared.join([])):
        with pytest.raises(InputError):
            wrong()
    other = L1Loss().prepare(target)
    with pytest.raises(InputError, match="of the same loss"):
        Prepared.join([kept, other])


def test_what_was_prepared_otherwise_is_refused() -> None:
    output, target = pair(2)
    loss = FeatureReconstructionLoss("compact", ["relu1_2"])
    prepared = loss.prepare(target)
    others: dict[str, Loss] = {
        "network": FeatureReconstructionLoss("judge", ["relu1_1"]),
        "weights": FeatureReconstructionLoss(loss_network("compact", ["relu1_2"], None), ["relu1_2"]),
        "range": FeatureReconstructionLoss("compact", ["relu1_2"], input_range=(0, 2)),
        "view": FeatureReconstructionLoss("compact", ["relu1_2"], resize=(16, 16)),
        "layers": FeatureReconstructionLoss(loss.network, ["relu1_1"]),
        "style": StyleReconstructionLoss(loss.network, ["relu1_2"]),
        "augment": FeatureReconstructionLoss("compact", ["relu1_2"], augment="shift"),
        "pixels": L1Loss(),
        "sum": loss + L1Loss(),
    }
    for name, other in others.items():
        with pytest.raises(InputError, match=r"prepared"):
            other(output, prepared)
        assert name
    with pytest.raises(InputError, match="of the same shape"):
        loss(output[:1], prepared)
    with pytest.raises(InputError, match="without augment"):
        others["augment"].prepare(target)
    with pytest.raises(InputError, match="needs a target"):
        TotalVariationLoss().prepare(target)
    with pytest.raises(InputError, match=r"values in \[0, 1\]"):
        loss.prepare(255 * target)
    with pytest.raises(InputError, match="to be a tensor"):
        LPIPS("squeeze", spatial=True, weights=None)(output, prepared)


def test_weights_that_change_make_another_network(tiny_network: TinyNetwork) -> None:
    network = tiny_network("relu1_1")
    before = network.fingerprint()
    assert before == network.fingerprint() == tiny_network("relu1_1").fingerprint()
    assert before != tiny_network("relu2_1").fingerprint()
    with torch.no_grad():
        next(network.body.modules[0].parameters()).mul_(2)
    after = network.fingerprint()
    assert after != before
    assert network.double().fingerprint() != after


def test_under_a_mask_features_serve_and_styles_are_refused() -> None:
    output, target = pair(2)
    mask = torch.zeros(1, 1, 33, 28)
    mask[..., 4:30, 3:25] = 1
    loss = FeatureReconstructionLoss("compact", LAYERS, "unit") + L1Loss()
    for masking in ("area", "exact"):
        expected = loss(output, target, mask, masking=masking)  # type: ignore[arg-type]
        torch.testing.assert_close(loss(output, loss.prepare(target), mask, masking=masking), expected)  # type: ignore[arg-type]
    style = StyleReconstructionLoss("compact", LAYERS)
    with pytest.raises(InputError, match="with a prepared target of StyleReconstructionLoss"):
        style(output, style.prepare(target), mask)


class _Doubled(FeatureReconstructionLoss):
    def _per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {name: 2 * value for name, value in super()._per_image(output, target).items()}


def test_a_loss_of_ones_own_gets_the_picture() -> None:
    output, target = pair(2)
    loss = _Doubled("compact", ["relu1_1"]) + FeatureReconstructionLoss("compact", ["relu1_1"])
    assert torch.equal(loss(output, loss.prepare(target)), loss(output, target))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    _, target = pair(1)
    loss = FeatureReconstructionLoss("compact", ["relu1_2"]) + L1Loss()
    file = loss.prepare(target).save(tmp_path / "one.safetensors")
    whole = file.read_bytes()
    tensors = load_file(file)
    metadata = {"kind": "perceptualloss prepared target 1", "shape": "[1, 3, 33, 28]", "made_by": '["a"]'}
    broken = {name: x * torch.nan for name, x in tensors.items()}
    for change, message in {
        file.unlink: "no file",
        lambda: file.write_bytes(whole[:-9]): "does not load",
        lambda: file.write_bytes(b"\0" * 100): "does not load",
        lambda: save_file(tensors, file): "to hold a prepared target",
        lambda: save_file(tensors, file, metadata | {"shape": "[1, 3"}): "shape and origin",
        lambda: save_file(tensors, file, metadata | {"shape": "[2, 3, 33, 28]"}): "for 2 pictures",
        lambda: save_file(tensors, file, metadata | {"made_by": "7"}): "shape and origin",
        lambda: save_file(tensors, file, metadata | {"made_by": "[]"}): "for 1 pictures",
        lambda: save_file(tensors, file, metadata | {"shape": "[1, 3, 33, 29]"}): "pictures of shape",
        lambda: save_file(broken, file, metadata): "finite numbers",
    }.items():
        change()
        with pytest.raises(InputError, match=message):
            Prepared.load(file)
    with pytest.raises(InputError, match=r"ends in \.safetensors"):
        loss.prepare(target).save(tmp_path / "one.pth")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_compiled_it_takes_prepared_targets(tiny_network: TinyNetwork) -> None:
    torch.compiler.reset()
    loss = FeatureReconstructionLoss(tiny_network("relu2_1"), ["relu2_1"]) + nn.Identity()(L1Loss())
    output, target = pair(2)
    prepared = loss.prepare(target)
    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(output, prepared), loss(output, target))
