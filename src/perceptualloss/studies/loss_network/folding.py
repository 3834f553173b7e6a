"""From a chain of layers in training, with batch norm, to the one that ships."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from perceptualloss.errors import InputError
from perceptualloss.files import write_whole
from perceptualloss.pictures.ranges import normalised


def with_batch_norm(features: nn.Sequential) -> nn.Sequential:
    """Return the same layers (not copies), filters drawn anew, with a batch norm after every convolution."""
    modules: list[nn.Module] = []
    for module in features:
        modules.append(module)
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            modules.append(nn.BatchNorm2d(module.out_channels))
    return nn.Sequential(*modules)


def without_batch_norm(trained: nn.Sequential) -> nn.Sequential:
    """Return copies with every batch norm folded into the convolution before it: the same outputs as in eval mode."""
    modules: list[nn.Module] = []
    for module in copy.deepcopy(trained).eval():
        if isinstance(module, nn.BatchNorm2d) and isinstance(modules[-1], nn.Conv2d):
            modules[-1] = fuse_conv_bn_eval(modules[-1], module)
        else:
            modules.append(module)
    return nn.Sequential(*modules)


def write_run_time_weights(features: nn.Sequential, crops: Tensor, out: Path) -> None:
    """Write what ships to the safetensors file ``out``: half precision, mean activations 1 over [0, 1] ``crops``."""
    features = copy.deepcopy(features).cpu().float()
    scale_activations(features, normalised(crops))
    write_weights(features, out)


def write_weights(features: nn.Sequential, out: Path) -> None:
    """Write the weights to the safetensors file ``out`` at half precision.

    Raises:
        InputError: for weights that are not finite, or too large for half precision; nothing is written.
    """
    state = {name: value.detach().cpu().half().contiguous() for name, value in features.state_dict().items()}
    for name, value in state.items():
        if not value.isfinite().all():
            remedy = "The training has failed: lower its learning rate."
            raise InputError("weights that are finite in half precision", f"NaN or infinity in {name}", remedy)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(save(state), out)  # save_file would let nobody but the owner read it


@torch.no_grad()
def scale_activations(features: nn.Sequential, inputs: Tensor) -> None:
    """Scale every convolution in place so that the mean of its ReLU over ``inputs`` is 1.

    The next layer takes the factor back, so every map changes by one factor and by nothing else: exact for
    convolutions, ReLUs and linear or maximum pooling. Then one weight means about the same for every layer of
    a loss.

    Args:
        features: convolutions, ReLUs and pools in the order in which they run.
        inputs: pictures (N, 3, H, W), normalised as the network wants them.

    Raises:
        InputError: a layer that does not react to ``inputs`` at all.
    """
    maps, carried = inputs, 1.0
    for module in features:
        if isinstance(module, nn.Conv2d):
            module.weight.mul_(carried)
            carried = module(maps).relu().mean().item()
            if not 0 < carried < math.inf:
                raise InputError("a network whose layers react to photos", f"a mean activation of {carried}")
            module.weight.div_(carried)
            if module.bias is not None:
                module.bias.div_(carried)
        maps = module(maps)
