"""VGG-16 without a download: torchvision's layers with random weights, for a check alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import torch
from torch import nn
from torchvision.models import vgg

WIDTH = 64  # channels of the first layer; tests have fewer, to be quick


@dataclass
class StandIns:
    """What was asked of torchvision: one (name, whether with weights) for each network that was built."""

    built: list[tuple[str, bool]] = field(default_factory=list)
    loaded: bool = False


@contextmanager
def stand_ins() -> Iterator[StandIns]:
    """Within it, every VGG of torchvision is built at once, with random weights, whatever weights are asked for.

    All of torchvision's builders (``vgg16(weights=...)``, ``vgg16(pretrained=True)``, ``get_model("vgg16")``) call one
    function, which is replaced, so that it does not matter how a learner imports them.
    """
    told = StandIns()

    def build(configuration: str, batch_norm: bool, weights: Any, progress: bool, **kwargs: Any) -> nn.Module:
        number = {"A": 11, "B": 13, "D": 16, "E": 19}[configuration]
        told.built.append((f"VGG-{number}{' with batch norm' if batch_norm else ''}", weights is not None))
        return _network(vgg.cfgs[configuration], batch_norm, told)

    with mock.patch.object(vgg, "_vgg", build):
        yield told


class _StandIn(vgg.VGG):  # type: ignore[misc]
    """Its layers; weights from a learner's own file count as loaded."""

    told: StandIns

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Say that weights were loaded."""
        self.told.loaded = True
        return super().load_state_dict(*args, **kwargs)


def _network(configuration: list[str | int], batch_norm: bool, told: StandIns) -> nn.Module:
    """Return a network whose features keep their size of values; its classifier, of 120 million numbers, is a dummy."""
    thin = [part if isinstance(part, str) else max(1, part * WIDTH // 64) for part in configuration]
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        network = _StandIn(nn.Identity(), init_weights=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network.features = vgg.make_layers(thin, batch_norm=batch_norm)
        for layer in network.features:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.normal_(layer.bias, std=0.1)  # type: ignore[arg-type]
        inputs = 49 * thin[-2] if isinstance(thin[-2], int) else 1
        linear = (nn.Linear(inputs, 1), nn.Linear(1, 1), nn.Linear(1, 1000))
        network.classifier = nn.Sequential(
            linear[0], nn.ReLU(), nn.Dropout(), linear[1], nn.ReLU(), nn.Dropout(), linear[2]
        )
    network.told = told
    return network
