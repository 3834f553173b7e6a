"""How far the embedded networks' distances agree with ST-LPIPS and SSIMULACRA 2 over distorted photos.

Every photo under every kind of distortion at every strength; per yardstick two correlations of ranks (Spearman's; and
Kendall's beside it): *pooled*, over all of them at once, and *within a kind*, the mean over the kinds of that over
photos and strengths. SSIMULACRA 2 counts downwards, so 1 is the same order everywhere.

Candidates are the networks' layers before each pooling, with unit-normalised channels: their geometric mean, their
arithmetic mean, and each layer alone. Which of the judge's becomes ``perceptual_distance`` follows from a rule that
was written down before this was run for the first time (docs/loss-network-study.md): a score for each, the mean of
pooled and within a kind, ST-LPIPS's two networks counting as one; the best takes the place of what ships if the 95%
interval of its lead, over photos drawn again, lies above 0. ``compact`` stands beside them but
trains, so it cannot judge.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata
from torch import Tensor

from loss_network_agreement import LAYERS
from loss_network_photos import validation_photos
from perceptualloss.data.distortions import STRENGTHS
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.network import loss_network
from perceptualloss.losses.distance import over_layers, squared, unit
from perceptualloss.metrics.registry import list_metrics, metric, metric_function
from perceptualloss.metrics.ssim import ssim

Values = NDArray[np.float64]
"""(kinds, strengths, photos)."""
YARDSTICKS = list_metrics("yardsticks")
SHIPS = "judge, geometric mean"
DRAWS = 500  # of the bootstrap


def yardsticks(data: Path | None, out: Path, *, size: int = 256, weights: Mapping[str, str] | None = None) -> None:
    """Measure, write all values to ``out`` as JSON, and print the table and what the rule says."""
    photos = validation_photos(data, size)
    networks = {name: loss_network(name, LAYERS[name], weights=(weights or {}).get(name, "default")) for name in LAYERS}
    rows = [measure_photo(photo, networks) for photo in photos]
    values = {name: np.stack([row[name] for row in rows], axis=-1) for name in rows[0]}
    out.mkdir(parents=True, exist_ok=True)
    kept = {"kinds": list(STRENGTHS), "values": {name: each.tolist() for name, each in values.items()}}
    (out / "yardsticks.json").write_text(json.dumps(kept), encoding="utf-8")
    print(f"{len(photos)} photos of {size} x {size}, {values[SHIPS].size} distorted ones", table(values), sep="\n\n")
    print(verdict(values))


def measure_photo(photo: Tensor, networks: Mapping[str, LossNetwork]) -> dict[str, Values]:
    """Return every distance of a photo (3, H, W) under every distortion, each (kinds, strengths)."""
    distorted = [distort(photo, s)[None] for distort, strengths in STRENGTHS.values() for s in strengths]
    target, found = photo[None], {}
    measures: dict[str, Callable[..., Tensor]] = {
        "squared error": lambda x: squared(x, target),
        "1 - SSIM": lambda x: 1 - ssim(x, target),
        **{name: metric_function(name).against(target) for name in YARDSTICKS},
    }
    with torch.inference_mode():
        for name, measure in measures.items():
            sign = -1 if name in YARDSTICKS and metric(name).higher_is_better else 1
            found[name] = [sign * float(measure(output)) for output in distorted]
        for name, network in networks.items():
            wanted = network(target)
            for output in distorted:
                layers = {layer: unit(maps, wanted[layer]) for layer, maps in network(output).items()}
                each = {"geometric mean": over_layers([*layers.values()]), "mean": sum(layers.values()) / len(layers)}
                for variant, value in (each | layers).items():
                    found.setdefault(f"{name}, {variant}", []).append(float(value))
    return {name: np.array(each).reshape(len(STRENGTHS), -1) for name, each in found.items()}


def table(values: Mapping[str, Values]) -> str:
    """Return the correlations of every distance with every yardstick, and its score, as Markdown.

    The yardsticks have rows, too, without a score: how far they agree with each other is as far as any distance can.
    """
    heads = [f"{figure}, {metric(name).label}" for name in YARDSTICKS for figure in ("pooled", "within a kind")]
    lines = ["| | score | " + " | ".join(heads) + " |", "|---" * (len(heads) + 2) + "|"]
    for name, each in values.items():
        cells = ["" if name in YARDSTICKS else f"{score(each, values):.3f}"]
        for yardstick in YARDSTICKS:
            for figure in (pooled, within):
                first, second = figure(each, values[yardstick]), figure(each, values[yardstick], kendall=True)
                cells.append("" if yardstick == name else f"{first:.3f} ({second:.2f})")
        lines.append(f"| {metric(name).label if name in YARDSTICKS else name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", "Spearman's correlation, in brackets Kendall's."])


def verdict(values: Mapping[str, Values], seed: int = 0) -> str:
    """Say what the rule says of the judge's variants."""
    best, low, high = choose(values, seed)
    scores = {name: score(each, values) for name, each in values.items() if name in (best, SHIPS)}
    if best == SHIPS:
        return f"No variant of the judge has a higher score than what ships ({SHIPS}, {scores[SHIPS]:.3f})."
    lead = f"{best} scores {scores[best]:.3f}, what ships ({SHIPS}) {scores[SHIPS]:.3f}; lead {low:.3f} to {high:.3f}"
    return f"{lead}: {'it takes the place of' if low > 0 else 'not sure enough to take the place of'} what ships."


def choose(values: Mapping[str, Values], seed: int = 0) -> tuple[str, float, float]:
    """Return the judge's variant with the highest score, and the 95% interval of its lead over what ships."""
    scores = {name: score(each, values) for name, each in values.items() if name.startswith("judge, ")}
    best = max(scores, key=lambda name: scores[name])
    generator, count = np.random.default_rng(seed), values[SHIPS].shape[-1]
    leads = []
    for _ in range(DRAWS):
        drawn = generator.integers(count, size=count)
        again = {name: values[name][..., drawn] for name in (best, SHIPS, *YARDSTICKS)}
        leads.append(score(again[best], again) - score(again[SHIPS], again))
    low, high = np.quantile(leads, (0.025, 0.975))
    return best, float(low), float(high)


def score(distance: Values, values: Mapping[str, Values]) -> float:
    """Return the mean of pooled and within a kind; ST-LPIPS's two networks count as one yardstick."""
    alex, vgg, other = ((pooled(distance, values[name]) + within(distance, values[name])) / 2 for name in YARDSTICKS)
    return ((alex + vgg) / 2 + other) / 2


def pooled(distance: Values, yardstick: Values, kendall: bool = False) -> float:
    """Return the correlation of ranks over all kinds, strengths and photos at once."""
    return _kendall(distance, yardstick) if kendall else _spearman(distance, yardstick)


def within(distance: Values, yardstick: Values, kendall: bool = False) -> float:
    """Return the mean over the kinds of the correlation of ranks over strengths and photos."""
    pairs = list(zip(distance, yardstick, strict=True))
    return sum(pooled(first, second, kendall) for first, second in pairs) / len(pairs)


def _spearman(first: Values, second: Values) -> float:
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


def _kendall(first: Values, second: Values) -> float:
    return float(kendalltau(first.ravel(), second.ravel()).statistic)
