"""What loss networks of torchvision and timm cost, beside VGG-16 and compact: counted, not timed.

    python benchmarks/backbones.py

Prints the table in docs/losses/backbones.md. For each network with random weights, up to a layer: the weights
that stay in memory, the multiplications of one forward pass per pixel, and the bytes per pixel that autograd keeps for
the backward pass of a "unit" distance in 32 bits, for one picture of 224 x 224.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from perceptualloss.features.network import loss_network
from perceptualloss.losses.feature import FeatureReconstructionLoss

SIDE = 224
NETWORKS = {
    "vgg16": ("relu2_2", "relu3_3", "relu4_3"),
    "compact": ("relu3_1", "relu4_3"),
    "torchvision/resnet50": ("layer1", "layer2"),
    "torchvision/convnext_tiny": ("features.1", "features.3"),
    "timm/convnext_tiny": ("stages.0", "stages.1"),
    "timm/vit_small_patch14_dinov2": ("blocks.2", "blocks.5", "blocks.11"),
    "timm/vit_base_patch14_dinov2": ("blocks.11",),
    "timm/vit_small_patch16_dinov3": ("blocks.5", "blocks.11"),
    "timm/vit_base_patch16_clip_224": ("blocks.5",),
}


def cost(network: str, layer: str) -> tuple[float, float, float, str]:
    """Return millions of weights, thousands of multiplications and bytes for a pixel, and the shape of the features."""
    found = loss_network(network, [layer], weights=None)
    images = torch.rand(1, 3, SIDE, SIDE)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        features = found(images)[layer]
    loss = FeatureReconstructionLoss(found, [layer], "unit")
    parameters = {p.data_ptr(): p.numel() for module in found.body.modules for p in module.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if tensor.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        value = loss(images.requires_grad_(), torch.rand(1, 3, SIDE, SIDE))
    value.backward()
    shape = " x ".join(map(str, features.shape[1:]))
    weights = sum(parameters.values()) / 1e6
    return weights, counter.get_total_flops() / 2 / SIDE**2 / 1e3, sum(kept.values()) / SIDE**2, shape


def table(networks: Iterable[str] = NETWORKS) -> str:
    """Return the costs as a Markdown table."""
    heads = (
        "network",
        "layer",
        "C x h x w of 224 x 224",
        "weights (millions)",
        "multiplications per pixel (thousands)",
    )
    lines = [f"| {' | '.join((*heads, 'kept (B/pixel)'))} |", "|---|---|---|---:|---:|---:|"]
    for network in networks:
        for layer in NETWORKS[network]:
            weights, products, memory, shape = cost(network, layer)
            lines.append(f"| `{network}` | `{layer}` | {shape} | {weights:.2f} | {products:.1f} | {memory:,.0f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
