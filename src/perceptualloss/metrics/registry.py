"""The one registry of metrics, by name with parameters: ``psnr``, ``psnr:channel=y``, ``lpips-alex:weights=FILE``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar, get_args

import torch
from torch import Tensor

from perceptualloss import registry as registries
from perceptualloss.errors import InputError, check_choice
from perceptualloss.losses.mask import Mask, Masking
from perceptualloss.metrics.builtin import ENTRIES
from perceptualloss.metrics.metric import Against, Entry, Metric, Report, plain
from perceptualloss.metrics.protocol import Convention, measured_mask
from perceptualloss.pictures.ranges import check_pair

_ENTRIES = {entry.metric.key: entry for entry in ENTRIES}
FUNCTIONS: dict[str, Callable[..., Any]] = {key: entry.build for key, entry in _ENTRIES.items()}
"""By name: what builds a metric of this package, or the user's own function."""
_CHANNELS = {"convention": "", "rgb": "RGB", "y": "Y"}
Function = TypeVar("Function", bound=Callable[..., Tensor])

_KINDS = {int: "a whole number", float: "a number", bool: "true or false"}
_BOOLS = {"true": True, "false": False}


@dataclass(frozen=True)
class MetricFunction:
    """A metric that was chosen by name: a function of output and target that gives one value per picture.

    ``by_pixels`` says whether it sees the convention's pixels (perhaps luminance) or, as networks do, RGB;
    ``bytes_per_pixel`` about how much memory it takes; ``masks`` whether it takes a mask; ``one_by_one`` whether it
    takes pictures one after the other, and without PyTorch's threads, so that several can be measured at once.
    """

    metric: Metric
    against: Against
    by_pixels: bool
    y_channel: bool | None = None
    bytes_per_pixel: int = 0
    masks: bool = False
    one_by_one: bool = False

    def view(self, images: Tensor, convention: Convention, grey: bool = False) -> Tensor:
        """Return what of the pictures (N, 3, H, W) in [0, 1] this metric compares."""
        if not self.by_pixels:
            return convention.picture(images)
        return convention.pixels(images, grey, self.y_channel)

    def values(
        self,
        output: Tensor,
        target: Tensor,
        convention: Convention,
        grey: bool = False,
        weight: Tensor | None = None,
        masking: Masking = "area",
    ) -> Tensor:
        """Return the value of each picture, (N,), without a look at their range; with a gradient where there is one.

        Args:
            output: pictures (N, 3, H, W) in [0, 1].
            target: as ``output``.
            convention: what of them is measured.
            grey: see :meth:`Convention.pixels`.
            weight: a mask, (N, 1, H, W) or (1, 1, H, W) in [0, 1].
            masking: "area" or "exact".
        """
        return self.beside(target, convention, grey, weight, masking)(output)

    def beside(
        self,
        target: Tensor,
        convention: Convention,
        grey: bool = False,
        weight: Tensor | None = None,
        masking: Masking = "area",
    ) -> Callable[[Tensor], Tensor]:
        """Return :meth:`values` of one target as a function of the output; the target is looked at once."""
        y = self.view(target, convention, grey)
        compare = self.between(y, self.mask_of(weight, target, y, convention, masking))
        return lambda output: compare(self.view(output, convention, grey))

    def mask_of(
        self, weight: Tensor | None, target: Tensor, y: Tensor, convention: Convention, masking: Masking
    ) -> Mask | None:
        """Return which pixels of ``y``, the view of a target, count; raise InputError if this metric takes no mask."""
        self.check_masks(weight is not None)
        return measured_mask(weight, target, y, convention.crop_border, masking)

    def between(self, y: Tensor, mask: Mask | None) -> Callable[[Tensor], Tensor]:
        """Return the values of outputs beside a target as a function of their views (see :meth:`view`)."""
        if mask is None:
            return self.against(y)
        masked = self.against(mask.shown(y, (0.0, 1.0)))
        return lambda x: masked(mask.shown(x, (0.0, 1.0)), mask)

    def check_masks(self, wanted: bool = True) -> None:
        """Raise InputError if a mask is wanted and this metric takes none."""
        if wanted and not self.masks:
            raise InputError("metrics that take a mask", self.metric.label, "Leave it out, or measure without masks.")

    def __call__(
        self,
        output: Tensor,
        target: Tensor,
        convention: Convention,
        grey: bool = False,
        weight: Tensor | None = None,
        masking: Masking = "area",
    ) -> Tensor:
        """Return the value of each picture, (N,) (see :meth:`values`).

        Raises:
            InputError: Pictures too small for this metric, or of another range; a mask that it does not take.
        """
        check_pair(output, target)
        with torch.inference_mode():
            return self.values(output, target, convention, grey, weight, masking)


