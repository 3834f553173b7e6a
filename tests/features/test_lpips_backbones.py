from __future__ import annotations

import pytest
from torchvision.models import alexnet, squeezenet1_1

from perceptualloss.features.architectures import ARCHITECTURES, layer_names
from perceptualloss.features.weights import IMAGENET, features_file_name, imagenet_file_name


@pytest.mark.parametrize(("name", "build"), [("alexnet", alexnet), ("squeezenet", squeezenet1_1)])
def test_is_torchvisions(name: str, build: object) -> None:
    expected = build(weights=None).features  # type: ignore[operator]
    ours = ARCHITECTURES[name]()
    assert [str(m).replace("inplace=True", "") for m in ours] == [str(m).replace("inplace=True", "") for m in expected]
    ours.load_state_dict(expected.state_dict())


def test_names() -> None:
    assert layer_names(ARCHITECTURES["alexnet"]())[:6] == ["conv1_1", "relu1_1", "pool1", "conv2_1", "relu2_1", "pool2"]
    assert layer_names(ARCHITECTURES["squeezenet"]()) == [
        "conv1_1", "relu1_1", "pool1", "fire2", "fire3", "pool2", "fire4", "fire5", "pool3",
        "fire6", "fire7", "fire8", "fire9",
    ]  # fmt: skip


def test_weights_have_torchvisions_names() -> None:
    assert {imagenet_file_name(name) for name in IMAGENET} >= {"alexnet-owt-7be5be79.pth", "squeezenet1_1-b8a52dc0.pth"}
    assert features_file_name("alexnet") == "alexnet-owt-7be5be79-features.safetensors"
