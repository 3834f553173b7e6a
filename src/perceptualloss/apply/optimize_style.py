"""Style transfer for one picture by optimisation, without a network that was trained for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from torch import Tensor

from perceptualloss.apply.optimize_picture import Method, Space, Step, noise, optimize_picture
from perceptualloss.errors import InputError, check_choice, check_idle, check_image_batch
from perceptualloss.losses.base import Loss
from perceptualloss.losses.feature import Distance
from perceptualloss.losses.perceptual import PerceptualLoss
from perceptualloss.losses.style import StyleDistance
from perceptualloss.losses.style_objective import style_picture
from perceptualloss.losses.total_variation import TotalVariationLoss
from perceptualloss.pictures.color import keep_colors, luminance_like
from perceptualloss.pictures.ranges import check_values
from perceptualloss.pictures.resize import resize
from perceptualloss.vocabulary import renamed

Start = Literal["content", "noise"]
_SMALLEST = 64  # pixels of the short side of the coarsest scale


@renamed("StyleOptimization")
@dataclass(frozen=True)
class StyleOptimization:
    """Settings of :func:`optimize_style`.

    Attributes:
        loss_network: "compact" (ships with the package), "vgg16" or "vgg19".
        content_layers: layers whose features are to stay those of the content, with their weights.
        style_layers: layers whose Gram matrices are to become those of the style, with their weights.
        content_distance: how features are compared (see :class:`FeatureReconstructionLoss`).
        style_distance: how Gram matrices are compared (see :class:`StyleReconstructionLoss`).
        style_scales: at how many sizes of the pictures Gram matrices are compared (see :class:`PerceptualLoss`).
        total_variation: the weight of the total variation, the mean of squared differences, from 0.
        steps: iterations at each scale.
        method: "lbfgs" or "adam" (see :func:`optimize_picture`).
        learning_rate: of the method; None is its default.
        start: begin with the "content" or with "noise".
        scales: at how many sizes the picture is painted, one after the other. Each is twice as large as the one before;
            the last is the content's own. Sizes with a side below 64 pixels are left out.
        keep_colors: change only the luminance, and keep the content's colours (Gatys et al., "Preserving Color in
            Neural Artistic Style Transfer", 2016).
        style_size: the longer side of the style picture in pixels at the last scale, from 64; None is the content's.
        space: what is changed: "pixels", as in the papers, or "frequencies", which change colours and large areas
            sooner.
        seed: of the noise, if it starts with "noise".
    """

    loss_network: str = "compact"
    content_layers: Mapping[str, float] = field(default_factory=lambda: {"relu3_3": 0.2})
    style_layers: Mapping[str, float] = field(
        default_factory=lambda: dict.fromkeys(("relu1_2", "relu2_2", "relu3_3", "relu4_3"), 0.25)
    )
    content_distance: Distance = "relative"
    style_distance: StyleDistance = "relative"
    style_scales: int = 3
    total_variation: float = 1.0
    steps: int = 100
    method: Method = "lbfgs"
    learning_rate: float | None = None
    start: Start = "content"
    scales: int = 2
    keep_colors: bool = False
    style_size: int | None = None
    space: Space = "frequencies"
    seed: int = 0


@dataclass(frozen=True)
class StyleProgress:
    """Where :func:`optimize_style` stands.

    Attributes:
        step: the step of this scale; its picture has the size of the scale.
        scale: the number of the scale, from 0.
        scales: how many scales there are.
        done: steps that were taken, over all scales.
        total: steps that there are at most, over all scales.
    """

    step: Step
    scale: int
    scales: int
    done: int
    total: int


@dataclass(frozen=True)
class StyleOptimized:
    """What :func:`optimize_style` made.

    Attributes:
        picture: (1, 3, H, W) in [0, 1].
        losses: for each scale, the loss at the start and after each step.
        evaluations: how often the loss and its gradient were computed, over all scales.
        seconds: how long that took.
    """

    picture: Tensor
    losses: tuple[tuple[float, ...], ...]
    evaluations: int
    seconds: float


def objective_of(settings: StyleOptimization, style: Tensor) -> Loss:
    """Return the loss, features + style + total variation. The Gram matrices of the style are computed once.

    Args:
        settings: layers, distances and weights.
        style: (1, 3, h, w) in [0, 1].
    """
    perceptual = PerceptualLoss(
        settings.loss_network,
        settings.content_layers,
        settings.content_distance,
        settings.style_layers,
        settings.style_distance,
        style,
        style_scales=settings.style_scales,
    )
    if not settings.total_variation:
        return perceptual
    return perceptual + settings.total_variation * TotalVariationLoss("squared")


def optimize_style(
    content: Tensor,
    style: Tensor,
    settings: StyleOptimization | None = None,
    progress: Callable[[StyleProgress], None] | None = None,
) -> StyleOptimized:
    r"""Paint ``content`` in the manner of ``style``, by changing the pixels of one picture.

    .. math:: \min_x \ell_{content}(x, c) + \ell_{style}(x, s) + \lambda\, TV(x)

    c is the content and s the style. The first term keeps the features of the content, the second one brings the Gram
    matrices to those of the style, and the total variation keeps noise down. The training of a style network minimises
    the same sum over many photos; here it is minimised for this picture alone.

    By default the distances are relative. So weights mean the same for any painting and any loss network.

    Args:
        content: the photo, (1, 3, H, W) in [0, 1].
        style: the painting, (1, 3, h, w) in [0, 1], of any size.
        settings: see :class:`StyleOptimization`; None is its defaults.
        progress: is called with every step, such as for a bar or for pictures on the way.

    Returns:
        The picture, in the size of the content, and the course of the loss.

    Raises:
        InputError: for pictures or settings that cannot be used.

    Source: Gatys et al., CVPR 2016; several scales after Gatys et al., CVPR 2017.

    >>> import torch
    >>> content, style = torch.rand(2, 1, 3, 32, 32)
    >>> optimize_style(content, style, StyleOptimization(steps=1, scales=1)).picture.shape
    torch.Size([1, 3, 32, 32])
    """
    settings = settings or StyleOptimization()
    _check(content, style, settings)
    shown, manner = content.clamp(0, 1), style.clamp(0, 1)
    if settings.keep_colors:
        shown, manner = luminance_like(shown, shown), luminance_like(manner, shown)
    sizes = _sizes(content, settings.scales)
    picture = _start(shown, sizes[0], settings)
    losses: list[tuple[float, ...]] = []
    evaluations, seconds = 0, 0.0
    for number, size in enumerate(sizes):
        target = resize(shown, size=size).clamp(0, 1)
        long = round((settings.style_size or max(content.shape[-2:])) * max(size) / max(sizes[-1]))
        loss = objective_of(settings, style_picture(manner, long)).to(content.device)
        watch = _over_scales(progress, number, len(sizes), settings.steps) if progress else None
        optimized = optimize_picture(
            lambda x, loss=loss, target=target: loss.terms(x, target),  # type: ignore[misc]
            resize(picture, size=size),
            settings.steps,
            settings.method,
            settings.learning_rate,
            settings.space,
            watch,
        )
        picture = optimized.picture
        losses.append(optimized.losses)
        evaluations, seconds = evaluations + optimized.evaluations[-1], seconds + optimized.seconds[-1]
    if settings.keep_colors:
        picture = keep_colors(picture, content)
    return StyleOptimized(picture, tuple(losses), evaluations, seconds)


def _over_scales(
    progress: Callable[[StyleProgress], None], scale: int, scales: int, steps: int
) -> Callable[[Step], None]:
    def tell(step: Step) -> None:
        progress(StyleProgress(step, scale, scales, scale * steps + step.number, scales * steps))

    return tell


def _sizes(content: Tensor, scales: int) -> list[tuple[int, int]]:
    """Return (height, width) of each scale, from coarse to fine, without those that have a side below 64 pixels."""
    height, width = content.shape[-2:]
    sizes = [(round(height / 2**n), round(width / 2**n)) for n in reversed(range(scales))]
    return [size for size in sizes[:-1] if min(size) >= _SMALLEST] + sizes[-1:]


def _start(content: Tensor, size: tuple[int, int], settings: StyleOptimization) -> Tensor:
    if settings.start == "content":
        return resize(content, size=size)
    return noise(size, settings.seed, settings.space).to(content)


def _check(content: Tensor, style: Tensor, settings: StyleOptimization) -> None:
    for name, picture in (("content", content), ("style", style)):
        check_image_batch(name, picture)
        check_values(name, picture, 0, 1, setting="")
        if len(picture) != 1:
            raise InputError(f"one {name} picture, (1, 3, H, W)", str(tuple(picture.shape)), "Give one at a time.")
    check_choice("start", settings.start, get_args(Start))
    if settings.start == "content":
        check_idle({"seed": settings.seed}, {"seed": 0}, "with start 'content'")
    if not settings.total_variation >= 0:
        raise InputError("total_variation to be at least 0", f"{settings.total_variation:g}")
    if settings.scales < 1:
        raise InputError("scales to be at least 1", str(settings.scales))
    if settings.style_size is not None and settings.style_size < _SMALLEST:
        raise InputError(f"style_size to be at least {_SMALLEST}", str(settings.style_size))
