"""A metric of the registry as a metric of torchmetrics: batch after batch, on several processes, in Lightning."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TypedDict, get_args

import torch
import torchmetrics
from torch import Tensor

from perceptualloss.errors import InputError, check_choice, check_idle, check_image_batch, check_same_shape
from perceptualloss.losses.mask import Masking
from perceptualloss.metrics import protocol as conventions
from perceptualloss.metrics.protocol import Convention, exact_for
from perceptualloss.metrics.registry import metric, metric_function, why_missing
from perceptualloss.pictures.ranges import (
    FAR,
    InputRange,
    check_input_range,
    check_values,
    range_bounds,
    to_unit_range,
)


class Settings(TypedDict, total=False):
    """What every class takes by keyword: see :class:`ImageMetric`, and ``torchmetrics.Metric`` from the fifth on."""

    protocol: str | Convention
    scale: int | None
    crop_border: int | None
    input_range: InputRange
    masking: Masking
    compute_on_cpu: bool
    dist_sync_on_step: bool
    process_group: Any
    dist_sync_fn: Callable[..., Any] | None
    distributed_available_fn: Callable[[], bool] | None
    sync_on_compute: bool
    compute_with_cache: bool


class ImageMetric(torchmetrics.Metric):
    r"""The mean of a metric over all pictures, :math:`\frac{1}{N}\sum_n m(\hat y_n, y_n)`, as a class of torchmetrics.

    - ``update(preds, target)`` takes two batches, (N, 3, H, W), of any number and, from call to call, of any size.
    - ``compute()`` gives the mean over pictures (not over batches), a scalar; NaN without a picture.
    - Calling the metric does both for one batch.

    It works in a ``MetricCollection`` and with ``self.log`` of a ``LightningModule``. Several processes add up their
    sums. Equal metrics of a collection are computed once. Values are clamped to [0, 1], as a saved picture's are. Sums
    are kept in 64 bits (32 on Apple's GPUs), whatever type a module is cast to. Pictures are checked at each update,
    which waits for a GPU. A network is shared by all metrics that look through it; it is in no ``parameters()`` or
    ``state_dict()``.

    Args:
        name: of :func:`list_metrics`, with parameters if you like (``"psnr:channel=y"``), or of your own
            (:func:`register_metric`).
        protocol: "course" (RGB in [0, 1], neither border nor rounding), "rgb" (RGB, 8 bits), "sr" (as super-resolution
            papers: luminance, 8 bits, without a border of ``scale`` pixels), or any :class:`Convention`. Networks see
            RGB in each. Rounding to 8 bits has a gradient of zero.
        scale: for "sr": how much larger than their inputs the pictures are.
        crop_border: another border than the protocol's, in pixels at each side.
        input_range: the range of both: (0, 1), (-1, 1), (0, 255), any pair, or "imagenet", as of losses.
        masking: what a mask at an update means, "area" or "exact" (see :class:`perceptualloss.losses.base.Loss`).
        options: the metric's parameters as values.
        settings: those of ``torchmetrics.Metric``, such as ``sync_on_compute``.

    Raises:
        InputError: for an unknown name, parameter or protocol, or weights that cannot be had; at an update, for
            pictures of another shape or range, or too small for this metric.

    >>> images = torch.full((2, 3, 16, 16), 0.5)
    >>> mean = ImageMetric("psnr")
    >>> mean.update(images + 0.1, images)
    >>> mean.compute()
    tensor(20.0000)
    """

    full_state_update = False
    is_differentiable: bool = False
    pictures: Tensor

    def __init__(
        self,
        name: str,
        *,
        protocol: str | Convention = "course",
        scale: int | None = None,
        crop_border: int | None = None,
        input_range: InputRange = (0.0, 1.0),
        masking: Masking = "area",
        options: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.name, self.options = name, dict(options or {})
        metric_function(name, **self.options)  # so that what is wrong shows here
        self.convention = _convention(protocol, scale, crop_border)
        self.input_range = check_input_range(input_range)
        check_choice("masking", masking, get_args(Masking))
        self.masking: Masking = masking
        # A collection takes metrics for one where names and values of their states are the same after the first batch,
        # as SSIM's and MS-SSIM's of equal pictures are. So the sum's name says all that the metric depends on.
        facts = f"{name} {sorted(self.options.items())} {self.convention} {self.input_range} {masking}"
        self._total = f"total_{hashlib.sha256(facts.encode()).hexdigest()[:16]}"
        self.add_state(self._total, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("pictures", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    @property
    def higher_is_better(self) -> bool:  # type: ignore[override]
        """Say which way the metric points."""
        return metric(self.name.partition(":")[0]).higher_is_better

    def update(self, preds: Tensor, target: Tensor, weight: Tensor | None = None) -> None:
        """Take a batch of pictures (N, 3, H, W), those that they should be, and a mask of both if there is one.

        A mask is (N, 1, H, W) or (1, 1, H, W) in [0, 1] and says how much each pixel counts in its picture; pictures
        count alike however much of them does.
        """
        check_image_batch("preds", preds)
        check_image_batch("target", target)
        check_same_shape("preds", preds, "target", target)
        low, high = range_bounds(self.input_range)
        check_values("target", target, low, high, finite=False)
        check_values("preds", preds, low, high, FAR, finite=False)
        output, original = to_unit_range(preds, self.input_range), to_unit_range(target, self.input_range)
        masking: Masking = "area" if weight is None else self.masking
        function = metric_function(self.name, **self.options)
        values = function.values(output, original, self.convention, weight=weight, masking=masking)
        total = getattr(self, self._total)
        setattr(self, self._total, total + values.to(total).sum())
        self.pictures = self.pictures + len(preds)

    def compute(self) -> Tensor:
        """Return the mean over all pictures since the last reset, a scalar."""
        mean: Tensor = getattr(self, self._total) / self.pictures
        return mean.float()

    def require(self) -> None:
        """Raise InputError, with how to get it, where this machine lacks what the metric needs."""
        if why := why_missing(self.name):
            raise InputError(f"what {metric(self.name).label} needs", "nothing of it", why)

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = ()) -> Self:
        """Follow to a device; the sum keeps the widest type there, for in 16 bits it would soon stand still."""
        super()._apply(fn, (*exclude_state, self._total))
        kind = exact_for(self.pictures)
        self._defaults[self._total] = torch.zeros((), dtype=kind, device=self.device)
        setattr(self, self._total, getattr(self, self._total).to(self.device, kind))
        return self


def _convention(protocol: str | Convention, scale: int | None, crop_border: int | None) -> Convention:
    if isinstance(protocol, Convention):
        unused = {"scale": scale, "crop_border": crop_border}
        check_idle(unused, dict.fromkeys(unused), "beside a Convention, which says it")
        return protocol
    convention = conventions.protocol(protocol, scale, crop_border)
    if protocol != "sr":
        check_idle({"scale": scale}, {"scale": None}, f"with the protocol {protocol}")
    return convention
