"""Which pixels the positions of a layer see, for chains of convolutions and pools, where it can be told exactly."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.squeezenet import Fire

from perceptualloss.features.modules import Averages, FactorisedConv2d, HeadedConv2d


def touched(
    modules: Sequence[nn.Module], names: Sequence[str], marks: Tensor, layers: Collection[str]
) -> dict[str, Tensor]:
    """Return which positions of some layers see a marked pixel, (N, 1, h, w) each, 1 or 0.

    What a module pads with at the border of a picture is no pixel; where it repeats or mirrors pixels, those count.

    Args:
        modules: convolutions, ReLUs, pools and fire modules in the order in which they run.
        names: their names.
        marks: (N, 1, H, W), 1 at the marked pixels and 0 elsewhere.
        layers: names of those that are asked for.

    >>> marks = F.pad(marks_of_one := Tensor([[[[1.0]]]]), (0, 4))
    >>> touched([nn.Conv2d(3, 8, 3, padding=1)], ["conv1_1"], marks, ["conv1_1"])["conv1_1"]
    tensor([[[[1., 1., 0., 0., 0.]]]])
    """
    found: dict[str, Tensor] = {}
    for name, module in zip(names, modules, strict=True):
        marks = touched_by(module, marks)
        if name in layers:
            found[name] = marks
    return found


def touched_by(module: nn.Module, marks: Tensor) -> Tensor:
    """Return which positions that a module gives see a marked one (see :func:`touched`)."""
    module = _filter_of(module)
    if isinstance(module, nn.Conv2d):
        around = module._reversed_padding_repeated_twice
        mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
        padded = F.pad(marks, around, mode=mode) if any(around) else marks
        return F.max_pool2d(padded, module.kernel_size, module.stride, 0, module.dilation)
    if isinstance(module, Fire):
        return F.max_pool2d(marks, 3, 1, 1)
    if isinstance(module, nn.MaxPool2d):
        marked: Tensor = module(marks)
        return marked
    if isinstance(module, nn.AvgPool2d | Averages):
        averaged: Tensor = module(marks)
        return (averaged > 0).to(marks.dtype)
    return marks


def reach(modules: Iterable[nn.Module]) -> int:
    """Return the height and width in pixels of what a position behind the last module sees.

    >>> reach([nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3)])
    8
    """
    side, step = 1, 1
    for module in map(_filter_of, modules):
        size, stride = _window(module)
        side, step = side + (size - 1) * step, step * stride
    return side


def margins(modules: Iterable[nn.Module]) -> tuple[int, int, int]:
    """Return how many inputs before and behind those under it a position of the last module sees, and the step.

    Position i lies over the inputs from i times the step on, as many as the step, but for its margins.

    >>> margins([nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3)])
    (1, 5, 2)
    """
    before, step, chain = 0, 1, list(modules)
    for module in map(_filter_of, chain):
        before, step = before + _padding(module) * step, step * _window(module)[1]
    return before, max(0, reach(chain) - before - step), step


def fits_tiles(module: nn.Module) -> bool:
    """Return whether a module sees as far in rows as in columns and not around the edge, as :func:`margins` counts.

    >>> fits_tiles(nn.Conv2d(3, 8, 3, padding=1)), fits_tiles(nn.Conv2d(3, 8, (3, 5)))
    (True, False)
    """
    module = _filter_of(module)
    if isinstance(module, nn.Conv2d):
        around = module._reversed_padding_repeated_twice
        pairs = (module.kernel_size, module.stride, module.dilation, around[::2], around[1::2])
        return module.padding_mode != "circular" and all(len({*pair}) == 1 for pair in pairs)
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        values = (module.kernel_size, module.stride, module.padding)
        even = all(isinstance(value, int) or len({*value}) == 1 for value in values)
        return even and getattr(module, "dilation", 1) in (1, (1, 1))
    return True


def _padding(module: nn.Module) -> int:
    """Return how many positions before its own a module's window begins."""
    if isinstance(module, nn.Conv2d):
        return int(module._reversed_padding_repeated_twice[0])
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        return int(module.padding if isinstance(module.padding, int) else module.padding[0])
    return int(isinstance(module, Averages | Fire))


def _filter_of(module: nn.Module) -> nn.Module:
    """Return what of a module looks at more than one position."""
    return module.conv if isinstance(module, HeadedConv2d | FactorisedConv2d) else module


def _window(module: nn.Module) -> tuple[int, int]:
    """Return the side of the window that a module looks through, and its step."""
    if isinstance(module, nn.Conv2d):
        return (module.kernel_size[0] - 1) * module.dilation[0] + 1, module.stride[0]
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        return tuple(value if isinstance(value, int) else value[0] for value in (module.kernel_size, module.stride))  # type: ignore[return-value]
    if isinstance(module, Averages):
        return module.window
    return (3, 1) if isinstance(module, Fire) else (1, 1)
