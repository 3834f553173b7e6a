"""Chapters 2, 5 and 6: residual blocks with batch norm behind ReLU, and what they add to the enlarged picture."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.course.answer import Answer, Mistake, line_of
from perceptualloss.course.checks.values import shape_of
from perceptualloss.course.stand_in import StandIns
from perceptualloss.course.trace import Op, Trace

_UNFIT = re.compile(r"to have (\d+) channels, but got (\d+)")  # what torch says of a convolution
_UNEQUAL = re.compile(r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\)")  # and of a sum
_SIZE = (6, 8)  # of the picture that is tried


@dataclass(frozen=True)
class Plan:
    """What a network must have.

    Attributes:
        name: of the class.
        scale: how many times larger pictures become.
        widths: the channels between blocks, from the picture's on; none where a learner chooses them.
        kernels: the kernel size of each block, and of the last convolution.
        shuffled: whether the blocks run before the enlargement, which is a PixelShuffle.
    """

    name: str
    scale: int
    widths: tuple[int, ...] = ()
    kernels: tuple[int, ...] = ()
    shuffled: bool = False


def check_upscale2x(answer: Answer, told: StandIns) -> None:
    """Check ``Upscale2x``."""
    _check(answer, Plan("Upscale2x", 2, (3, 64, 32, 16), (9, 7, 5, 5)))


def check_upscale4x(answer: Answer, told: StandIns) -> None:
    """Check ``Upscale4x``, whose blocks are free."""
    _check(answer, Plan("Upscale4x", 4))


def check_generator(answer: Answer, told: StandIns) -> None:
    """Check ``Generator``."""
    _check(answer, Plan("Generator", 4, (3, 16, 32, 64, 128, 256), (7, 7, 7, 7, 7, 7), shuffled=True))


def _check(answer: Answer, plan: Plan) -> None:
    network = answer.call(plan.name)
    if not isinstance(network, nn.Module):
        raise Mistake("not_module", line_of(answer[plan.name]), name=plan.name)
    network.eval()
    picture = torch.rand(1, 3, *_SIZE)
    with torch.no_grad(), Trace() as trace:
        try:
            output = answer.run(network, picture)
        except Mistake as mistake:
            _check_sizes(trace)  # the cause, if a sum of two sizes is what fails
            error = str(mistake.values.get("error"))
            if unfit := _UNFIT.search(error):
                raise Mistake("net.mismatch", mistake.line, wanted=unfit[1], got=unfit[2]) from mistake
            if unequal := _UNEQUAL.search(error):
                raise Mistake("net.sizes", mistake.line, one=unequal[1], other=unequal[2]) from mistake
            raise
    _check_sizes(trace)
    if not isinstance(output, Tensor):
        raise Mistake("returns", name=plan.name, got=type(output).__name__)
    wide = [op for op in trace.convolutions() if op.kernel > 1]
    last = [op for op in wide if op.channels[1] == 3]
    _check_enlargement(trace, plan, picture, output, wide)
    if plan.widths:
        _check_blocks(plan, wide)
    elif not last:
        raise Mistake("net.last_channels", got=wide[-1].channels[1] if wide else 0)
    inner = [op for op in wide if op not in last]
    _check_norms(trace, inner)
    _check_last(last[-1])
    _check_shortcuts(trace, inner)
    _check_skip(answer, network, plan, picture, last, trace.of(output).real())


def _check_sizes(trace: Trace) -> None:
    for op in trace.convolutions():
        before, after = op.before_padding[-2:], tuple(op.output.shape[-2:])
        if before != after:
            raise Mistake(
                "net.padding",
                kernel=op.kernel,
                before=f"{before[0]} x {before[1]}",
                after=f"{after[0]} x {after[1]}",
                padding=op.kernel // 2,
            )


def _check_enlargement(trace: Trace, plan: Plan, picture: Tensor, output: Tensor, wide: Sequence[Op]) -> None:
    height, width = picture.shape[-2:]
    if plan.shuffled and wide:
        if wide[0].before_padding[-2:] != (height, width):
            raise Mistake("net.at_high_resolution")
        path = trace.of(output).ancestors()
        shuffles = [op for op in path if op.name == "pixel_shuffle"]
        others = [op for op in path if op.name.startswith("upsample") and wide[0] in op.ancestors()]
        others += [op for op in path if op.name == "convolution" and op.args[6]]
        if others or (not shuffles and wide[-1].before_padding[-2:] == (height, width)):
            raise Mistake("net.no_pixel_shuffle")
    wanted = (1, 3, plan.scale * height, plan.scale * width)
    if tuple(output.shape) != wanted:
        raise Mistake("net.shape", name=plan.name, given=shape_of(picture), got=shape_of(output), expected=str(wanted))


def _check_blocks(plan: Plan, wide: Sequence[Op]) -> None:
    """Compare the convolutions with the plan; a block may have several of them."""
    rest = list(wide)
    blocks = [*zip(pairwise(plan.widths), plan.kernels, strict=False)]
    for number, ((inputs, outputs), kernel) in enumerate(blocks, 1):
        now = inputs
        while now != outputs or (rest and rest[0].channels == (outputs, outputs) and rest[0].kernel == kernel):
            if not rest:
                raise Mistake("net.block_missing", number=number, inputs=inputs, outputs=outputs, kernel=kernel)
            op = rest.pop(0)
            if op.kernel != kernel:
                raise Mistake("net.kernel", number=number, got=op.kernel, expected=kernel)
            if op.channels[0] != now or op.channels[1] not in (inputs, outputs):
                got = f"{op.channels[0]} -> {op.channels[1]}"
                raise Mistake("net.channels", number=number, got=got, inputs=inputs, outputs=outputs)
            now = op.channels[1]
    inputs = plan.widths[-1] // (plan.scale**2 if plan.shuffled else 1)
    if not rest:
        raise Mistake("net.last_missing", inputs=inputs, kernel=plan.kernels[-1])
    if len(rest) > 1 or rest[0].channels != (inputs, 3):
        got = ", ".join(f"{op.channels[0]} -> {op.channels[1]}" for op in rest)
        raise Mistake("net.last", got=got, inputs=inputs)
    if rest[0].kernel != plan.kernels[-1]:
        raise Mistake("net.last_kernel", got=rest[0].kernel, expected=plan.kernels[-1])


def _block(op: Op) -> str:
    return f"{op.channels[0]} -> {op.channels[1]}, {op.kernel} x {op.kernel}"


def _check_norms(trace: Trace, inner: Sequence[Op]) -> None:
    norms = [op for op in trace.ops if op.is_norm]
    for norm in norms:
        source = norm.inputs[0].real()
        if source.is_sum and any(user.is_activation for user in norm.real_users()):
            raise Mistake("net.norm_before_relu_sum")
        if source.is_convolution and source in inner:
            raise Mistake("net.norm_before_relu", block=_block(source))
    if not norms and inner:
        raise Mistake("net.no_norm")
    if sum(op.is_activation for op in trace.ops) < len(inner):
        raise Mistake("net.relu_missing", got=sum(op.is_activation for op in trace.ops), expected=len(inner))
    if len(norms) < len(inner):
        raise Mistake("net.norm_missing", got=len(norms), expected=len(inner))


def _check_last(last: Op) -> None:
    for user in last.real_users():
        if user.is_activation:
            raise Mistake("net.last_activation", got=user.name)
        if user.is_norm:
            raise Mistake("net.last_norm")


def _check_shortcuts(trace: Trace, inner: Sequence[Op]) -> None:
    """Every convolution of a block must be passed by: a sum has it on one side and not on the other."""
    # Sums of the last convolution with the enlarged picture pass everything by; they are no block's.
    sums = [op for op in trace.ops if op.is_sum and not any(_is_last(side) for side in op.inputs)]
    passed: set[Op] = set()
    for op in sums:
        one, other = (side.ancestors() for side in op.inputs)
        passed |= one ^ other
    for op in inner:
        if op not in passed:
            raise Mistake("net.no_shortcut", block=_block(op))


def _is_last(side: Op) -> bool:
    op = side.real()
    return op.is_convolution and op.channels[1] == 3


def _check_skip(answer: Answer, network: nn.Module, plan: Plan, picture: Tensor, last: Sequence[Op], end: Op) -> None:
    """With the last convolution at zero, the enlarged picture alone must be left."""
    kept = [(tensor, tensor.clone()) for op in last for tensor in (one.output for one in op.inputs[1:])]
    with torch.no_grad():
        for tensor, _ in kept:
            tensor.zero_()
        left = answer.run(network, picture)
        for tensor, values in kept:
            tensor.copy_(values)
    if not left.any():
        raise Mistake("net.no_skip")
    scale, half = plan.scale, plan.scale // 2
    wanted: list[tuple[str, Callable[[], Tensor]]] = [
        ("", lambda: _enlarged(picture, scale, "bilinear", True)),
        ("", lambda: _enlarged(_enlarged(picture, half, "bilinear", True), 2, "bilinear", True)),
        ("net.align_corners", lambda: _enlarged(picture, scale, "bilinear", False)),
        ("net.align_corners", lambda: _enlarged(_enlarged(picture, half, "bilinear", False), 2, "bilinear", False)),
        ("net.nearest", lambda: _enlarged(picture, scale, "nearest", None)),
        ("net.bicubic", lambda: _enlarged(picture, scale, "bicubic", True)),
        ("net.bicubic", lambda: _enlarged(picture, scale, "bicubic", False)),
    ]
    if end.is_activation:
        raise Mistake("net.after_sum", got=end.name)
    for key, enlarge in wanted:
        if torch.allclose(left, enlarge(), atol=1e-4):
            if key:
                raise Mistake(key)
            return
    raise Mistake("net.skip_otherwise")


def _enlarged(picture: Tensor, scale: int, mode: str, corners: bool | None) -> Tensor:
    return F.interpolate(picture, scale_factor=scale, mode=mode, align_corners=corners)
