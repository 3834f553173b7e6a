from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from perceptualloss.errors import InputError
from perceptualloss.losses.perceptual import PerceptualLoss
from perceptualloss.losses.pixel import L1Loss
from perceptualloss.losses.style import StyleReconstructionLoss
from perceptualloss.losses.style_objective import (
    has_style_term,
    objective_note,
    saved_objective,
    saved_styles,
    style_objective,
    style_picture,
)
from perceptualloss.pictures.images import write_image
from perceptualloss.pictures.resize import resize

LAYERS = {"relu1_2": 2.0, "relu2_1": 3.0}
PERCEPTUAL: dict[str, Any] = {"network": "compact", "layers": {"relu2_1": 1.0}, "style_layers": LAYERS}


def pictures() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.rand(2, 3, 20, 24), torch.rand(2, 3, 20, 24), torch.rand(1, 3, 40, 32)


def test_it_is_the_loss_with_the_resized_style_in_it_and_strength_counts_for_style_alone() -> None:
    output, content, style = pictures()
    terms = style_objective({"PerceptualLoss": PERCEPTUAL, "L1Loss": 0.5}, style, 20, strength=4.0).terms(
        output, content
    )
    smaller = resize(style, 0.5).clamp(0, 1)
    by_hand = PerceptualLoss("compact", {"relu2_1": 1.0}, style_layers=LAYERS, style=smaller).terms(output, content)
    assert terms["feature"] == pytest.approx(float(by_hand["feature"]))
    for layer in LAYERS:
        assert terms[f"style/{layer}"] == pytest.approx(4 * float(by_hand[f"style/{layer}"]))
    assert terms["l1"] == pytest.approx(0.5 * float(L1Loss()(output, content)))


@pytest.mark.parametrize(
    "settings",
    [
        {"StyleReconstructionLoss": {"network": "compact", "layers": LAYERS, "weight": 3.0}},
        [{"StyleReconstructionLoss": {"network": "compact", "layers": LAYERS, "weight": 3.0}}],
        {"StyleReconstructionLoss": {"network": "compact", "layers": LAYERS}},
    ],
)
def test_a_style_term_alone(settings: Any) -> None:
    output, content, style = pictures()
    expected = StyleReconstructionLoss("compact", LAYERS, style=style)(output)
    value = style_objective(settings, style[0])(output, content)
    assert float(value) == pytest.approx(float(expected) * (3 if "weight" in str(settings) else 1))


def test_a_preset_takes_the_style() -> None:
    output, content, style = pictures()
    objective = style_objective({"johnson_style": {"network": "compact", "weights": None}}, style)
    assert set(objective.terms(output.repeat(1, 1, 2, 2), content.repeat(1, 1, 2, 2))) > {"feature", "style/relu4_3"}


def test_the_metadata_gives_the_same_objective(tmp_path: Path) -> None:
    output, content, style = pictures()
    file = tmp_path / "wave.png"
    write_image(style, file)
    settings = {"PerceptualLoss": PERCEPTUAL, "TotalVariationLoss": {"weight": 0.1, "kind": "squared"}}
    note = objective_note(settings, [file.stem], 20, 0.3)
    expected = style_objective(settings, file, 20, 0.3)(output, content)
    assert torch.equal(saved_objective(note, file)(output, content), expected)
    assert saved_styles(note) == ["wave"]
    assert saved_styles({"network": "Upscale2x"}) == []
    with pytest.raises(InputError, match="trained for a style"):
        saved_objective({"network": "Upscale2x"}, file)


def test_which_losses_want_a_style() -> None:
    assert has_style_term("johnson_style")
    assert has_style_term({"L1Loss": 1.0, "StyleReconstructionLoss": 2.0})
    assert has_style_term([{"PerceptualLoss": PERCEPTUAL}])
    for settings in (
        "perceptual",
        {"PerceptualLoss": {"layers": ["relu2_2"]}},
        {"PerceptualLoss": PERCEPTUAL | {"style": "wave.jpg"}},
        L1Loss(),
    ):
        assert not has_style_term(settings)


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        (L1Loss(), {}, "by names and options"),
        ({"L1Loss": 1.0}, {}, "a loss with a style term"),
        ({"PerceptualLoss": PERCEPTUAL}, {"strength": -1.0}, "style_strength"),
        ({"PerceptualLoss": PERCEPTUAL}, {"size": 0}, "style_size"),
        ({"PerceptualLoss": PERCEPTUAL, "L2Loss": 1.0}, {}, "Did you mean"),
    ],
)
def test_what_does_not_go_is_said(settings: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        style_objective(settings, torch.rand(3, 32, 32), **options)


def test_a_style_is_resized_by_its_longer_side() -> None:
    style = torch.rand(1, 3, 30, 50)
    assert style_picture(style, 25).shape == (1, 3, 15, 25)
    assert style_picture(style, 100).shape == (1, 3, 60, 100)
    assert torch.equal(style_picture(style[0]), style)
    with pytest.raises(InputError, match="no such file"):
        style_picture("none.png")
