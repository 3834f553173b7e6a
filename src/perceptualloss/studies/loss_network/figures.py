"""What was found out about a trained loss network: figures beside those of other distances, and a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from perceptualloss.studies.loss_network.agreement import Agreement

THIS, RANDOM, SQUARED = "this network", "random network", "mean squared error"
_SAME = 2.0  # percent; two trainings of one network differ by as much


@dataclass(frozen=True)
class Row:
    """One figure of all distances, in percent of the pairs that are ordered right."""

    title: str
    note: str
    values: Mapping[str, float]

    @property
    def best(self) -> set[str]:
        """The names with the highest figure as it is printed; none where all are alike or only one was measured."""
        texts = {name: percent(value) for name, value in self.values.items() if math.isfinite(value)}
        highest = percent(max((v for v in self.values.values() if math.isfinite(v)), default=math.nan))
        names = {name for name, text in texts.items() if text == highest}
        return names if len(names) < len(texts) else set()


@dataclass(frozen=True)
class NetworkReport:
    """What was found out about a network; ``agreements`` has the trained one first, then what it is compared with."""

    title: str
    agreements: Mapping[str, Agreement]
    photos: Sequence[str]
    settings: Mapping[str, str] = field(default_factory=dict)
    command: str = ""

    @property
    def rows(self) -> list[Row]:
        """The three figures over all kinds, and the last of them against each milder kind alone."""
        every = self.agreements.items()
        rows = [Row(title, note, {name: getattr(a, key) for name, a in every}) for key, title, note in _FIGURES]
        for kind in self.agreements[THIS].against:
            note = f"At equal PSNR, those four are farther than {_MILDER[kind]}."
            rows.append(Row(f"… than {kind}", note, {name: a.against[kind] for name, a in every}))
        return rows

    @property
    def kinds(self) -> list[Row]:
        """*Any photos* for each kind of distortion."""
        every = self.agreements.items()
        return [Row(kind, "", {name: a.by_kind[kind] for name, a in every}) for kind in self.agreements[THIS].by_kind]

    @property
    def verdict(self) -> list[str]:
        """What came out, in a few sentences that follow from the figures."""
        return [*_overall(self.agreements), *_weakest(self.kinds)]


_FIGURES = (
    (
        "same_photo",
        "Same photo",
        "Of two strengths of one distortion on one photo, the stronger one is farther. Nearly every distance passes.",
    ),
    (
        "any_photos",
        "Any photos",
        "The same with the two strengths on different photos. A distance that depends on what the photo shows, "
        "rather than on the distortion, fails here.",
    ),
    (
        "equal_psnr",
        "Equal PSNR",
        "Blur, JPEG, coarse pixels and a blurry enlargement are farther than a shift by one pixel, noise and changed "
        "brightness, contrast or gamma of the same squared error, as people rank them. Guessing gives half.",
    ),
)
_MILDER = {
    "shift": "a shift by one pixel",
    "brightness": "a change of brightness",
    "contrast": "a loss of contrast",
    "gamma": "a change of gamma",
    "noise": "noise",
}


def percent(value: float) -> str:
    """Write a figure as whole percent; a dash where there was no pair.

    >>> percent(92.6), percent(float("nan"))
    ('93%', '–')
    """
    return f"{value:.0f}%" if math.isfinite(value) else "\N{EN DASH}"


def _overall(agreements: Mapping[str, Agreement]) -> list[str]:
    this, random, squared = (agreements[name] for name in (THIS, RANDOM, SQUARED))
    sentences = [
        f"Of two strengths of one distortion on different photos, this network finds the stronger one farther in "
        f"{percent(this.any_photos)} of the pairs; a random network of the same shape in {percent(random.any_photos)}, "
        f"mean squared error in {percent(squared.any_photos)}."
    ]
    gains = [this.any_photos - max(random.any_photos, squared.any_photos)]
    if math.isfinite(this.equal_psnr):
        sentences.append(
            f"At equal PSNR it orders {percent(this.equal_psnr)} of the pairs as people do; the random network "
            f"{percent(random.equal_psnr)}, mean squared error {percent(squared.equal_psnr)}."
        )
        gains.append(this.equal_psnr - max(random.equal_psnr, squared.equal_psnr))
    return [*sentences, _judgement([gain for gain in gains if math.isfinite(gain)])]


def _judgement(gains: Sequence[float]) -> str:
    """Say whether the training paid; ``gains`` are percent above the better one of the other two distances."""
    if not gains:
        return "The photos show too little to judge by: they are flat."
    advice = "Train for more steps or on more pictures."
    if min(gains) > _SAME:
        return "So the training paid: by both measures it is ahead of both." if len(gains) > 1 else "So it is ahead."
    if max(gains) > _SAME:
        return f"So it is ahead by one measure and not by the other. {advice}"
    return f"So it is not ahead of what needs no training. {advice}"


def _weakest(kinds: Sequence[Row]) -> list[str]:
    behind = [row for row in kinds if row.values[THIS] < row.values[RANDOM] - _SAME]
    if not behind:
        return ["In no kind of distortion is it behind the random network."] if kinds else []
    named = ", ".join(
        f"{row.title} ({percent(row.values[THIS])} against {percent(row.values[RANDOM])})" for row in behind
    )
    return [f"It is behind the random network in {named}."]