def list_metrics(report: Report | None = None) -> tuple[str, ...]:
    """Return the names of all metrics, or of those that a report shows unless others are chosen.

    Args:
        report: "sr", "course" or "rgb" (protocols of ``evaluate``), "comparison", or "yardsticks": those that were
            made outside this package, and come with the extra ``metrics``.

    >>> list_metrics("yardsticks")
    ('st_lpips_alex', 'st_lpips_vgg', 'ssimulacra2')
    """
    if report is not None:
        check_choice("report", report, get_args(Report))
    return tuple(key for key, entry in _ENTRIES.items() if report is None or report in entry.reports)


def curves() -> dict[str, str]:
    """Return what every validation measures, with what it is logged as, such as ``{"psnr": "PSNR"}``."""
    return {key: entry.curve for key, entry in _ENTRIES.items() if entry.curve}


def metric(name: str) -> Metric:
    """Return what a metric of :func:`list_metrics` is called and which way it points."""
    return _entry(name).metric


def why_missing(name: str) -> str:
    """Return why a metric cannot be had on this machine, and how it can; nothing where it can be had."""
    return _entry(name).missing()


def at_hand(report: Report) -> tuple[list[str], dict[str, str]]:
    """Return the metrics that a report shows, and why some of them cannot be had, by their names."""
    missing = {name: why for name in list_metrics(report) if (why := why_missing(name))}
    return [name for name in list_metrics(report) if name not in missing], missing


def metric_function(spec: str, **parameters: Any) -> MetricFunction:
    """Return the metric of a name with parameters: ``NAME[:PARAMETER=VALUE,...]``.

    Names are those of :func:`list_metrics`. Metrics of pixels have the parameter ``channel`` (rgb or y, against the
    convention); docs/evaluating.md lists all others.

    Args:
        spec: the name, with parameters as text.
        parameters: parameters as values.

    Raises:
        InputError: An unknown name or parameter, a value of another kind, or weights or a package that cannot be had.

    >>> white, grey = torch.ones(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.9)
    >>> metric_function("psnr")(grey, white, Convention(eight_bits=False))
    tensor([20.0000], dtype=torch.float64)
    """
    name, _, text = spec.partition(":")
    entry = _entry(name)
    usual = {**entry.parameters, **({"channel": "convention"} if entry.by_pixels else {})}
    given = usual | _parse(name, text, usual) | parameters
    for parameter in given:
        check_choice(f"parameter of {name}", parameter, usual)
    channel = check_choice(f"channel of {name}", given.pop("channel", "convention"), _CHANNELS)
    against = entry.build(**given)
    unusual = [key for key, value in given.items() if value != usual[key]]
    words = [entry.parameter_words[key].format(given[key]) for key in unusual if key in entry.parameter_words]
    details = ", ".join(word for word in (*words, _CHANNELS[channel]) if word)
    facts = replace(entry.metric, key=spec, label=f"{entry.metric.label} {details}".rstrip())
    y_channel = None if channel == "convention" else channel == "y"
    one_by_one = entry.by_pixels or entry.one_by_one
    return MetricFunction(facts, against, entry.by_pixels, y_channel, entry.bytes_per_pixel, entry.masks, one_by_one)


