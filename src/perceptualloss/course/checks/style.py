"""Chapter 8: Gram matrices divided by their number of values, one a picture, and the distance between them."""

from __future__ import annotations

import torch
from torch import Tensor

from perceptualloss.course.answer import Answer, Mistake
from perceptualloss.course.checks.values import about, number_of, shape_of
from perceptualloss.course.stand_in import StandIns


def check_style(answer: Answer, told: StandIns) -> None:
    """Check ``gram_matrix`` and ``style_loss``."""
    _check_gram(answer)
    _check_loss(answer)


def _gram(features: Tensor) -> Tensor:
    rows = features.flatten(2)
    return rows @ rows.transpose(1, 2) / features[0].numel()


def _check_gram(answer: Answer) -> None:
    features = torch.rand(2, 3, 4, 5)
    n, c, h, w = features.shape
    found, wanted = answer.call("gram_matrix", features), _gram(features)
    if not isinstance(found, Tensor):
        raise Mistake("returns", name="gram_matrix", got=type(found).__name__)
    shapes = {(n * c, n * c): "gram.batch", (c, c): "gram.batch", (n, h * w, h * w): "gram.positions"}
    if found.shape != wanted.shape:
        raise Mistake(shapes.get(tuple(found.shape), "gram.shape"), got=shape_of(found), expected=shape_of(wanted))
    if torch.allclose(found, wanted, rtol=1e-4):
        return
    ratio = found / wanted
    if float(ratio.std() / ratio.mean().abs()) < 1e-4:
        factor = float(ratio.mean())
        by = {c * h * w: "1", c: "H * W", h * w: "C", 1 / n: "N * C * H * W", c * h * w / n: "N"}
        got = next((name for value, name in by.items() if about(factor, value)), "")
        key = "gram.not_divided" if got == "1" else "gram.divided" if got else "gram.factor"
        raise Mistake(key, got=got or f"{factor:.3g}")
    centred = features - features.mean((2, 3), keepdim=True)
    if torch.allclose(found, _gram(centred), rtol=1e-3, atol=1e-6):
        raise Mistake("gram.centred")
    raise Mistake("gram.value")


def _check_loss(answer: Answer) -> None:
    output = [torch.rand(2, 3, 4, 5).requires_grad_(), torch.rand(2, 5, 2, 3).requires_grad_()]
    target = [torch.rand(2, 3, 4, 5), torch.rand(2, 5, 2, 3)]
    value = answer.call("style_loss", output, target)
    found = number_of(value, "loss", "style_loss")
    layers = [(_gram(a) - _gram(b)).detach() for a, b in zip(output, target, strict=True)]
    sums = torch.stack([part.square().sum((1, 2)).mean() for part in layers])
    wanted = float(sums.sum())
    content = [(a - b).detach() for a, b in zip(output, target, strict=True)]
    known: dict[str, list[float]] = {
        "style.mean": [float(sum(part.square().mean() for part in layers))],
        "style.batch_sum": [2 * wanted],
        "style.layer_mean": [wanted / 2],
        "style.one_layer": [float(one) for one in sums],
        "style.not_squared": [
            float(sum(part.square().sum((1, 2)).sqrt().mean() for part in layers)),
            float(sum(part.square().sum().sqrt() for part in layers)),
        ],
        "style.absolute": [
            float(sum(part.abs().sum((1, 2)).mean() for part in layers)),
            float(sum(part.abs().mean() for part in layers)),
        ],
        "style.content": [
            float(sum(measure(part) for part in content))
            for measure in (_mean_square, _sum_square, lambda part: part.abs().mean())
        ],
    }
    if not about(found, wanted):
        key = next((key for key, values in known.items() if any(about(found, one) for one in values)), None)
        key = key or ("style.content" if _sees_places(answer, output) else "style.value")
        raise Mistake(key, got=f"{found:.4g}", expected=f"{wanted:.4g}")
    if not isinstance(value, Tensor) or not value.requires_grad:
        raise Mistake("style.no_gradient")
    other = [torch.rand(2, 3, 6, 2), torch.rand(2, 5, 4, 4)]
    found = number_of(answer.call("style_loss", output, other), "loss", "style_loss")
    grams = [(_gram(a) - _gram(b)).detach() for a, b in zip(output, other, strict=True)]
    if not about(found, float(sum(part.square().sum((1, 2)).mean() for part in grams))):
        raise Mistake("style.sizes")


def _sees_places(answer: Answer, output: list[Tensor]) -> bool:
    """Whether features count as other ones when their places change, of which a style knows nothing."""
    turned = [features.detach().flip(2, 3) for features in output]
    value = answer.call("style_loss", [features.detach() for features in output], turned)
    return number_of(value, "loss", "style_loss") > 1e-6


def _mean_square(part: Tensor) -> Tensor:
    return part.square().mean()


def _sum_square(part: Tensor) -> Tensor:
    return part.square().sum((1, 2, 3)).mean()
