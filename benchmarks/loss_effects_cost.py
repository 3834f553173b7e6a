"""What a loss costs, for ``loss_effects.py``: forward and backward of two pictures of 256 x 256 in 32 bits.

Times are what one thread computed, in turn, so other programs hardly matter; each is a ratio to L1 and to
``VGG16PerceptualLoss`` of the same turns. Memory is counted, not measured: what autograd keeps for the backward pass.
Networks have random weights, which changes neither.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

import perceptualloss as p
from timing import in_turn, ratio_of

SIDE, ROUNDS = 256, 2
FOUR = dict.fromkeys(("relu1_2", "relu2_2", "relu3_3", "relu4_3"), 1.0)
Call = Callable[[Tensor, Tensor], Tensor]
L1, VGG = "`L1Loss()`", "`VGG16PerceptualLoss()`"


def calls() -> dict[str, dict[str, Call]]:
    """Return what is timed: by page, by the code of the loss."""
    clip = p.VideoLoss(p.L1Loss())
    change = p.TemporalLoss(p.L1Loss())
    flow = p.WarpingLoss(p.L1Loss())
    torch.manual_seed(0)
    critic = p.PatchCritic(width=64)
    game = p.GANLoss("hinge")

    def as_clip(loss: p.Loss, output: Tensor, target: Tensor) -> Tensor:
        value: Tensor = loss(output.transpose(0, 1)[None], target.transpose(0, 1)[None])
        return value

    still = torch.zeros(1, 2, 1, SIDE, SIDE)
    features = partial(p.FeatureReconstructionLoss, weights=None)
    parts: dict[str, p.Loss] = {"l1": p.L1Loss(), "features": p.FeatureReconstructionLoss("compact", {"relu2_2": 1.0})}
    return {
        "MSELoss": {"`MSELoss()`": p.MSELoss()},
        "L1Loss": {L1: p.L1Loss()},
        "CharbonnierLoss": {"`CharbonnierLoss()`": p.CharbonnierLoss()},
        "SSIMLoss": {"`SSIMLoss()`": p.SSIMLoss()},
        "MSSSIMLoss": {"`MSSSIMLoss()`": p.MSSSIMLoss()},
        "EdgeLoss": {"`EdgeLoss()`": p.EdgeLoss()},
        "AngularColorLoss": {"`AngularColorLoss()`": p.AngularColorLoss()},
        "BlurredColorLoss": {"`BlurredColorLoss()`": p.BlurredColorLoss()},
        "TotalVariationLoss": {"`TotalVariationLoss()`": lambda output, _: p.TotalVariationLoss()(output)},
        "LatticeLoss": {"`LatticeLoss()`": p.LatticeLoss()},
        "FeatureReconstructionLoss": {
            '`FeatureReconstructionLoss("compact", ["relu2_2"])`': features("compact", ["relu2_2"]),
            '`FeatureReconstructionLoss("compact", ["relu4_3"])`': features("compact", ["relu4_3"]),
            '`FeatureReconstructionLoss("vgg16", ["relu2_2"])`': features("vgg16", ["relu2_2"]),
        },
        "StyleReconstructionLoss": {
            '`StyleReconstructionLoss("compact")`': p.StyleReconstructionLoss("compact", FOUR),
            '`StyleReconstructionLoss("vgg16")`': p.StyleReconstructionLoss("vgg16", FOUR, weights=None),
        },
        "SlicedWassersteinLoss": {'`SlicedWassersteinLoss("compact")`': p.SlicedWassersteinLoss("compact", FOUR)},
        "LPIPS": {
            '`LPIPS("vgg")`': p.LPIPS("vgg", weights=None),
            '`LPIPS("alex")`': p.LPIPS("alex", weights=None),
            '`LPIPS("squeeze")`': p.LPIPS("squeeze", weights=None),
        },
        "VGG16PerceptualLoss": {VGG: p.VGG16PerceptualLoss(weights=None)},
        "PerceptualLoss": {
            '`PerceptualLoss("compact", ["relu2_2"], style_layers=...)`, four style layers': p.PerceptualLoss(
                "compact", ["relu2_2"], style_layers=FOUR
            ),
        },
        "WeightedLoss": {'`build_loss("perceptual")`': p.build_loss("perceptual")},
        "BalancedLoss": {
            "`BalancedLoss`, L1 and features of `compact`": p.BalancedLoss(parts, {"l1": 1.0, "features": 1.0}),
            "the same as a `WeightedLoss`": p.WeightedLoss(parts),
        },
        "VideoLoss": {"`VideoLoss(L1Loss())`, a clip of two frames": partial(as_clip, clip)},
        "TemporalLoss": {"`TemporalLoss(L1Loss())`, a clip of two frames": partial(as_clip, change)},
        "WarpingLoss": {
            "`WarpingLoss(L1Loss())`, a clip of two frames": lambda output, _: flow(
                output.transpose(0, 1)[None], still
            ),
        },
        "GANLoss": {
            '`GANLoss("hinge")` through `PatchCritic()`': lambda output, _: game.generator_loss(critic(output)),
        },
    }


def costs(rounds: int = ROUNDS) -> dict[str, list[tuple[str, float, float, float, float]]]:
    """Return by page a row for each call: its code, milliseconds, ratio to L1, to VGG16PerceptualLoss, MiB kept."""
    torch.manual_seed(0)
    output, target = torch.rand(2, 2, 3, SIDE, SIDE)
    pages = calls()
    flat: Mapping[str, Call] = {code: call for page in pages.values() for code, call in page.items()}
    times = in_turn(
        {code: partial(step, call, output, target) for code, call in flat.items()}, rounds, time.thread_time
    )
    return {
        page: [
            (
                code,
                1000 * sorted(times[code])[len(times[code]) // 2],
                ratio_of(times[code], times[L1]),
                ratio_of(times[code], times[VGG]),
                kept(call, output, target),
            )
            for code, call in found.items()
        ]
        for page, found in pages.items()
    }


def step(call: Call, output: Tensor, target: Tensor) -> None:
    call(output.clone().requires_grad_(), target).backward()


def kept(call: Call, output: Tensor, target: Tensor) -> float:
    """Return the MiB that autograd keeps between forward and backward, without the output and weights."""
    output = output.clone().requires_grad_()
    sizes: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if not isinstance(tensor, torch.nn.Parameter) and storage.data_ptr() != output.data_ptr():
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        value = call(output, target)
    value.backward()
    return sum(sizes.values()) / 2**20
