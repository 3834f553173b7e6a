"""The metrics that every validation and comparison measures, those that are at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

import torch
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.losses.mask import Masking, check_mask_shape
from perceptualloss.metrics.protocol import Convention
from perceptualloss.metrics.registry import curves, list_metrics, metric_function, why_missing
from perceptualloss.pictures.ranges import check_values

_EXACT = Convention(eight_bits=False)


def measure(
    output: Tensor, target: Tensor, weight: Tensor | None = None, masking: Masking = "area"
) -> dict[str, Tensor]:
    """Return what every validation measures (see :func:`curves`), each (N,), where it is at hand.

    ``output`` is clamped to [0, 1] as a saved picture would be. RGB without rounding. Nothing is downloaded, and a
    damaged file of weights is warned of once. Metrics from outside are left out: these three would take ten times as
    long as everything else together. Under a mask (``weight``), what finds nothing that counts is left out, too.
    """
    if weight is None:
        return _measure({"": output}, target, curves())[""]
    return _measure_masked(output, target, weight, masking)


def measure_all(outputs: Mapping[str, Tensor], target: Tensor) -> dict[str, dict[str, Tensor]]:
    """Return what validations and comparisons measure of several outputs for one target, by output and name, (N,)."""
    reported = {*curves(), *list_metrics("comparison")}
    return _measure(outputs, target, [name for name in list_metrics() if name in reported])


@torch.no_grad()
def _measure_masked(output: Tensor, target: Tensor, weight: Tensor, masking: Masking) -> dict[str, Tensor]:
    check_values("target", target, 0, 1, setting="", finite=False)
    check_mask_shape(weight, output)
    values: dict[str, Tensor] = {}
    for name in curves():
        function = metric_function(name) if not why_missing(name) else None
        if function is not None and function.masks:
            with suppress(InputError):  # such as no window of SSIM that counts
                found = function.values(output.float(), target, _EXACT, weight=weight, masking=masking)
                values[name] = found.float()
    return values


@torch.no_grad()
def _measure(outputs: Mapping[str, Tensor], target: Tensor, names: Iterable[str]) -> dict[str, dict[str, Tensor]]:
    check_values("target", target, 0, 1, setting="", finite=False)
    values: dict[str, dict[str, Tensor]] = {output: {} for output in outputs}
    for name in names:
        if why_missing(name):
            continue
        function = metric_function(name)
        distance = function.against(function.view(target, _EXACT))
        for output, pictures in outputs.items():
            values[output][name] = distance(function.view(pictures.float(), _EXACT)).float()
    return values
