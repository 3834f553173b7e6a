"""Style transfer by optimisation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from perceptualloss.apply.optimize_style import StyleOptimization, StyleProgress, objective_of, optimize_style
from perceptualloss.errors import InputError
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.style import StyleReconstructionLoss
from perceptualloss.losses.total_variation import total_variation

QUICK = StyleOptimization(
    content_layers={"relu2_1": 1.0},
    style_layers={"relu1_1": 10.0, "relu2_1": 10.0},
    content_distance="mse",
    style_distance="frobenius",
    steps=6,
    scales=1,
)


def pair(size: int = 32) -> tuple[Tensor, Tensor]:
    content = torch.linspace(0.1, 0.9, size).expand(1, 3, size, size).contiguous()
    style = torch.tensor([0.9, 0.5, 0.1]).view(1, 3, 1, 1) * torch.rand(1, 1, 40, 24)
    return content, style


def test_the_objective_is_features_and_grams_and_total_variation() -> None:
    content, style = pair()
    output = torch.rand(1, 3, 32, 32)
    settings = replace(QUICK, total_variation=3.0, style_scales=1)
    terms = objective_of(settings, style).terms(output, content)
    feature = FeatureReconstructionLoss("compact", settings.content_layers)(output, content)
    gram = StyleReconstructionLoss("compact", settings.style_layers)(output, style)
    expected = feature + gram + 3 * total_variation(output, "squared")[0]
    assert sum(terms.values()).item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_objective_falls_and_the_picture_stays_in_range() -> None:
    content, style = pair()
    found = optimize_style(content, style, QUICK)
    assert found.picture.shape == content.shape
    assert found.picture.min() >= 0
    assert found.picture.max() <= 1
    assert len(found.losses) == 1
    assert found.losses[0][-1] < 0.5 * found.losses[0][0]
    assert found.evaluations >= 7


def test_sizes_grow_and_progress_counts_over_all_of_them() -> None:
    content, style = pair(128)
    seen: list[StyleProgress] = []
    found = optimize_style(content, style, replace(QUICK, steps=1, scales=4, style_size=64), seen.append)
    # 16 and 32 pixels are too small
    assert [(s.scale, s.step.picture.shape[-1], s.done, s.total) for s in seen] == [
        *((0, 64, 0, 2), (0, 64, 1, 2), (1, 128, 1, 2), (1, 128, 2, 2))
    ]
    assert torch.equal(found.picture, seen[-1].step.picture)


def test_colours_are_kept_on_request() -> None:
    content, style = pair()
    content = content * torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1) + 0.2
    found = optimize_style(content, style, replace(QUICK, keep_colors=True)).picture
    inside = ((found > 0) & (found < 1)).all(dim=1)[0]
    for a, b in ((0, 1), (1, 2)):  # only the luminance moves, by as much in every channel
        moved, was = (x[0, a] - x[0, b] for x in (found, content))
        assert torch.allclose(moved[inside], was[inside], atol=1e-4)
    assert (found - content).abs().mean() > 0.01


def test_noise_repeats_itself_by_its_seed() -> None:
    content, style = pair()
    settings = replace(QUICK, start="noise", steps=2)
    first, again, other = (optimize_style(content, style, replace(settings, seed=seed)).picture for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": "photo"}, "start to be one of content, noise"),
        ({"scales": 0}, "scales to be at least 1"),
        ({"style_size": 3}, "style_size to be at least 64"),
        ({"loss_network": "compakt"}, "Did you mean 'compact'"),
        ({"style_layers": {"relu9_1": 1.0}}, "layer to be one of"),
        ({"total_variation": -1.0}, "total_variation"),
    ],
)
def test_errors_of_use(changes: dict[str, object], message: str) -> None:
    content, style = pair()
    with pytest.raises(InputError, match=message):
        optimize_style(content, style, replace(QUICK, **changes))  # type: ignore[arg-type]


def test_one_picture_each() -> None:
    content, style = pair()
    with pytest.raises(InputError, match="one content picture"):
        optimize_style(content.expand(2, -1, -1, -1), style, QUICK)
