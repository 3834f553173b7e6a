"""Losses of one's own by name, and what every registered loss is listed by."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from perceptualloss import Loss, build_loss, loss_from_settings, register_loss
from perceptualloss.errors import InputError
from perceptualloss.losses.pixel import L1Loss, MSELoss
from perceptualloss.losses.registry import LOSSES, described, options_of
from perceptualloss.losses.style import StyleReconstructionLoss
from perceptualloss.losses.style_objective import has_style_term, style_objective
from perceptualloss.studies.compare.compare import compare
from perceptualloss.studies.compare.settings import Settings
from perceptualloss.training.recipe_settings import check_settings, trust


@pytest.fixture(autouse=True)
def _registry_as_it_was() -> Iterator[None]:
    before = dict(LOSSES)
    yield
    LOSSES.clear()
    LOSSES.update(before)


class RedLoss(Loss):
    """The error of :math:`r`, times a ``factor``."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor

    def _per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"red": self.factor * (output[:, 0] - target[:, 0]).abs().mean(dim=(1, 2))}


def mixed(share: float = 0.5) -> Loss:
    return share * L1Loss() + (1 - share) * MSELoss()


def test_a_class_and_a_function_are_known_everywhere() -> None:
    output, target = torch.rand(2, 3, 3, 16, 16).unbind(0)
    for name in ("RedLoss", "mixed", "redder"):
        with pytest.raises(InputError, match="loss to be one of"):
            build_loss(name)
        with pytest.raises(InputError, match="loss to be one of"):
            check_settings({"loss": name})
    assert register_loss(RedLoss) is RedLoss
    assert register_loss(mixed) is mixed
    register_loss(RedLoss, "redder")
    red = (output[:, 0] - target[:, 0]).abs().mean()
    torch.testing.assert_close(build_loss("redder", factor=2.0)(output, target), 2 * red)
    torch.testing.assert_close(build_loss("RedLoss", reduction="sum")(output, target), 3 * red)
    written = {"RedLoss": {"factor": 3, "weight": 2.0}, "mixed": {"share": 1.0}}
    check_settings({"loss": written})
    expected = 6 * red + L1Loss()(output, target)
    torch.testing.assert_close(loss_from_settings(written)(output, target), expected)
    assert build_loss("mixed", reduction="none")(output, target).shape == (3,)
    check_settings({"loss": {"class_path": "redder", "init_args": {"factor": 2}}})
    for wrong, message in (({"factr": 2}, "Did you mean 'factor'"), ({"factor": "much"}, "to be a number")):
        with pytest.raises(InputError, match=message):
            check_settings({"loss": {"RedLoss": wrong}})
    with pytest.raises(InputError, match=r"takes network \(.*FeatureReconstructionLoss.*Leave network away"):
        build_loss("RedLoss", "compact")


def test_it_is_compared(small_photos: Path, tmp_path: Path) -> None:
    register_loss(RedLoss)
    options = {"photos": small_photos, "validation": 1, "crop": 16, "batch_size": 2, "device": "cpu"}
    result = compare(Settings(losses=("RedLoss",), steps=2, warm_up_steps=0, **options), tmp_path)  # type: ignore[arg-type]
    assert [(run.label, run.description) for run in result.runs][1] == ("RedLoss", "The error of, times a factor")


def test_it_is_defined_again_but_takes_nobodys_name() -> None:
    register_loss(mixed)
    for _ in range(2):

        @register_loss
        class Mine(RedLoss):
            pass

    assert LOSSES["Mine"] is Mine
    for name in ("l1", "L1Loss", "mixed", "perceptual"):
        with pytest.raises(InputError, match="a name that is free"):
            register_loss(Mine, name)
    with pytest.raises(InputError, match="a name that is free"):
        register_loss(Mine, "WeightedLoss")


def test_what_cannot_be_registered_says_why() -> None:
    def open_ended(**options: float) -> Loss:
        return RedLoss(**options)

    def weighted(weight: float = 1.0) -> Loss:
        return weight * L1Loss()

    def no_loss() -> Loss:
        return nn.L1Loss()  # type: ignore[return-value]

    with pytest.raises(InputError, match="a subclass of Loss, got L1Loss"):
        register_loss(nn.L1Loss)  # type: ignore[type-var]
    with pytest.raises(InputError, match="a function that returns a loss"):
        register_loss(RedLoss())  # type: ignore[type-var]
    with pytest.raises(InputError, match="in letters and digits"):
        register_loss(RedLoss, "red-loss")
    with pytest.raises(InputError, match="arguments of open_ended with names"):
        register_loss(open_ended)
    with pytest.raises(InputError, match="without an argument 'weight'"):
        register_loss(weighted)
    with pytest.raises(InputError, match="no_loss to return a loss, got L1Loss"):
        build_loss(register_loss(no_loss).__name__)


def test_a_style_of_ones_own_is_given_the_picture_and_the_strength() -> None:
    @register_loss
    class OwnStyle(StyleReconstructionLoss):
        def __init__(self, style: Tensor | None = None) -> None:
            super().__init__("compact", ["relu1_2"], style=style)

    assert has_style_term({"OwnStyle": 1.0})
    objective = style_objective({"OwnStyle": 1.0, "L1Loss": 1.0}, torch.rand(1, 3, 20, 20), strength=3.0)
    assert objective.weights == {"own_style": 3.0, "l1": 1.0}
    assert not objective.losses["own_style"].needs_target


def test_a_trusted_module_may_register_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "from perceptualloss import Loss, L1Loss, register_loss\n\n"
    code += "@register_loss\ndef half(share: float = 0.5) -> Loss:\n    return share * L1Loss()\n"
    (tmp_path / "own_losses.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_losses", raising=False)
    assert trust("own_losses") == ["half"]
    assert build_loss("half", share=0.25).weights == {"l1": 0.25}


def test_every_loss_is_described_in_plain_words() -> None:
    for name in LOSSES:
        label, description = described(name)
        assert label
        assert description
        assert not set(description) & set("`\\\n")
        assert "reduction" not in options_of(name)
