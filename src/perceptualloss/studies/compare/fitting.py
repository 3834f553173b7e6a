"""How many steps, and of which network, fit the minutes that a comparison may take on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import torch

from perceptualloss.apply.device import find_device
from perceptualloss.data.inputs import Clean, joined
from perceptualloss.data.module import PhotoData
from perceptualloss.losses.base import Loss
from perceptualloss.losses.pixel import MSELoss
from perceptualloss.metrics.report import measure, measure_all
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.studies.compare.settings import MINUTES, STEPS, NetworkName, Settings
from perceptualloss.training.parameters import adam
from perceptualloss.training.precision import best_precision
from perceptualloss.training.randomness import own_randomness

Result = TypeVar("Result")

VALIDATIONS = 8
"""How often a training looks at the validation photos."""
SHORTEST = 1500
"""Below so many steps the faster network is taken. After 2,000 the course's shows what losses do; after 400 its
perceptual loss was still behind MSE by every measure but one. ``ResidualUpscaler`` shows it after 1,000."""
FEWEST = 200
"""So many are trained even where they take longer than was asked."""
TIMED_STEPS = 4
_SPARE = 0.85  # of the time is planned with: for the start, the report, and other programs


@dataclass(frozen=True)
class Costs:
    """What a comparison takes on this machine, in seconds.

    Attributes:
        pixel_step: one step with MSE.
        steps: one step with each loss.
        look: one look at the middles of the validation photos, while a network is trained.
        end: measuring and drawing the whole validation photos of all networks.
    """

    pixel_step: float
    steps: Mapping[str, float]
    look: float
    end: float

    def seconds(self, settings: Settings, steps: int) -> float:
        """Return what the whole comparison takes with so many steps of each network."""
        shared = replace(settings, steps=steps).shared_steps
        own = sum(max(0, steps - shared) * each for each in self.steps.values())
        looks = VALIDATIONS * len(self.steps) * self.look
        return shared * self.pixel_step + own + looks + self.end

    def most_steps(self, settings: Settings, seconds: float) -> int:
        """Return how many steps of each network fit, at most those of a comparison without haste, in tens.

        >>> Costs(0.1, {"mse": 0.1, "perceptual": 0.2}, 0, 10).most_steps(Settings(), 210)
        1000
        """
        fitting = [steps for steps in range(10, STEPS + 1, 10) if self.seconds(settings, steps) <= seconds]
        return fitting[-1] if fitting else 0


def fit_to_time(
    settings: Settings,
    measured: Callable[[NetworkName], Costs],
    say: Callable[[str], None] = lambda line: None,
) -> Settings:
    """Return settings with as many steps as fit the minutes; with a faster network where these are too few.

    Args:
        settings: without steps; a network that they name is kept.
        measured: gives what one with a network costs.
        say: is called with a line for whatever is decided.
    """
    minutes = MINUTES if settings.minutes is None else settings.minutes
    seconds = _SPARE * 60 * minutes
    network = settings.architecture
    costs = measured(network)
    steps = costs.most_steps(settings, seconds)
    if steps < SHORTEST and settings.network is None:
        say(f"{steps} steps of the course's network fit {minutes:g} minutes here: too few; taking ResidualUpscaler")
        network = "residual"
        costs = measured(network)
        steps = costs.most_steps(settings, seconds)
    if steps < FEWEST:
        expected = costs.seconds(settings, FEWEST) / 60
        say(f"{FEWEST} steps take about {expected:.0f} minutes here, more than {minutes:g}: fewer would show nothing")
        steps = FEWEST
    elif steps < STEPS:
        say(f"Training {steps} steps of each network, which fit {minutes:g} minutes here (--steps {STEPS}: the whole)")
    return replace(settings, network=network, steps=steps, minutes=None, fitted_minutes=minutes)


def measure_costs(
    settings: Settings, network: TransformationNetwork, losses: Mapping[str, Loss], data: PhotoData
) -> Costs:
    """Time a few steps with each loss, and what is measured of a validation photo, on the device that will train."""
    device = find_device(settings.device)
    network = network.to(device).to(memory_format=torch.channels_last)
    with own_randomness(settings.seed):
        pixel_step = _step_seconds(network, MSELoss(), data)
        steps = {name: _step_seconds(network, loss.to(device), data) for name, loss in losses.items()}
        name, low, photo = next(data.validation_pairs())
        with torch.no_grad():
            output, transforming = _timed(lambda: network.eval()(low.to(device)).float().cpu().clamp(0, 1))
            _, looking = _timed(lambda: measure(output, photo))
            _, measuring = _timed(lambda: measure_all({name: output}, photo))
    here = photo[0, 0].numel()
    sizes, most = data.validation_photos.sizes, data.validation_size
    photos = sum(height * width for height, width in sizes) / here
    middles = sum(min(height, most) * min(width, most) for height, width in sizes) / here
    runs = len(losses)
    end = photos * (runs * transforming + (runs + 1) * measuring)
    return Costs(pixel_step, steps, middles * (transforming + looking), end)


def _step_seconds(network: TransformationNetwork, loss: Loss, data: PhotoData) -> float:
    """Return the seconds of a step, the least of a few after a first one, with the reading of its samples."""
    place = next(network.parameters()).device
    optimizer = adam(network.train(), 0.0, (0.9, 0.999))  # a rate of 0 leaves the weights as they are
    kind = torch.bfloat16 if best_precision(place.type) == "bf16" else None

    def step() -> None:
        clean = joined([data.crops.clean(number) for number in range(data.batch_size)])
        low, target = data.crops.inputs(Clean(clean.photos.to(place), clean.numbers))
        with torch.autocast(place.type, dtype=kind, enabled=kind is not None):
            output = network(low.contiguous(memory_format=torch.channels_last))
            total = loss(output, target)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        total.item()  # waits for the device

    step()
    return min(_timed(step)[1] for _ in range(TIMED_STEPS))


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """Return what some work gives, and the seconds that it took."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start
