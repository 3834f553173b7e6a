from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptualloss.data.degrade import Downscale
from perceptualloss.data.module import PhotoData
from perceptualloss.errors import InputError
from perceptualloss.losses.registry import build_loss
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.studies.compare.compare import compare
from perceptualloss.studies.compare.fitting import FEWEST, Costs, fit_to_time, measure_costs
from perceptualloss.studies.compare.settings import STEPS, NetworkName, Settings, read_settings

SLOW = Costs(0.25, {"mse": 0.25, "perceptual": 0.3}, 1.0, 20)  # two cores with AVX2
FAST = Costs(0.03, {"mse": 0.03, "perceptual": 0.04}, 0.2, 10)


def fitted(settings: Settings, costs: dict[NetworkName, Costs]) -> tuple[Settings, list[str]]:
    said: list[str] = []
    return fit_to_time(settings, costs.__getitem__, said.append), said


def test_where_there_is_time_the_whole_is_trained_without_a_word() -> None:
    settings, said = fitted(Settings(), {"course": FAST})
    assert (settings.steps, settings.network, settings.fitted_minutes, said) == (2000, "course", 5.0, [])


def test_a_slow_machine_trains_fewer_steps_and_says_so() -> None:
    settings, said = fitted(Settings(network="course"), {"course": SLOW})
    seconds = 0.85 * 300 - 20 - 8 * 2  # what is left for steps: half of them shared, half with either loss
    assert settings.steps == int(seconds / (0.25 / 2 + 0.25 / 2 + 0.3 / 2) / 10) * 10 == 540
    assert settings.network == "course"
    assert said == ["Training 540 steps of each network, which fit 5 minutes here (--steps 2000: the whole)"]


def test_a_very_slow_machine_takes_the_faster_network() -> None:
    crawling = Costs(1.0, {"mse": 1.0, "perceptual": 1.1}, 1.0, 20)
    settings, said = fitted(Settings(), {"course": crawling, "residual": SLOW})
    assert (settings.network, settings.steps) == ("residual", 540)
    assert "too few; taking ResidualUpscaler" in said[0]
    settings, said = fitted(Settings(network="course"), {"course": crawling})  # who asks for it gets it
    assert (settings.network, settings.steps) == ("course", FEWEST)
    assert said == [f"{FEWEST} steps take about 6 minutes here, more than 5: fewer would show nothing"]


@given(
    minutes=st.floats(0.1, 60),
    step=st.floats(1e-4, 2),
    factor=st.floats(1, 4),
    end=st.floats(0, 100),
    losses=st.integers(1, 4),
)
def test_the_plan_fits_or_says_that_it_does_not(
    minutes: float, step: float, factor: float, end: float, losses: int
) -> None:
    costs = Costs(step, {str(n): factor * step for n in range(losses)}, end / 20, end)
    settings, said = fitted(Settings(minutes=minutes), {"course": costs, "residual": costs})
    assert settings.steps is not None
    assert FEWEST <= settings.steps <= STEPS
    assert costs.seconds(settings, settings.steps) <= 60 * minutes or "more than" in said[-1]
    assert (settings.steps < STEPS) == bool(said)


def test_costs_are_those_of_all_losses_and_photos(small_photos: Path) -> None:
    settings = Settings(photos=small_photos, crop=16, batch_size=2, validation=2, device="cpu")
    data = PhotoData(Downscale(2), small_photos, validation=2, crop=16, batch_size=2)
    losses = {name: build_loss(name, None) for name in ("mse", "l1")}
    network = ResidualUpscaler(2, width=4, blocks=1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    costs = measure_costs(settings, network, losses, data)
    assert set(costs.steps) == {"mse", "l1"}
    assert min(costs.pixel_step, *costs.steps.values(), costs.look, costs.end) > 0
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())


def test_what_was_fitted_is_gone_on_with(small_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perceptualloss.studies.compare.fitting.FEWEST", 2)
    monkeypatch.setattr(
        "perceptualloss.studies.compare.compare.measure_costs", lambda *_: Costs(9.0, {"mse": 9.0}, 0, 0)
    )
    options: dict[str, Any] = {"crop": 16, "batch_size": 2, "validation": 1, "device": "cpu", "losses": ("mse",)}
    asked = Settings(photos=small_photos, minutes=0.1, network="residual", **options)
    said: list[str] = []
    found = compare(asked, tmp_path, say=said.append)
    assert any("2 steps take about 0 minutes here, more than 0.1" in line for line in said)
    assert found.title.endswith("2 steps")
    assert found.settings["chosen"] == "network and steps, to fit 0.1 minutes on this machine"
    begun = read_settings(tmp_path)
    assert begun == replace(asked, steps=2, minutes=None, fitted_minutes=0.1)
    assert "--steps 2" in begun.command()
    assert "fitted" not in begun.command()

    def never(*_: Any) -> Costs:
        raise AssertionError("measured again")

    monkeypatch.setattr("perceptualloss.studies.compare.compare.measure_costs", never)
    again = compare(asked, tmp_path)
    assert json.dumps(again.runs[1].scores["psnr"]) == json.dumps(found.runs[1].scores["psnr"])
    with pytest.raises(InputError, match="settings of the comparison"):
        compare(replace(asked, minutes=0.2, steps=None, crop=18), tmp_path)


def test_a_warm_up_that_takes_all_steps_that_fit_is_refused(
    small_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "perceptualloss.studies.compare.compare.measure_costs", lambda *_: Costs(9.0, {"mse": 9.0}, 0, 0)
    )
    options: dict[str, Any] = {"crop": 16, "batch_size": 2, "validation": 1, "device": "cpu", "losses": ("mse",)}
    with pytest.raises(InputError, match="warm_up_steps below steps"):
        compare(Settings(photos=small_photos, warm_up_steps=500, **options), tmp_path)


@pytest.mark.parametrize(
    ("options", "words"), [({"minutes": 0.0}, "minutes above 0"), ({"minutes": 3.0, "steps": 9}, "with steps")]
)
def test_minutes_that_cannot_be_are_refused(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        compare(Settings(**options), tmp_path)