def register_metric(
    name: str,
    *,
    label: str,
    higher_is_better: bool,
    note: str = "",
    unit: str = "",
    digits: int | None = None,
    by_pixels: bool = True,
    bytes_per_pixel: int = 0,
    parameter_words: Mapping[str, str] | None = None,
    missing: Callable[[], str] = lambda: "",
    reports: tuple[Report, ...] = (),
    curve: str = "",
) -> Callable[[Function], Function]:
    """Enter the function below as a metric: a name like any other, for ``evaluate``, ``ImageMetric`` and reports.

    The function takes output and target, leaves them as they are, and gives one value per picture, (N,). Its keyword
    parameters with a default (a text, a number, true or false) are the metric's: ``NAME:PARAMETER=VALUE``. Defined
    again, as when a notebook's cell runs twice, it takes the place of the former one.

    Args:
        name: letters, digits and ``_``.
        label: what tables call it.
        higher_is_better: which way it points.
        note: explains it in one plain sentence.
        unit: may be empty.
        digits: decimals that are shown; by default 2 of decibels, else 4.
        by_pixels: whether the function gets what the protocol compares, (N, 3, H, W) or luminance (N, 1, H, W), in
            float64 (float32 on Apple's GPUs); else it gets RGB, (N, 3, H, W), in the pictures' type. All in [0, 1].
        bytes_per_pixel: about how much memory it takes, so that ``evaluate`` refuses pictures that would not fit.
        parameter_words: what a label says of a parameter that is not as usual, such as ``{"max": "with MAX {:g}"}``.
        missing: says why it cannot be had on this machine and how it can, or "".
        reports: where it is reported without being asked for (see :func:`list_metrics`).
        curve: what validations log it as; they leave it out without.

    Raises:
        InputError: A name or curve that is taken, a name that is none, an unknown report, or a parameter without a
            default.

    >>> @register_metric("mae", label="mean absolute error", higher_is_better=False)
    ... def mae(output: Tensor, target: Tensor) -> Tensor:
    ...     return (output - target).abs().mean(dim=(1, 2, 3))
    >>> metric_function("mae")(torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8), Convention()).item()
    1.0
    >>> del _ENTRIES["mae"], FUNCTIONS["mae"]
    """

    def register(function: Function) -> Function:
        parameters = _parameters_of(name, function)
        for report in reports:
            check_choice("report", report, get_args(Report))
        if curve in {other for key, other in curves().items() if key != name}:
            raise InputError(f"a curve of its own for {name}", repr(curve), "Another metric is logged as that.")
        registries.enter(FUNCTIONS, function, name)
        _ENTRIES[name] = Entry(
            Metric(name, label, unit, higher_is_better, note, digits),
            partial(_build, name, function),
            by_pixels,
            bytes_per_pixel,
            parameters,
            parameter_words or {},
            missing,
            reports=reports,
            curve=curve,
        )
        return function

    return register


def _entry(name: str) -> Entry:
    remedy = "One of your own is known after perceptualloss.register_metric."
    return _ENTRIES[check_choice("metric", name, _ENTRIES, remedy)]


def _parse(name: str, text: str, usual: Mapping[str, Any]) -> dict[str, Any]:
    """Read ``a=1,b=2``, each as what the parameter usually is."""
    given: dict[str, Any] = {}
    for part in text.split(",") if text else []:
        key, equals, value = part.partition("=")
        if not equals or not usual:
            raise InputError(f"{name}:PARAMETER=VALUE" if usual else f"{name} without parameters", repr(part))
        kind = type(usual[check_choice(f"parameter of {name}", key, usual)])
        try:
            given[key] = _BOOLS[value.lower()] if kind is bool else kind(value)
        except (ValueError, KeyError) as error:
            raise InputError(f"{key} of {name} to be {_KINDS[kind]}", repr(value)) from error
    return given


def _parameters_of(name: str, function: Callable[..., Tensor]) -> dict[str, Any]:
    """Return the parameters of a function beyond output and target, with their defaults."""
    parameters = list(inspect.signature(function).parameters.values())[2:]
    for parameter in parameters:
        if parameter.name == "channel":
            raise InputError(f"{name} without a parameter channel", str(parameter), "It is a word of the registry.")
        if type(parameter.default) not in (str, *_KINDS):
            remedy = "Give the parameter a default that is a text, a number, True or False."
            raise InputError(f"{name}'s parameter {parameter.name} with a default", str(parameter), remedy)
    return {parameter.name: parameter.default for parameter in parameters}


def _build(name: str, function: Callable[..., Tensor], **parameters: Any) -> Against:
    """Return a user's function with its parameters; what it gives is checked, for a mean would pass unnoticed."""

    def checked(output: Tensor, target: Tensor) -> Tensor:
        values = function(output, target, **parameters)
        if not isinstance(values, Tensor) or values.shape != (len(output),):
            got = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
            raise InputError(f"metric {name} to give one value per picture, ({len(output)},)", got)
        return values

    return plain(checked)
