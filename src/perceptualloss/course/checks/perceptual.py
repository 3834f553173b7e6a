"""Chapter 1: the loss compares VGG-16's relu3_3 by L1, at 224 x 224, with a gradient for the output alone."""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.course.answer import Answer, Mistake, line_of
from perceptualloss.course.checks.values import about, number_of
from perceptualloss.course.stand_in import StandIns
from perceptualloss.course.trace import Op, Trace

_NAME = "VGG16PerceptualLoss"
_SIZE = (224, 224)
_BLOCKS = (2, 2, 3, 3, 3)  # convolutions of VGG-16's blocks
_LAYER, _CUT = "relu3_3", 16


def check_perceptual(answer: Answer, told: StandIns) -> None:
    """Check ``VGG16PerceptualLoss``."""
    loss = answer.call(_NAME)
    if not isinstance(loss, nn.Module):
        raise Mistake("not_module", line_of(answer[_NAME]), name=_NAME)
    output, target = (torch.rand(1, 3, 40, 48).requires_grad_() for _ in range(2))
    with Trace() as trace:
        try:
            value = answer.run(loss, output, target)
        except Mistake:
            _check_sizes(trace, output, target)  # the cause, if a difference of two sizes is what fails
            raise
    _check_network(loss, trace, told)
    _check_sizes(trace, output, target)
    _check_resizing(trace, output, target)
    found = number_of(value, "loss", _NAME)
    compared = _compared(trace.of(value))
    _check_layer(compared)
    _check_distance(found, compared)
    _check_gradients(answer, value, output, target)


def _check_network(loss: nn.Module, trace: Trace, told: StandIns) -> None:
    convolutions = trace.convolutions()
    if not convolutions or not told.built:
        raise Mistake("vgg.none")
    names = [name for name, _ in told.built]
    if "VGG-16" not in names:
        raise Mistake("vgg.network", got=names[-1])
    if ("VGG-16", True) not in told.built and not told.loaded:
        raise Mistake("vgg.no_weights")
    if any(op.weight.requires_grad for op in convolutions):
        raise Mistake("vgg.not_frozen")
    if any(module.training for module in loss.modules() if isinstance(module, nn.Conv2d)):
        raise Mistake("vgg.train_mode")


def _seen(trace: Trace, picture: Tensor) -> list[Op]:
    """Return the first convolutions that see a picture."""
    first = [op for op in trace.convolutions() if op.channels[0] == 3]
    return [op for op in first if trace.of(picture) in op.ancestors()]


def _check_sizes(trace: Trace, output: Tensor, target: Tensor) -> None:
    for name, picture in (("output", output), ("target", target)):
        for op in _seen(trace, picture)[:1]:
            size = op.before_padding[-2:]
            if size != _SIZE:
                key = "vgg.no_resize" if size == tuple(picture.shape[-2:]) else "vgg.size"
                raise Mistake(key, picture=name, size=f"{size[0]} x {size[1]}")


def _check_resizing(trace: Trace, output: Tensor, target: Tensor) -> None:
    for name, picture in (("output", output), ("target", target)):
        seen = _seen(trace, picture)
        if not seen:
            raise Mistake("vgg.unseen", picture=name)
        shown = seen[0].inputs[0].output.detach()
        pictures = {len(output): [picture], 2 * len(output): [output, target]}.get(len(shown), [])
        if key := _resizing(shown, pictures):
            raise Mistake(key)


_MODES = [
    ("", "bilinear", False),
    ("vgg.nearest", "nearest", None),
    ("vgg.align_corners", "bilinear", True),
]


def _resizing(shown: Tensor, pictures: list[Tensor]) -> str:
    """Return how pictures came to the size at which they are shown to VGG-16: "" if rightly, else a mistake's key."""
    for key, mode, corners in _MODES if pictures else ():
        wanted = F.interpolate(torch.cat(pictures).detach(), _SIZE, mode=mode, align_corners=corners)
        if any(_alike(shown, one) for one in (wanted, wanted.flip(0))):
            return key
    return "vgg.resized_otherwise"


def _alike(shown: Tensor, wanted: Tensor) -> bool:
    """Whether one is the other but for a factor and an offset for each channel, as normalising gives."""
    channels = torch.stack([shown, wanted]).transpose(0, 2).flatten(2)  # (C, N, 2 ...)
    pairs = channels.reshape(3, -1, 2, shown[0, 0].numel()).transpose(1, 2).flatten(2)
    return all(torch.corrcoef(pair)[0, 1] > 0.9999 for pair in pairs)


def _compared(value: Op) -> list[tuple[Op, Op]]:
    """Return the features that are compared: what convolutions made and one operation brings together first."""
    found: list[tuple[Op, Op]] = []
    for op in value.ancestors():
        if len(op.inputs) != 2 or op.name == "convolution" or op.output.shape == op.inputs[0].output.shape == ():
            continue
        if all(side.output.dim() > 1 and not _is_later(side.real()) for side in op.inputs):
            found.append((op.inputs[0], op.inputs[1]))
    return found


def _is_later(side: Op) -> bool:
    """Whether it is no feature of VGG's: nothing of convolutions, or what was computed of features."""
    return not (side.is_convolution or side.is_activation or side.name.startswith("max_pool") or side.is_norm) or (
        not any(op.is_convolution for op in side.ancestors())
    )


def _check_layer(compared: list[tuple[Op, Op]]) -> None:
    layers = sorted({_layer(side.real()) for pair in compared for side in pair})
    if not layers:
        raise Mistake("vgg.no_comparison")
    if layers == [_LAYER]:
        return
    if len(layers) > 1:
        raise Mistake("vgg.layers", got=", ".join(layers))
    if layers == ["conv3_3"]:
        raise Mistake("vgg.before_relu")
    raise Mistake("vgg.layer", got=layers[0])


def _layer(side: Op) -> str:
    """Return VGG-16's name of the layer that made features."""
    count = sum(op.is_convolution for op in side.ancestors())
    ends = list(accumulate(_BLOCKS))
    block = next((at for at, end in enumerate(ends) if count <= end), len(ends) - 1)
    if side.name.startswith("max_pool"):
        return f"pool{block + 1}"
    kind = "conv" if side.is_convolution else "relu"
    return f"{kind}{block + 1}_{count - ends[block] + _BLOCKS[block]}"


def _check_distance(value: float, compared: list[tuple[Op, Op]]) -> None:
    difference = (compared[0][0].output - compared[0][1].output).detach()
    wanted, square = difference.abs().mean().item(), difference.square()
    if about(value, wanted):
        return
    if any(
        about(value, other.item()) for other in (square.mean(), square.sum(), square.sum().sqrt(), square.mean().sqrt())
    ):
        raise Mistake("vgg.l2")
    if about(value, difference.abs().sum().item()):
        raise Mistake("vgg.sum")
    raise Mistake("vgg.distance", got=f"{value:.4g}", expected=f"{wanted:.4g}")


def _check_gradients(answer: Answer, value: Tensor, output: Tensor, target: Tensor) -> None:
    if value.requires_grad:
        answer.run(value.backward)
    reached = [picture.grad is not None and bool(picture.grad.any()) for picture in (output, target)]
    if reached == [False, True]:
        raise Mistake("vgg.gradient_exchanged")
    if not reached[0]:
        raise Mistake("vgg.no_gradient")
    if reached[1]:
        raise Mistake("vgg.gradient_to_target")
